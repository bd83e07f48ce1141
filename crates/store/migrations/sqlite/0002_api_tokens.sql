-- Tokens of the APIs: an access key is shown once and the token instead of it from then on. Only their digests are kept.
-- A token of a revoked key is worth nothing; expired and revoked ones are deleted.
CREATE TABLE api_tokens (
    token_hash BLOB   NOT NULL PRIMARY KEY,
    key_id     TEXT   NOT NULL REFERENCES access_keys (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX api_tokens_by_owner ON api_tokens (key_id);
CREATE INDEX api_tokens_by_expiry ON api_tokens (expires_at);
