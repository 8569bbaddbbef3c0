-- Schema 1 of the outbox. Times are milliseconds since 1970.

-- What was accepted and has pairs that are pending or dead. Bodies stand here alone, so that
-- scheduling never touches them.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,     -- order of acceptance, never used twice
    id TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,      -- what it counts against bytes_max
    hook TEXT NOT NULL,
    dialect TEXT NOT NULL,
    lane TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    body BLOB NOT NULL           -- the last, so that the others are read without it
) STRICT;

-- Every id that makes a duplicate.
CREATE TABLE known (
    id TEXT PRIMARY KEY,
    pairs INTEGER NOT NULL,      -- that are pending or dead
    forget_at_ms INTEGER         -- set when no pair is left
) STRICT, WITHOUT ROWID;
CREATE INDEX known_by_time ON known (forget_at_ms) WHERE forget_at_ms IS NOT NULL;

-- What is pending: one event for one endpoint.
CREATE TABLE pair (
    endpoint INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,      -- 0 ready, 1 in flight, 2 retry, 3 waiting for its lane
    due_at_ms INTEGER NOT NULL,  -- 0 until the first retry
    accepted_at_ms INTEGER NOT NULL,
    lane TEXT NOT NULL,
    attempts INTEGER NOT NULL,   -- that were used up, the one in flight included
    claims INTEGER NOT NULL,     -- counts up, so that each claim has a key of its own
    crashes INTEGER NOT NULL,    -- unclean ends of the process that found it in flight
    reason TEXT NOT NULL,        -- why the last attempt failed
    PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX pair_by_due ON pair (endpoint, place, due_at_ms) WHERE place < 3;
-- Without the ready ones: accepting an event writes at the end of everything but `known`.
CREATE INDEX pair_by_lane ON pair (endpoint, lane, seq) WHERE place > 0 AND lane <> '';

-- Pairs that were given up. Their events stay for replay.
CREATE TABLE dead (
    endpoint INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    died_at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;

-- Counters, changed in the transaction that changes what they count, so that nothing is ever
-- counted by reading through tables.
CREATE TABLE endpoint (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    accepted INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    discarded INTEGER NOT NULL,
    pending INTEGER NOT NULL,    -- in flight or not
    in_flight INTEGER NOT NULL
) STRICT;
CREATE TABLE total (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last_seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    remembered_ids INTEGER NOT NULL,
    starts INTEGER NOT NULL      -- how often the file was opened
) STRICT;
INSERT INTO total VALUES (1, 0, 0, 0, 0);
