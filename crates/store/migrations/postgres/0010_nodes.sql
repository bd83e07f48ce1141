-- Which nodes live. `migrations/sqlite` holds the same under the same number.

-- `incarnation`: rises each time the node begins to carry anything; holds name it. `beat`: rises every few seconds while it lives;
-- the others call it gone where they saw the same one for a minute. `seen_at`: when it last beat, for people. `number`: a short
-- name. Nodes from before have been stopped for this.
ALTER TABLE nodes ADD COLUMN number BIGINT;
ALTER TABLE nodes ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN beat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN state TEXT NOT NULL DEFAULT 'gone' CHECK (state IN ('live', 'draining', 'gone'));
CREATE UNIQUE INDEX nodes_by_number ON nodes (number);
INSERT INTO counters (name, value) VALUES ('node', 0);

ALTER TABLE sessions ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 0;
