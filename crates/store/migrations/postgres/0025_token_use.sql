-- Oldest program: 0.1.0
-- When a token of the APIs was shown last. `migrations/sqlite` holds the same under the same number.

-- NULL: not since nodes write this down.
ALTER TABLE api_tokens ADD COLUMN last_used_at BIGINT;
