-- Cloud addresses. `migrations/sqlite` holds the same under the same number.

-- Every address that was ever issued: none is issued twice, so a row stays when its address is removed.
CREATE TABLE issued_cloud_addresses (
    address TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

-- How many addresses each key has been given. The inserting transaction raises it, so numbers become visible in order:
-- the next one under the same key waits for this row until the one before has committed.
CREATE TABLE cloud_address_counters (
    key_id TEXT   NOT NULL PRIMARY KEY REFERENCES access_keys (id),
    value  BIGINT NOT NULL
);

-- `seq`: the counter of its key; lists are ordered by it. `groups` (of a connect address) and `access_control` (of a
-- listen address) are JSON. `version`: the entity version. `revision`: the version is in force at a node that has looked
-- for what to end since the revision reached this. `salt`, `iterations`, `stored_key`, `server_key`: SCRAM-SHA-256.
-- `epoch`, `node_id`, `last_seen`: presence; a join raises the epoch, and `node_id` is NULL while nobody is joined.
CREATE TABLE cloud_addresses (
    address        TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES issued_cloud_addresses (address),
    key_id         TEXT COLLATE "C" NOT NULL REFERENCES access_keys (id),
    project_id     TEXT   NOT NULL REFERENCES projects (id),
    seq            BIGINT NOT NULL,
    action         TEXT   NOT NULL CHECK (action IN ('connect', 'listen')),
    groups         TEXT   CHECK (groups IS NULL OR action = 'connect'),
    access_control TEXT   CHECK (access_control IS NULL OR action = 'listen'),
    version        BIGINT NOT NULL,
    revision       BIGINT NOT NULL,
    salt           BYTEA  NOT NULL,
    iterations     BIGINT NOT NULL,
    stored_key     BYTEA  NOT NULL,
    server_key     BYTEA  NOT NULL,
    created_at     BIGINT NOT NULL,
    changed_at     BIGINT NOT NULL,
    epoch          BIGINT NOT NULL DEFAULT 0,
    node_id        TEXT,
    last_seen      BIGINT,
    UNIQUE (key_id, seq)
);
CREATE INDEX cloud_addresses_by_project ON cloud_addresses (project_id, address);
CREATE INDEX cloud_addresses_online ON cloud_addresses (node_id) WHERE node_id IS NOT NULL;

-- The revision that a node has enforced.
ALTER TABLE nodes ADD COLUMN enforced BIGINT NOT NULL DEFAULT 0;
