-- Which program joined last under a listen address, as it says of itself: NULL before the first join, and where it joined by a
-- repeater ticket.

ALTER TABLE cloud_addresses ADD COLUMN agent_version TEXT;
