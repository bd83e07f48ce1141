-- Oldest program: 0.1.0
-- What links, tokens and viewers' numbers were made with: they die with it. `migrations/sqlite` holds the same under the same
-- number.

-- `made_with_token`: the API token that was shown. `made_with_secret`: the secret of the key that was shown, or that the token was
-- got with. Both NULL: the operator's token, or an older program.
ALTER TABLE grants ADD COLUMN made_with_token BYTEA;
ALTER TABLE grants ADD COLUMN made_with_secret TEXT;
CREATE INDEX grants_by_made_with_token ON grants (made_with_token) WHERE made_with_token IS NOT NULL;
ALTER TABLE api_tokens ADD COLUMN made_with_secret TEXT;
ALTER TABLE repeater_ids ADD COLUMN made_with_token BYTEA;
ALTER TABLE repeater_ids ADD COLUMN made_with_secret TEXT;
