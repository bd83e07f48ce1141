-- Oldest program: 0.1.0
-- The headers of the request for a WebSocket. `migrations/postgres` holds the same under the same number.

-- Sealed; NULL: there are none.
ALTER TABLE instances ADD COLUMN headers BLOB;
