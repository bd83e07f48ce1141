-- The tables of Transom. `migrations/postgres` holds the same under the same number; only types and what is marked
-- "dialect" differ, and WITHOUT ROWID: a row then lies in its primary key's tree, which is one page less to write.
-- Times are BIGINT microseconds since 1970, ids that we make are UUIDs as TEXT.

-- Dialect. The one clock that expiry is judged by: `(SELECT now FROM clock)`.
CREATE VIEW clock (now) AS
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000;

-- Numbers that only rise. `revision`: raised by everything that may end a session.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('revision', 0);

-- Small facts that the whole installation shares.
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Running `transom serve` processes, and when each last swept.
CREATE TABLE nodes (
    id      TEXT   NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE projects (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Revoked keys stay, since grants and audit records name them.
CREATE TABLE access_keys (
    id             TEXT   NOT NULL PRIMARY KEY,
    project_id     TEXT   NOT NULL REFERENCES projects (id),
    name           TEXT   NOT NULL,
    role           TEXT   NOT NULL CHECK (role IN ('reader', 'member', 'admin')),
    active_secrets BIGINT NOT NULL CHECK (active_secrets BETWEEN 0 AND 2),
    created_at     BIGINT NOT NULL,
    revoked_at     BIGINT
) WITHOUT ROWID;
CREATE INDEX access_keys_by_project ON access_keys (project_id, id);

-- The active secrets only, sealed; a retired or revoked one is deleted. `serial` rises: the newest is the greatest.
CREATE TABLE access_key_secrets (
    id         TEXT   NOT NULL PRIMARY KEY,
    key_id     TEXT   NOT NULL REFERENCES access_keys (id),
    serial     BIGINT NOT NULL,
    sealed     BLOB   NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (key_id, serial)
) WITHOUT ROWID;

-- `endpoint_by_project`: a key of the project set the endpoint, so the policy is asked at every dial; otherwise the operator did.
CREATE TABLE instances (
    uid                 TEXT    NOT NULL PRIMARY KEY,
    project_id          TEXT    NOT NULL REFERENCES projects (id),
    id                  TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    endpoint            TEXT    NOT NULL,
    endpoint_by_project BOOLEAN NOT NULL,
    username            TEXT,
    password            BLOB,
    ca                  TEXT,
    certificate         TEXT,
    certificate_key     BLOB,
    fingerprint         TEXT,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    UNIQUE (project_id, id)
) WITHOUT ROWID;

-- `instance_uid` does not reference: a grant outlives its instance on record, and is worth nothing then.
CREATE TABLE grants (
    id           TEXT    NOT NULL PRIMARY KEY,
    token_hash   BLOB    NOT NULL UNIQUE,
    project_id   TEXT    NOT NULL REFERENCES projects (id),
    key_id       TEXT    REFERENCES access_keys (id),
    dialect      TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    instance_uid TEXT    NOT NULL,
    instance_id  TEXT    NOT NULL,
    view_only    BOOLEAN NOT NULL,
    clipboard    BOOLEAN NOT NULL,
    request_id   TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    uses         BIGINT,
    uses_left    BIGINT  CHECK (uses_left BETWEEN 0 AND uses),
    revoked_at   BIGINT
) WITHOUT ROWID;
CREATE INDEX grants_by_project ON grants (project_id, id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

-- `turn` counts the connections that carried the session; only the newest may change it.
-- `lapses_at` is when the session is over unless something happens first; NULL while it is live, unless it was killed.
-- `kill_reason` asks the node that carries it to end it.
CREATE TABLE sessions (
    id                TEXT    NOT NULL PRIMARY KEY,
    grant_id          TEXT    NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    project_id        TEXT    NOT NULL,
    node_id           TEXT    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('reserved', 'live', 'detached', 'ended')),
    viewer            TEXT    NOT NULL,
    turn              BIGINT  NOT NULL,
    ticket            BLOB,
    ticket_presented  BOOLEAN NOT NULL,
    ticket_ttl        BIGINT,
    previous_ticket   BLOB,
    lapses_at         BIGINT,
    kill_reason       TEXT,
    created_at        BIGINT  NOT NULL,
    ended_at          BIGINT,
    end_reason        TEXT    CHECK ((state = 'ended') = (end_reason IS NOT NULL)),
    bytes_to_viewer   BIGINT  NOT NULL,
    bytes_to_instance BIGINT  NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_by_ticket ON sessions (ticket) WHERE ticket IS NOT NULL;
CREATE INDEX sessions_by_grant ON sessions (grant_id);
CREATE INDEX sessions_by_project ON sessions (project_id, id);
CREATE INDEX sessions_open_by_node ON sessions (node_id) WHERE state <> 'ended';
CREATE INDEX sessions_lapsing ON sessions (lapses_at) WHERE lapses_at IS NOT NULL;

-- Tickets that were exchanged: whoever shows one again has a copy.
CREATE TABLE spent_tickets (
    digest     BLOB NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX spent_tickets_by_session ON spent_tickets (session_id);

-- Connections that lost their session to another node, until their own node has surely been told.
CREATE TABLE takeovers (
    node_id    TEXT   NOT NULL,
    session_id TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn       BIGINT NOT NULL,
    taken_at   BIGINT NOT NULL,
    PRIMARY KEY (node_id, session_id)
) WITHOUT ROWID;
CREATE INDEX takeovers_by_session ON takeovers (session_id);

-- Dialect: `seq` rises in the order of commits: SQLite has one writer, and gives one more than the greatest there is. So the
-- newest record must stay (retention sees to that), or a number would be used again.
CREATE TABLE audit (
    seq        INTEGER NOT NULL PRIMARY KEY,
    at         BIGINT  NOT NULL,
    request_id TEXT,
    actor      TEXT    NOT NULL,
    dialect    TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    project_id TEXT,
    grant_id   TEXT,
    session_id TEXT,
    detail     TEXT
);
CREATE INDEX audit_by_project ON audit (project_id, seq) WHERE project_id IS NOT NULL;
CREATE INDEX audit_by_grant ON audit (grant_id, seq) WHERE grant_id IS NOT NULL;
CREATE INDEX audit_by_session ON audit (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX audit_by_request ON audit (request_id, seq) WHERE request_id IS NOT NULL;
