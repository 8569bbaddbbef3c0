-- Schema 5: an event is told from memory. A pair has a row only when it was tried in vain, is dead,
-- or waits behind such a one; such rows may be behind `endpoint.looked_to` too.

-- Pairs that ended and had to leave their event here, for others.
CREATE TABLE done (
    seq INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    PRIMARY KEY (seq, endpoint)
) STRICT, WITHOUT ROWID;

-- Tells this file from others, for what is noted beside it.
ALTER TABLE total ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
UPDATE total SET mark = random();
