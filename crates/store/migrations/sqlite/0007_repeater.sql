-- Devices and viewers that speak the UltraVNC repeater's protocol. `migrations/postgres` holds the same under the same number.

-- `repeater_ticket`: what is kept of the text by which a device joins that cannot prove a password (an HMAC: some are short).
-- `end_to_end_only`: the agent that joined last takes nobody who could see what passes; such an address has no ticket.
ALTER TABLE cloud_addresses ADD COLUMN repeater_ticket BLOB  ;
ALTER TABLE cloud_addresses ADD COLUMN end_to_end_only BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX cloud_addresses_by_ticket ON cloud_addresses (repeater_ticket);

-- Numbers by which such a viewer opens a device, once.
CREATE TABLE repeater_ids (
    id_hash    BLOB   NOT NULL PRIMARY KEY,
    address    TEXT   NOT NULL REFERENCES issued_cloud_addresses (address),
    key_id     TEXT   NOT NULL REFERENCES access_keys (id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX repeater_ids_by_owner ON repeater_ids (key_id);
