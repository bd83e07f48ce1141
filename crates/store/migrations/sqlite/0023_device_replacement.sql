-- Oldest program: 0.1.0
-- A device takes another one's place, or drives it out. `migrations/postgres` holds the same under the same number.

-- The address whose device is replaced by the one that comes with the token; NULL: a new address is made.
ALTER TABLE enrolments ADD COLUMN replaces TEXT;
-- Since when another machine, or another key, is at the address than before.
ALTER TABLE cloud_addresses ADD COLUMN renewed_at BIGINT;
-- The agent that joined last, and the other one before it: two that come in turn have one identity. `rival_at`: when that was last
-- seen, by the join of this epoch.
ALTER TABLE cloud_addresses ADD COLUMN run TEXT;
ALTER TABLE cloud_addresses ADD COLUMN former_run TEXT;
ALTER TABLE cloud_addresses ADD COLUMN former_host_name TEXT;
ALTER TABLE cloud_addresses ADD COLUMN former_source TEXT;
ALTER TABLE cloud_addresses ADD COLUMN rival_at BIGINT;
ALTER TABLE cloud_addresses ADD COLUMN rival_epoch BIGINT;
