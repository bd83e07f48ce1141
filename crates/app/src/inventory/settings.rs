//! Settings of an instance: their checks, and the change that they mean.

use transom_model::endpoint::Endpoint;
use transom_model::instance::{InstanceSecurity, InstanceStatus};
use transom_model::name;
use transom_model::request_headers;
use transom_model::secret::Secret;
use transom_store::{Change, InstanceChange};

use crate::error::{Error, Result, legible};
use crate::inventory::trust;

/// A caller's settings for an instance. An addition needs an endpoint; a change affects only the
/// named settings.
#[derive(Clone, Debug, Default)]
pub struct InstanceInput {
    /// The name, for display.
    pub name: Option<String>,
    /// The machine's status.
    pub status: Option<InstanceStatus>,
    /// The location of its VNC server.
    pub endpoint: Option<Endpoint>,
    /// The user for VeNCrypt Plain.
    pub username: Option<String>,
    /// The VNC password. An empty one clears it.
    pub password: Option<Secret>,
    /// PEM certificates to trust.
    pub ca: Option<String>,
    /// The PEM certificate chain that the gateway presents.
    pub certificate: Option<String>,
    /// The PEM private key of that certificate.
    pub key: Option<Secret>,
    /// SHA-256 of the VNC server's certificate.
    pub fingerprint: Option<String>,
    /// The headers of the request for a WebSocket, one in each line. An empty text clears them.
    pub headers: Option<Secret>,
    /// True if the endpoint leads to the same machine. Sessions then reconnect there instead of
    /// ending.
    pub moved: bool,
    /// True if the gateway may also use the password and the key with a device that joined with the
    /// repeater ticket of the instance's cloud address.
    pub for_ticket_holder: bool,
}

impl InstanceInput {
    /// Returns whether it sets the endpoint, the expected identity, or the user name.
    pub(super) fn names_peer(&self) -> bool {
        self.endpoint.is_some()
            || self.username.is_some()
            || self.ca.is_some()
            || self.certificate.is_some()
            || self.fingerprint.is_some()
    }

    pub(super) fn names_security(&self) -> bool {
        self.username.is_some()
            || self.password.is_some()
            || self.ca.is_some()
            || self.certificate.is_some()
            || self.key.is_some()
            || self.fingerprint.is_some()
            || self.headers.is_some()
    }

    /// Checks every value but the endpoint.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(name) = &self.name
            && !(1..=name::INSTANCE_NAME).contains(&name.chars().count())
        {
            let most = name::INSTANCE_NAME;
            return Err(Error::invalid("name", format!("must be 1 to {most} characters")));
        }
        legible(self.name.as_deref().unwrap_or_default())?;
        let user = self.username.as_deref().unwrap_or_default();
        if user.chars().count() > name::USERNAME {
            return Err(Error::invalid("username", format!("must be at most {} characters", name::USERNAME)));
        }
        if !name::is_legible(user) {
            return Err(Error::invalid("username", name::ILLEGIBLE));
        }
        self.check_security()?;
        if self.moved && self.endpoint.is_none() {
            return Err(Error::invalid("moved", "requires endpoint, which leads to the same machine"));
        }
        Ok(())
    }

    /// Returns whether it sets headers. An empty text clears them.
    pub(super) fn names_headers(&self) -> bool {
        self.headers.as_ref().is_some_and(|headers| !headers.expose().is_empty())
    }

    /// Reports an unreadable certificate or header now instead of at the next console. Empty texts
    /// clear a setting.
    fn check_security(&self) -> Result<()> {
        let named = |text: &Option<String>| text.clone().and_then(some_or_cleared);
        for (field, pem) in [("ca", named(&self.ca)), ("certificate", named(&self.certificate))] {
            pem.map(|pem| trust::certificates(&pem))
                .transpose()
                .map_err(|problem| Error::invalid(field, problem))?;
        }
        let key = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty());
        key.map(trust::key).transpose().map_err(|problem| Error::invalid("key", problem))?;
        if let Some(headers) = self.headers.as_ref().filter(|_| self.names_headers()) {
            let headers = request_headers::parse(headers.expose());
            if headers.map_err(|problem| Error::invalid("headers", problem))?.is_empty() {
                return Err(Error::invalid("headers", "has only blank lines"));
            }
            if self.endpoint.as_ref().is_some_and(|endpoint| !is_web_socket(endpoint)) {
                return Err(Error::invalid("headers", HEADERS_ELSEWHERE));
            }
        }
        let fingerprint = named(&self.fingerprint);
        if fingerprint.is_some() && named(&self.ca).is_some() {
            return Err(Error::invalid("fingerprint", "cannot be set together with ca"));
        }
        let checked = fingerprint.map(|text| trust::fingerprint(&text)).transpose();
        checked.map(drop).map_err(|problem| Error::invalid("fingerprint", problem))
    }
}

