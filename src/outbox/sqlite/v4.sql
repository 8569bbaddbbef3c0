-- Schema 4: a stored event proves that it is what was accepted, and of a series of events that undo
-- each other the latest is known. `file.rs` then computes the checksums of what is here.

-- Of everything that is told of the event: the first 8 bytes of a SHA-256.
ALTER TABLE event ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;

-- What the latest call said about a series, as long as a repeat of it is recognised.
CREATE TABLE latest (
    series INTEGER PRIMARY KEY,   -- a digest of its name
    forget_at_ms INTEGER NOT NULL,
    lines BLOB NOT NULL           -- digests, 16 bytes each
) STRICT;
CREATE INDEX latest_by_time ON latest (forget_at_ms);
