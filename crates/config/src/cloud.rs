//! `[cloud]`: the VNC Cloud API and its devices.

use serde::Deserialize;
use transom_model::cloud::access::CrossKey;

/// The VNC Cloud API and its devices.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cloud {
    /// Also offers the list of addresses in version 1.0 of the API. The vendor's version 1.0 has no
    /// such list.
    pub list_in_1_0: bool,
    /// Lets a connect address of another access key connect to a listen address that names it.
    pub allow_cross_key_individuals: bool,
}

impl Cloud {
    /// The rule for addresses of another access key.
    #[must_use]
    pub fn cross_key(self) -> CrossKey {
        if self.allow_cross_key_individuals { CrossKey::AllowIndividuals } else { CrossKey::Deny }
    }
}
