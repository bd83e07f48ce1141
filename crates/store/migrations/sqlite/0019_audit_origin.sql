-- Oldest program: 0.1.0
-- Where it came from: the address, and what the program says of itself. NULL in older records and where nobody knows.

ALTER TABLE audit ADD COLUMN source TEXT;
ALTER TABLE audit ADD COLUMN user_agent TEXT;
CREATE INDEX audit_by_source ON audit (source, seq) WHERE source IS NOT NULL;
