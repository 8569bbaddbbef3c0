-- Schema 3: accepting an event writes at the end of everything, and a row for each pair only when
-- its endpoint has come to look at it. `file.rs` then moves the ids from `known`.

-- Who must get it, by number, each between blanks; empty where every pair is in `pair` or `dead`.
ALTER TABLE event ADD COLUMN endpoints TEXT NOT NULL DEFAULT '';

-- Pairs of an event that are pending or dead, where there were several.
CREATE TABLE share (
    seq INTEGER PRIMARY KEY,
    pairs INTEGER NOT NULL
) STRICT;

-- Digests of ids, 16 bytes each, many in a row, so that an id takes no page of its own.
CREATE TABLE held (               -- of the events that are here
    first INTEGER PRIMARY KEY,    -- the seq of the first; the others follow
    ids BLOB NOT NULL             -- zeros where the event has ended
) STRICT;
CREATE TABLE ended (              -- of those that ended not long ago, in the order of their ends
    number INTEGER PRIMARY KEY,
    forget_at_ms INTEGER NOT NULL,
    ids BLOB NOT NULL
) STRICT;

-- Every pair up to `looked_to` has ended or has a row, and `listed` is how many have one. The pairs
-- behind it are pending and ready, and stand in `event.endpoints` alone.
ALTER TABLE endpoint ADD COLUMN looked_to INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoint ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoint ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;  -- against endpoint_bytes_max
UPDATE endpoint SET
    looked_to = (SELECT last_seq FROM total),
    listed = (SELECT count(*) FROM pair WHERE endpoint = number),
    bytes = (SELECT coalesce(sum(bytes), 0) FROM pair JOIN event USING (seq) WHERE endpoint = number)
        + (SELECT coalesce(sum(bytes), 0) FROM dead JOIN event USING (seq) WHERE endpoint = number);

-- With the ready ones: few have a row.
DROP INDEX pair_by_lane;
CREATE INDEX pair_by_lane ON pair (endpoint, lane, place, seq) WHERE lane <> '';

-- What a lane misses is told with its next events.
ALTER TABLE dead ADD COLUMN lane TEXT NOT NULL DEFAULT '';
UPDATE dead SET lane = (SELECT lane FROM event WHERE event.seq = dead.seq);
CREATE INDEX dead_by_lane ON dead (endpoint, lane, seq) WHERE lane <> '';

-- The last events that ended by somebody's will; the oldest are forgotten.
CREATE TABLE discarded (
    number INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL,
    id TEXT NOT NULL,
    hook TEXT NOT NULL,
    lane TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    discarded_at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
