-- The key that each device showed first to the gateway. `migrations/postgres` holds the same under the same number.

-- `device_key`: since the address's password was set; NULL: none yet. It was a setting before, by address and salt, and stayed
-- when either was gone.
ALTER TABLE cloud_addresses ADD COLUMN device_key TEXT;
UPDATE cloud_addresses SET device_key = CAST(settings.value AS TEXT) FROM settings
    WHERE settings.name = 'device-key:' || cloud_addresses.address || ':' || lower(hex(cloud_addresses.salt));
DELETE FROM settings WHERE name LIKE 'device-key:%';
