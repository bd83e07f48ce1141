//! Comparison of an instance with the settings of an import.

use transom_model::id::InstanceUid;
use transom_model::instance::{Instance, Sealed, SetBy};
use transom_model::secret::Secret;

use crate::Call;
use crate::Caller;
use crate::inventory::Inventory;
use crate::inventory::settings::InstanceInput;
use crate::vault::Purpose;

/// The treatment of secrets in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Opens the sealed secret and compares.
    Compare,
    /// Counts every secret as different, so that the answer tells nothing about it.
    Conceal,
}

impl Inventory {
    /// Returns the settings that differ from the instance's. `None` if they are all the same.
    pub(super) fn difference(
        &self,
        call: &Call,
        instance: &Instance,
        input: &InstanceInput,
        secrets: Secrets,
    ) -> Option<InstanceInput> {
        let is_operator = call.caller == Caller::Operator;
        let own = &instance.security;
        // The operator may set any endpoint. An endpoint that the operator names becomes the
        // operator's.
        let adopts = is_operator && instance.endpoint_set_by == SetBy::Project;
        let endpoint = input.endpoint.clone().filter(|named| adopts || *named != instance.endpoint);
        let mut differing = InstanceInput {
            name: input.name.clone().filter(|name| *name != instance.name),
            status: input.status.filter(|status| *status != instance.status),
            endpoint,
            username: other(input.username.as_ref(), own.username.as_ref()),
            ca: other(input.ca.as_ref(), own.ca.as_ref()),
            certificate: other(input.certificate.as_ref(), own.certificate.as_ref()),
            fingerprint: other(input.fingerprint.as_ref(), own.fingerprint.as_ref()),
            ..InstanceInput::default()
        };
        // A key's new endpoint would drop the secrets that the call does not name.
        let again = differing.names_peer() && !is_operator;
        let differs = |purpose, sealed: Option<&Sealed>, named: &Secret| {
            again || self.differs(purpose, instance.uid, sealed, named, secrets)
        };
        let password = |named: &Secret| differs(Purpose::InstancePassword, own.password.as_ref(), named);
        let key = |named: &Secret| differs(Purpose::InstanceKey, own.key.as_ref(), named);
        let headers = |named: &Secret| differs(Purpose::InstanceHeaders, own.headers.as_ref(), named);
        differing.password = input.password.clone().filter(password);
        differing.key = input.key.clone().filter(key);
        differing.headers = input.headers.clone().filter(headers);
        let named = differing.name.is_some() || differing.status.is_some();
        (named || differing.names_peer() || differing.names_security())
            .then_some(InstanceInput { for_ticket_holder: input.for_ticket_holder, ..differing })
    }

    /// Returns whether a named secret, which is empty to clear it, is not the one that is set.
    fn differs(
        &self,
        purpose: Purpose,
        uid: InstanceUid,
        sealed: Option<&Sealed>,
        named: &Secret,
        secrets: Secrets,
    ) -> bool {
        let Some(sealed) = sealed else { return !named.expose().is_empty() };
        if secrets == Secrets::Conceal || named.expose().is_empty() {
            return true;
        }
        // A secret that another master key sealed is of no use, so it is replaced.
        let opened = self.core.vault.open(purpose, &uid.to_string(), sealed);
        !opened.is_ok_and(|opened| opened.matches(named.expose()))
    }
}

/// Returns a named text, which is empty to clear it, if it is not the one that is set.
fn other(named: Option<&String>, set: Option<&String>) -> Option<String> {
    named.filter(|named| named.as_str() != set.map_or("", String::as_str)).cloned()
}
