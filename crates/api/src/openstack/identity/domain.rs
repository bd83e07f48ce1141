//! The single domain of all users and projects.

/// The domain's id.
pub(super) const DOMAIN_ID: &str = "default";
/// The domain's name.
pub(super) const DOMAIN_NAME: &str = "Default";
