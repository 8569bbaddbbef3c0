-- Schema 1 of the outbox in PostgreSQL. Times are milliseconds since 1970, as callers tell them;
-- only who lives is told by the server's clock.

-- Processes that use this outbox. The number of one is never used twice, so that what an earlier
-- one claimed is not another's; who has no row any more has nothing in flight.
CREATE TABLE replica (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,                -- for people: of the machine and the process
    began_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    beat_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- Whoever has the row of an endpoint locked is the only one who changes its pairs, but for new ones.
CREATE TABLE endpoint (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    failing_since_ms BIGINT,           -- NULL while it answers
    paused_at_ms BIGINT,               -- NULL while it is told
    pause_reason TEXT NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

-- What was accepted and is pending somewhere. Rows are written once; a part whose events have all
-- ended is dropped as a whole.
CREATE SEQUENCE event_seq AS BIGINT;
CREATE TABLE part (
    number BIGINT PRIMARY KEY,
    began_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO part VALUES (1);
CREATE TABLE event (
    part BIGINT NOT NULL,
    seq BIGINT NOT NULL,               -- order of acceptance
    id TEXT NOT NULL,
    accepted_at_ms BIGINT NOT NULL,
    hook TEXT NOT NULL,
    dialect TEXT NOT NULL,
    ordering_key TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (part, seq)
) PARTITION BY LIST (part);
CREATE TABLE event_1 PARTITION OF event FOR VALUES IN (1);

-- Digests of all ids that make a duplicate.
CREATE TABLE known (
    digest UUID PRIMARY KEY,
    pairs INTEGER NOT NULL,            -- that are pending or dead
    forget_at_ms BIGINT,               -- set when no pair is left
    ended BIGINT                       -- in the order of their ends
) WITH (fillfactor = 80);
CREATE SEQUENCE known_ended AS BIGINT;
CREATE INDEX known_by_time ON known (forget_at_ms, ended) WHERE forget_at_ms IS NOT NULL;

-- What is pending: one event for one endpoint.
CREATE TABLE pair (
    endpoint BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    part BIGINT NOT NULL,
    place SMALLINT NOT NULL,           -- 0 ready, 1 in flight, 2 retry, 3 waiting for its ordering key
    attempts INTEGER NOT NULL DEFAULT 0, -- that were used up, the one in flight included
    crashes INTEGER NOT NULL DEFAULT 0,  -- ends of a replica that found it in flight
    replays INTEGER NOT NULL DEFAULT 0,
    due_at_ms BIGINT NOT NULL DEFAULT 0, -- 0 until the first retry
    accepted_at_ms BIGINT NOT NULL,
    bytes BIGINT NOT NULL,             -- what the event counts against bytes_max
    owner BIGINT,                      -- the replica that has it in flight
    claim BIGINT,                      -- and by which claim
    digest UUID NOT NULL,              -- of its id
    lane UUID,                         -- of its ordering key; NULL without one, or when it left it
    reason TEXT NOT NULL DEFAULT '',   -- why the last attempt failed
    PRIMARY KEY (endpoint, seq)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX pair_ready ON pair (endpoint, seq) WHERE place = 0;
CREATE INDEX pair_retry ON pair (endpoint, due_at_ms, seq) WHERE place = 2;
CREATE INDEX pair_lane ON pair (endpoint, lane, seq) WHERE lane IS NOT NULL;
CREATE INDEX pair_tried ON pair (endpoint, lane, seq) WHERE lane IS NOT NULL AND place IN (1, 2);
CREATE INDEX pair_in_flight ON pair (owner) WHERE place = 1;

-- Given up, with all that a replay needs.
CREATE TABLE dead (
    endpoint BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    replays INTEGER NOT NULL,
    died_at_ms BIGINT NOT NULL,
    accepted_at_ms BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    digest UUID NOT NULL,
    lane UUID,
    id TEXT NOT NULL,
    hook TEXT NOT NULL,
    dialect TEXT NOT NULL,
    ordering_key TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    answer TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (endpoint, seq)
);
CREATE INDEX dead_lane ON dead (endpoint, lane, seq) WHERE lane IS NOT NULL;
CREATE INDEX dead_by_time ON dead (died_at_ms, endpoint, seq);

-- The last events that ended by somebody's will; the oldest are forgotten.
CREATE TABLE discarded (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint BIGINT NOT NULL,
    id TEXT NOT NULL,
    hook TEXT NOT NULL,
    ordering_key TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    accepted_at_ms BIGINT NOT NULL,
    discarded_at_ms BIGINT NOT NULL,
    reason TEXT NOT NULL
);

-- What the latest call said about a series, as long as a repeat of it is recognised.
CREATE TABLE latest (
    series UUID PRIMARY KEY,           -- a digest of its name
    forget_at_ms BIGINT NOT NULL,
    lines UUID[] NOT NULL              -- digests
);
CREATE INDEX latest_by_time ON latest (forget_at_ms);

-- Counters, each the sum of all rows: a replica changes rows of its own alone, so that none is hot.
-- Replica 0 has those of replicas that are gone, endpoint 0 what is counted for none.
CREATE TABLE tally (
    replica BIGINT NOT NULL,
    task SMALLINT NOT NULL,            -- a connection of the replica
    endpoint BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    discarded BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    in_flight BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    remembered BIGINT NOT NULL,
    PRIMARY KEY (replica, task, endpoint)
) WITH (fillfactor = 20);
