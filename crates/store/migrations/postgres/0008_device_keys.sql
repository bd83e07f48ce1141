-- The key that each device showed first to the gateway. `migrations/sqlite` holds the same under the same number.

-- `device_key`: since the address's password was set; NULL: none yet. It was a setting before, by address and salt, and stayed
-- when either was gone.
ALTER TABLE cloud_addresses ADD COLUMN device_key TEXT;
UPDATE cloud_addresses SET device_key = convert_from(settings.value, 'UTF8') FROM settings
    WHERE settings.name = 'device-key:' || cloud_addresses.address || ':' || encode(cloud_addresses.salt, 'hex');
DELETE FROM settings WHERE name LIKE 'device-key:%';
