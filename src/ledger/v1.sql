-- The newest version; every change of it holds this row.
CREATE TABLE policy_head (
    one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    number BIGINT NOT NULL             -- 0 before the first
);
INSERT INTO policy_head (number) VALUES (0);
CREATE TABLE policy_version (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL,                  -- tells whether a commit of which nobody heard was one
    at_ms BIGINT NOT NULL,
    hash TEXT NOT NULL,
    origin TEXT NOT NULL,              -- who, why: JSON
    program TEXT NOT NULL,
    paths TEXT[] NOT NULL,
    contents TEXT[] NOT NULL           -- SHA-256 of each
);
CREATE TABLE policy_content (
    sha256 TEXT PRIMARY KEY,
    content BYTEA NOT NULL
);
