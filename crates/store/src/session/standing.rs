//! Conditions on a session's standing, as SQL.

/// A session joined with the rows that decide about it. The key and the instance may be absent.
macro_rules! standing {
    () => {
        "sessions JOIN grants ON grants.id = sessions.grant_id \
         LEFT JOIN access_keys ON access_keys.id = grants.key_id \
         LEFT JOIN instances ON instances.uid = grants.instance_uid"
    };
}
pub(crate) use standing;

/// The reason why a session may not continue, or NULL. The words are `EndReason`'s codes.
macro_rules! verdict {
    () => {
        "COALESCE(sessions.kill_reason, CASE WHEN grants.revoked_at IS NOT NULL THEN 'link-revoked' \
         WHEN grants.ends_at <= (SELECT now FROM clock) THEN 'link-ended' \
         WHEN access_keys.revoked_at IS NOT NULL THEN 'key-revoked' \
         WHEN instances.uid IS NULL AND grants.foreign_token IS NULL THEN 'instance-removed' \
         WHEN sessions.place < instances.held_from THEN 'endpoint-changed' END)"
    };
}
pub(crate) use verdict;

/// The reason why a session that may continue must dial again, or NULL. The word is an
/// `EndReason`'s code.
macro_rules! moved {
    () => {
        "CASE WHEN sessions.place < instances.place THEN 'instance-moved' END"
    };
}
pub(crate) use moved;

/// A subquery that selects a grant if it permits live sessions that lead to this endpoint.
macro_rules! allowed {
    ($grant:literal, $place:literal) => {
        concat!(
            "SELECT 1 FROM grants LEFT JOIN instances ON instances.uid = grants.instance_uid \
             LEFT JOIN access_keys ON access_keys.id = grants.key_id \
             WHERE grants.revoked_at IS NULL AND access_keys.revoked_at IS NULL \
             AND (grants.ends_at IS NULL OR grants.ends_at > (SELECT now FROM clock)) \
             AND (instances.uid IS NOT NULL OR grants.foreign_token IS NOT NULL) \
             AND (instances.uid IS NULL OR instances.place = ",
            $place,
            ") AND grants.id = ",
            $grant
        )
    };
}
pub(crate) use allowed;
