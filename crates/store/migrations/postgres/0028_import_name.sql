-- Oldest program: 0.1.0
-- The import that added an instance. `migrations/sqlite` holds the same under the same number.

-- NULL: the instance was added by hand, or by an import without a name.
ALTER TABLE instances ADD COLUMN import_name TEXT;
