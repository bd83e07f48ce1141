-- Consoles of another cloud: the grant holds that cloud's token, sealed, and `instance_uid` names nothing in the inventory.
ALTER TABLE grants ADD COLUMN foreign_token BLOB;
