-- Enrolment tokens: each makes one listen address, for the device that shows it. `migrations/sqlite` holds the same under
-- the same number.

-- Only a token's digest is kept. `groups` (JSON) are those that the address will let in; NULL: every connect address of its
-- key. `address` is what was made of the token; a token is spent once it stands there.
CREATE TABLE enrolments (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    token_hash BYTEA  NOT NULL UNIQUE,
    key_id     TEXT COLLATE "C" NOT NULL REFERENCES access_keys (id),
    project_id TEXT   NOT NULL REFERENCES projects (id),
    groups     TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    used_at    BIGINT,
    address    TEXT COLLATE "C" REFERENCES issued_cloud_addresses (address)
);
CREATE INDEX enrolments_by_project ON enrolments (project_id, id);
CREATE INDEX enrolments_by_expiry ON enrolments (expires_at);
