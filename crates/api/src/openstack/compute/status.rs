//! Nova's words for the state of a machine.

use transom_model::instance::InstanceStatus;

/// All values of Nova's `status`.
pub(super) const WORDS: [&str; 20] = [
    "ACTIVE",
    "BUILD",
    "DELETED",
    "ERROR",
    "HARD_REBOOT",
    "MIGRATING",
    "PASSWORD",
    "PAUSED",
    "REBOOT",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "REVERT_RESIZE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SHUTOFF",
    "SOFT_DELETED",
    "SUSPENDED",
    "UNKNOWN",
    "VERIFY_RESIZE",
];

/// Nova's `status`.
pub(super) fn word(status: InstanceStatus) -> &'static str {
    match status {
        InstanceStatus::Running | InstanceStatus::Stopping | InstanceStatus::Imaging => "ACTIVE",
        InstanceStatus::Stopped | InstanceStatus::Starting => "SHUTOFF",
        InstanceStatus::Rebooting => "REBOOT",
        InstanceStatus::Building => "BUILD",
        InstanceStatus::Resizing => "RESIZE",
        InstanceStatus::Rebuilding => "REBUILD",
        InstanceStatus::Recycled => "SOFT_DELETED",
        InstanceStatus::Releasing => "DELETED",
        InstanceStatus::Failed => "ERROR",
    }
}

/// Nova's `vm_state`, and its `task_state` during an operation.
pub(in crate::openstack) fn states(status: InstanceStatus) -> (&'static str, Option<&'static str>) {
    match status {
        InstanceStatus::Running => ("active", None),
        InstanceStatus::Stopped => ("stopped", None),
        InstanceStatus::Starting => ("stopped", Some("powering-on")),
        InstanceStatus::Stopping => ("active", Some("powering-off")),
        InstanceStatus::Rebooting => ("active", Some("rebooting")),
        InstanceStatus::Building => ("building", Some("spawning")),
        InstanceStatus::Resizing => ("active", Some("resize_migrating")),
        InstanceStatus::Imaging => ("active", Some("image_snapshot")),
        InstanceStatus::Rebuilding => ("active", Some("rebuilding")),
        InstanceStatus::Recycled => ("soft-delete", None),
        InstanceStatus::Releasing => ("deleted", Some("deleting")),
        InstanceStatus::Failed => ("error", None),
    }
}

/// Nova's `power_state`: 1 is running, 4 is shut down, 0 is unknown.
pub(super) fn power(status: InstanceStatus) -> u8 {
    match word(status) {
        "ACTIVE" | "REBOOT" => 1,
        "SHUTOFF" => 4,
        _ => 0,
    }
}