pub(super) fn is_web_socket(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::WebSocket { .. })
}

/// Describes a change for the audit: the names of the changed settings without values, and the old
/// and the new endpoint.
pub(super) fn described(input: &InstanceInput, before: &Endpoint) -> String {
    let named = [
        ("name", input.name.is_some()),
        ("status", input.status.is_some()),
        ("username", input.username.is_some()),
        ("password", input.password.is_some()),
        ("ca", input.ca.is_some()),
        ("certificate", input.certificate.is_some()),
        ("key", input.key.is_some()),
        ("fingerprint", input.fingerprint.is_some()),
        ("headers", input.headers.is_some()),
    ];
    let names = named.into_iter().filter(|(_, named)| *named).map(|(name, _)| name.to_owned());
    let how = if input.moved { " (moved)" } else { "" };
    let moved = input.endpoint.as_ref().map(|after| format!("endpoint {before} to {after}{how}"));
    moved.into_iter().chain(names).collect::<Vec<_>>().join(", ")
}

/// Fails if the instance would have a client certificate but neither a CA nor a fingerprint:
/// without one of them, the gateway does not use TLS.
pub(super) fn check_certificate(changes: &InstanceChange, before: &InstanceSecurity) -> Result<()> {
    let stays = |change: &Change<String>, before: &Option<String>| match change {
        Change::Keep => before.is_some(),
        Change::Clear => false,
        Change::Set(_) => true,
    };
    let trusts = stays(&changes.ca, &before.ca) || stays(&changes.fingerprint, &before.fingerprint);
    if stays(&changes.certificate, &before.certificate) && !trusts {
        Err(Error::Conflict(format!("certificate: {CERTIFICATE_ALONE}")))
    } else {
        Ok(())
    }
}

pub(super) const CERTIFICATE_ALONE: &str =
    "needs ca or fingerprint: without one of them, the instance is reached without TLS";

pub(super) const HEADERS_ELSEWHERE: &str = "needs an endpoint ws:// or wss://: no other receives headers";

/// Returns `None` for an empty text, which clears a setting.
fn some_or_cleared(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Keeps a setting that was not given, and clears one for which `keep` returns `None`.
pub(super) fn change<T, U>(input: Option<T>, keep: impl FnOnce(T) -> Option<U>) -> Change<U> {
    match input.map(keep) {
        None => Change::Keep,
        Some(None) => Change::Clear,
        Some(Some(value)) => Change::Set(value),
    }
}

/// The CA or the fingerprint verifies the VNC server's certificate. Setting one replaces the other.
pub(super) fn one_of_both(
    ca: Change<String>,
    fingerprint: Change<String>,
) -> (Change<String>, Change<String>) {
    match (ca, fingerprint) {
        (ca @ Change::Set(_), Change::Keep) => (ca, Change::Clear),
        (Change::Keep, fingerprint @ Change::Set(_)) => (Change::Clear, fingerprint),
        unchanged => unchanged,
    }
}

pub(super) fn text(input: Option<String>) -> Change<String> {
    change(input, some_or_cleared)
}

pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.and_then(some_or_cleared)
}
