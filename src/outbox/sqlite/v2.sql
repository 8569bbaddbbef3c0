-- Schema 2: dead letters can be replayed, and an endpoint's state outlives the process.

ALTER TABLE pair ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead ADD COLUMN answer TEXT NOT NULL DEFAULT '';
CREATE INDEX dead_by_time ON dead (died_at_ms);

-- By place: a replayed pair may come before the one of its lane that is in flight.
DROP INDEX pair_by_lane;
CREATE INDEX pair_by_lane ON pair (endpoint, lane, place, seq) WHERE place > 0 AND lane <> '';

ALTER TABLE endpoint ADD COLUMN failing_since_ms INTEGER;  -- NULL while it answers
ALTER TABLE endpoint ADD COLUMN paused_at_ms INTEGER;      -- NULL while it is told
ALTER TABLE endpoint ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';

-- Rows of `event`.
ALTER TABLE total ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
UPDATE total SET events = (SELECT count(*) FROM event);
