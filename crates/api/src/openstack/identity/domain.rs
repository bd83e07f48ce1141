//! The one domain that everything is in.

/// Its id.
pub(super) const DOMAIN_ID: &str = "default";
/// Its name.
pub(super) const DOMAIN_NAME: &str = "Default";
