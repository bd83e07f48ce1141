//! Zenlayer's words for the states of a machine.

use transom_model::instance::InstanceStatus;

use super::operation::Service;

/// The words that the service zec knows.
const ZEC: &[&str] = &[
    "DEPLOYING",
    "REBUILDING",
    "REBOOT",
    "RUNNING",
    "STOPPED",
    "BOOTING",
    "RELEASING",
    "STOPPING",
    "RECYCLE",
    "RECYCLING",
    "CREATE_FAILED",
    "IMAGING",
    "RESIZING",
];
const VM: &[&str] = &[
    "PENDING",
    "DEPLOYING",
    "REBUILDING",
    "REBOOT",
    "RUNNING",
    "STOPPED",
    "BOOTING",
    "RELEASING",
    "STOPPING",
    "RECYCLE",
    "RECYCLING",
    "CREATE_FAILED",
    "IMAGING",
];

/// Returns the word of a service for a state.
pub(super) fn word(service: Service, status: InstanceStatus) -> &'static str {
    match (status, service) {
        (InstanceStatus::Running, _) => "RUNNING",
        (InstanceStatus::Stopped, _) => "STOPPED",
        (InstanceStatus::Starting, _) => "BOOTING",
        (InstanceStatus::Stopping, _) => "STOPPING",
        (InstanceStatus::Rebooting, _) => "REBOOT",
        (InstanceStatus::Building, _) => "DEPLOYING",
        (InstanceStatus::Resizing, Service::Zec) => "RESIZING",
        // The service vm does not know `RESIZING`.
        (InstanceStatus::Resizing, Service::Vm) => "PENDING",
        (InstanceStatus::Imaging, _) => "IMAGING",
        (InstanceStatus::Rebuilding, _) => "REBUILDING",
        (InstanceStatus::Recycled, _) => "RECYCLE",
        (InstanceStatus::Releasing, _) => "RELEASING",
        (InstanceStatus::Failed, _) => "CREATE_FAILED",
    }
}

/// Returns the states that a service's word stands for, possibly none. `None` means that the
/// service does not know the word.
pub(super) fn meant(service: Service, wanted: &str) -> Option<Vec<InstanceStatus>> {
    let words = match service {
        Service::Zec => ZEC,
        Service::Vm => VM,
    };
    if !words.contains(&wanted) {
        return None;
    }
    let fits = |status: &InstanceStatus| word(service, *status) == wanted;
    Some(InstanceStatus::ALL.iter().copied().filter(fits).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_that_its_service_knows_and_that_means_it() {
        for service in [Service::Zec, Service::Vm] {
            for status in InstanceStatus::ALL {
                let word = word(service, *status);
                assert_eq!(meant(service, word).as_deref(), Some(&[*status][..]), "{word}");
            }
        }
    }

    #[test]
    fn a_word_without_a_state_fits_none_and_an_unknown_one_is_refused() {
        assert_eq!(meant(Service::Zec, "RECYCLING"), Some(Vec::new()));
        assert_eq!(meant(Service::Zec, "PENDING"), None);
        assert_eq!(meant(Service::Vm, "RESIZING"), None);
        assert_eq!(meant(Service::Zec, "running"), None);
    }
}
