-- Tokens that were got for another token, and signatures that were seen. `migrations/postgres` holds the same under the same
-- number.

-- `parent_hash`: the token that was shown for it; NULL: the key's own secret was. It is worth nothing once that one is.
ALTER TABLE api_tokens ADD COLUMN parent_hash BLOB;
CREATE INDEX api_tokens_by_parent ON api_tokens (parent_hash) WHERE parent_hash IS NOT NULL;

-- Digests of signatures of the Zenlayer dialect that were accepted, until they would be refused by their time anyway.
CREATE TABLE used_signatures (
    digest     BLOB  NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_signatures_by_expiry ON used_signatures (expires_at);
