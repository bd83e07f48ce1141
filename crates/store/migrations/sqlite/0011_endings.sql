-- Links that end: when everything under a link is over at the latest; NULL: only its sessions' own limits end them. A session
-- keeps its link's end, so that the sweep finds it.
ALTER TABLE grants ADD COLUMN ends_at BIGINT;
ALTER TABLE sessions ADD COLUMN ends_at BIGINT;
CREATE INDEX sessions_ending ON sessions (ends_at) WHERE ends_at IS NOT NULL AND state <> 'ended';

-- Instances that move: `place` rises with every change of the endpoint, and a session keeps the place that it leads to. Sessions
-- that lead to a place below `held_from` are over; those between the two dial again.
ALTER TABLE instances ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN held_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN place BIGINT NOT NULL DEFAULT 0;

-- What is open under a link: counted against its limit, and ended with it.
CREATE INDEX sessions_open_by_grant ON sessions (grant_id) WHERE state <> 'ended';
