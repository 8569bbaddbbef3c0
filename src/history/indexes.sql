CREATE INDEX IF NOT EXISTS by_message ON decisions (message) WHERE message <> '';
CREATE INDEX IF NOT EXISTS by_client_message ON decisions (client_message) WHERE client_message <> '';
CREATE INDEX IF NOT EXISTS by_sender ON decisions (sender) WHERE sender <> '';
CREATE INDEX IF NOT EXISTS by_target ON decisions (target) WHERE target <> '';
CREATE INDEX IF NOT EXISTS by_conversation ON decisions (conversation) WHERE conversation <> '';
CREATE INDEX IF NOT EXISTS by_form ON matches (form);
CREATE INDEX IF NOT EXISTS by_entry ON matches (entry);
INSERT OR REPLACE INTO meta (key, value) VALUES ('sealed', 1);
