-- A ticket that was exchanged may be exchanged once more for a short time. `migrations/postgres` holds the same under the same
-- number.

-- `exchanged_at`: when `previous_ticket` was exchanged; it is NULL once it was exchanged again.
-- `carried`: a connection carries the session, or dials its instance; its node clears it when that connection ends.
ALTER TABLE sessions ADD COLUMN exchanged_at BIGINT;
ALTER TABLE sessions ADD COLUMN carried BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE sessions SET previous_ticket = NULL;
