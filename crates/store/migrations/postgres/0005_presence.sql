-- Presence as a list that can be followed. `migrations/sqlite` holds the same under the same number.

-- What was last told of an address under a key. Each change raises the counter `presence` and takes its value as
-- `seq`, in the transaction that it belongs to: numbers become visible in order, and who has seen one has seen all before
-- it. A row stays when its address is removed or moved, so that who was away learns of that as well.
CREATE TABLE presence_changes (
    address    TEXT COLLATE "C" NOT NULL REFERENCES issued_cloud_addresses (address),
    key_id     TEXT COLLATE "C" NOT NULL REFERENCES access_keys (id),
    project_id TEXT   NOT NULL REFERENCES projects (id),
    seq        BIGINT NOT NULL UNIQUE,
    state      TEXT   NOT NULL CHECK (state IN ('online', 'offline', 'removed')),
    at         BIGINT NOT NULL,
    PRIMARY KEY (address, key_id)
);
CREATE INDEX presence_changes_by_project ON presence_changes (project_id, seq);

INSERT INTO presence_changes (address, key_id, project_id, seq, state, at)
SELECT address, key_id, project_id, row_number() OVER (ORDER BY last_seen, address),
    CASE WHEN node_id IS NULL THEN 'offline' ELSE 'online' END, last_seen
FROM cloud_addresses WHERE last_seen IS NOT NULL;
INSERT INTO counters (name, value) SELECT 'presence', COUNT(*) FROM presence_changes;
