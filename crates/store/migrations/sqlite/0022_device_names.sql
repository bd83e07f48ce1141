-- Oldest program: 0.1.0
-- What people call addresses and the devices at them. `migrations/postgres` holds the same under the same number.

-- `host_name` and `targets` (JSON) are what the agent that joined last says, `source` is where it joined from, `shown_key` the key that
-- it shows.
ALTER TABLE cloud_addresses ADD COLUMN name TEXT;
ALTER TABLE cloud_addresses ADD COLUMN host_name TEXT;
ALTER TABLE cloud_addresses ADD COLUMN targets TEXT;
ALTER TABLE cloud_addresses ADD COLUMN source TEXT;
ALTER TABLE cloud_addresses ADD COLUMN shown_key TEXT;
-- What the device is to be called that comes with the token.
ALTER TABLE enrolments ADD COLUMN name TEXT;
