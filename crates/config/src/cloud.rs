//! `[cloud]`: the VNC Cloud API and its devices.

use serde::Deserialize;
use transom_model::cloud::access::CrossKey;

/// The VNC Cloud API and its devices.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cloud {
    /// Lists addresses in version 1.0 as well, which the vendor's API does not.
    pub list_in_1_0: bool,
    /// Lets in a connect address of another access key where the listen address names it.
    pub allow_cross_key_individuals: bool,
}

impl Cloud {
    /// The rule for addresses of another access key.
    #[must_use]
    pub fn cross_key(self) -> CrossKey {
        if self.allow_cross_key_individuals { CrossKey::AllowIndividuals } else { CrossKey::Deny }
    }
}
