//! The list of front doors, and the door that a path belongs to.

use crate::door::Door;
use crate::{native, openstack, vnc_cloud, zenlayer};

/// The front doors. If a path is near several of them, the first answers.
pub(crate) const DOORS: [&Door; 4] = [&openstack::DOOR, &vnc_cloud::DOOR, &zenlayer::DOOR, &native::DOOR];

/// Returns the door that answers a path. Transom's own API answers for paths that no door owns.
pub(crate) fn door_of(path: &str) -> &'static Door {
    owner(path).unwrap_or(&native::DOOR)
}

/// Returns the door that owns a path.
pub(crate) fn owner(path: &str) -> Option<&'static Door> {
    DOORS.into_iter().find(|door| (door.owns)(path))
}

#[cfg(test)]
mod tests {
    use transom_model::dialect::Dialect;

    use super::*;

    #[test]
    fn every_dialect_has_one_door() {
        for dialect in Dialect::ALL {
            assert_eq!(DOORS.iter().filter(|door| door.dialect == *dialect).count(), 1, "{dialect}");
        }
    }

    #[test]
    fn a_path_has_one_owner_and_every_other_path_is_answered_by_the_api() {
        for (path, expected) in [
            ("/api/v1/keys", Dialect::Api),
            ("/openapi.json", Dialect::Api),
            ("/api/v2/zec", Dialect::Zenlayer),
            ("//api/v2", Dialect::Zenlayer),
            ("/identity/v3", Dialect::Openstack),
            ("/v2.1/servers", Dialect::Openstack),
            ("/cloud/1.1/static-address", Dialect::VncCloud),
            ("/api/v2zec", Dialect::Api),
            ("/console", Dialect::Api),
            ("/", Dialect::Api),
        ] {
            assert!(DOORS.iter().filter(|door| (door.owns)(path)).count() <= 1, "{path}");
            assert_eq!(door_of(path).dialect, expected, "{path}");
        }
    }
}
