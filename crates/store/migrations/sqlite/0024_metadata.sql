-- Oldest program: 0.1.0
-- The notes of a project beside an instance. `migrations/postgres` holds the same under the same number.

-- A JSON object of texts; NULL: there are none.
ALTER TABLE instances ADD COLUMN metadata TEXT;
