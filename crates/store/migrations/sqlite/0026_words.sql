-- Oldest program: 0.1.0
-- Users' words as they are now: a link is a link everywhere, and the API's own dialect is `api`. `migrations/postgres` holds the same
-- under the same number.

UPDATE grants SET dialect = 'api' WHERE dialect = 'native';
UPDATE audit SET dialect = 'api' WHERE dialect = 'native';
UPDATE audit SET action = 'link.' || substr(action, 7) WHERE action LIKE 'grant.%';
UPDATE audit SET action = 'enrollment.' || substr(action, 11) WHERE action LIKE 'enrolment.%';
UPDATE audit SET action = 'repeater.ticket' WHERE action = 'address.ticket';
UPDATE audit SET action = 'repeater.revoke' WHERE action = 'address.ticket-revoke';
UPDATE audit SET action = 'repeater.viewer' WHERE action = 'address.viewer-id';
UPDATE audit SET outcome = 'link-revoked' WHERE outcome = 'grant-revoked';
UPDATE sessions SET kill_reason = 'link-revoked' WHERE kill_reason = 'grant-revoked';
UPDATE sessions SET end_reason = 'link-revoked' WHERE end_reason = 'grant-revoked';
