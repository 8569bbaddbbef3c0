CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- Names of closed sets, hooks, lists, endpoints and callers stand in `names`.
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY,
  random INTEGER NOT NULL,
  hook INTEGER NOT NULL,
  dialect INTEGER NOT NULL,
  caller INTEGER,
  message TEXT NOT NULL,
  client_message TEXT NOT NULL,
  operation TEXT NOT NULL,
  sender TEXT NOT NULL,
  target TEXT NOT NULL,
  conversation TEXT NOT NULL,
  content_type INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  action INTEGER NOT NULL,
  code INTEGER,
  decided_by INTEGER NOT NULL,
  class INTEGER,
  skipped INTEGER,
  reviewed INTEGER NOT NULL,
  why TEXT NOT NULL,
  version INTEGER NOT NULL,
  version_hash INTEGER NOT NULL,
  matches_left_out INTEGER NOT NULL,
  endpoint INTEGER,
  answer INTEGER,
  filter_us INTEGER NOT NULL,
  endpoint_us INTEGER NOT NULL,
  total_us INTEGER NOT NULL,
  weight INTEGER NOT NULL
);
CREATE TABLE matches (
  decision INTEGER NOT NULL,
  number INTEGER NOT NULL,
  list INTEGER NOT NULL,
  line INTEGER NOT NULL,
  entry INTEGER NOT NULL,
  form INTEGER NOT NULL,
  action INTEGER NOT NULL,
  place TEXT NOT NULL,
  byte_start INTEGER NOT NULL,
  byte_end INTEGER NOT NULL,
  char_start INTEGER NOT NULL,
  char_end INTEGER NOT NULL,
  folds TEXT NOT NULL,
  PRIMARY KEY (decision, number)
) WITHOUT ROWID;
CREATE TABLE texts (decision INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE counts (
  minute INTEGER NOT NULL,
  hook INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  -- 0: all; otherwise those in which this list matched.
  list INTEGER NOT NULL,
  version INTEGER NOT NULL,
  version_hash INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (minute, hook, outcome, list, version, version_hash)
) WITHOUT ROWID;
