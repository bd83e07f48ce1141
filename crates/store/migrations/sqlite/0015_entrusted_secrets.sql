-- What an instance's secrets are entrusted to. `migrations/postgres` holds the same under the same number.

-- `generation` of an address: raised whenever somebody below the operator lets another device stand at it. An instance's secrets
-- are bound to the generation that its address had when they were set; NULL: its endpoint is no cloud address.
ALTER TABLE cloud_addresses ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN password_generation BIGINT;
ALTER TABLE instances ADD COLUMN key_generation BIGINT;
UPDATE instances SET password_generation = 0, key_generation = 0 WHERE endpoint LIKE 'cloud:%';
