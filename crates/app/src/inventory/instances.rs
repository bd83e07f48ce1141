//! Instances: adding, changing, finding and removing them.

use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::id::{InstanceId, InstanceUid};
use transom_model::instance::{Instance, InstanceSecurity, InstanceStatus, Sealed, SetBy};
use transom_model::name;
use transom_model::project::Project;
use transom_model::request_headers;
use transom_model::secret::Secret;
use transom_store::{
    Change, FoundInstances, Ground, InstanceChange, InstanceQuery, NewInstance, Page, Tally,
};

use crate::Call;
use crate::Caller;
use crate::error::{Error, Result, legible};
use crate::inventory::Inventory;
use crate::inventory::trust;
use crate::random;
use crate::revocations::held::{Revocation, Revoked};
use crate::vault::Purpose;

/// A caller's settings for an instance. An addition needs an endpoint; a change affects only the
/// named settings.
#[derive(Debug, Default)]
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

impl Inventory {
    /// Adds an instance. Without an id it gets a random UUID.
    pub async fn create_instance(
        &self,
        call: &Call,
        project: &str,
        id: Option<InstanceId>,
        input: InstanceInput,
    ) -> Result<Instance> {
        let project = self.access.project_for(call, project, Role::Admin).await?;
        let endpoint = input.endpoint.clone().ok_or_else(|| Error::invalid("endpoint", "is missing"))?;
        if input.moved {
            return Err(Error::invalid("moved", "is only for a change of the endpoint"));
        }
        self.check_input(call, &input)?;
        let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if named(&input.certificate) && !named(&input.ca) && !named(&input.fingerprint) {
            return Err(Error::invalid("certificate", CERTIFICATE_ALONE));
        }
        let uid = InstanceUid(random::ordered_uuid());
        let id = id.unwrap_or_else(|| InstanceId::from_uuid(random::uuid()));
        let new = NewInstance {
            uid,
            project: project.id,
            name: input.name.clone().unwrap_or_else(|| id.to_string()),
            status: input.status.unwrap_or(InstanceStatus::Running),
            endpoint,
            endpoint_set_by: set_by(&call.caller),
            security: InstanceSecurity {
                username: filled(input.username.clone()),
                password: self.sealed(Purpose::InstancePassword, uid, input.password.as_ref()),
                ca: filled(input.ca.clone()),
                certificate: filled(input.certificate.clone()),
                key: self.sealed(Purpose::InstanceKey, uid, input.key.as_ref()),
                fingerprint: filled(input.fingerprint.clone()),
                headers: self.sealed(Purpose::InstanceHeaders, uid, input.headers.as_ref()),
                // The store sets the generations of the cloud address.
                ..InstanceSecurity::default()
            },
            for_ticket_holder: input.for_ticket_holder,
            id,
        };
        let audit =
            AuditEntry { project: Some(project.id), ..call.entry(AuditAction::InstanceCreate, &new.id) };
        Ok(self.core.store.create_instance(new, &audit).await?)
    }

    /// Changes the named settings. A new endpoint ends the instance's sessions, or makes them
    /// reconnect if it leads to the same machine. Other changes do not affect sessions, which have
    /// already been authorised.
    pub async fn change_instance(
        &self,
        call: &Call,
        project: &str,
        id: &InstanceId,
        input: InstanceInput,
    ) -> Result<Instance> {
        let project = self.access.project_for(call, project, Role::Member).await?;
        // A member may set the status. Only an administrator may set the endpoint and the
        // credentials.
        let only_status = input.endpoint.is_none() && input.name.is_none() && !input.names_security();
        if !only_status {
            call.caller.need(Role::Admin)?;
        }
        self.check_input(call, &input)?;
        let leads_elsewhere = input.endpoint.is_some();
        let instance = self.found_instance(&project, id).await?;
        let detail = described(&input, &instance.endpoint);
        // The call is well-formed. The headers may conflict with the earlier endpoint.
        if input.endpoint.is_none() && input.names_headers() && !is_web_socket(&instance.endpoint) {
            return Err(Error::Conflict(format!("headers: {HEADERS_ELSEWHERE}")));
        }
        // Credentials that the operator entrusted to one endpoint must not go to another one that a
        // key of the project names.
        let entrusted = call.caller == Caller::Operator || !input.names_peer();
        let secret = |purpose, input| match change(input, |secret| {
            self.sealed(purpose, instance.uid, Some(&secret))
        }) {
            Change::Keep if !entrusted => Change::Clear,
            change => change,
        };
        let password = secret(Purpose::InstancePassword, input.password);
        let key = secret(Purpose::InstanceKey, input.key);
        let headers = secret(Purpose::InstanceHeaders, input.headers);
        let (ca, fingerprint) = one_of_both(text(input.ca), text(input.fingerprint));
        let changes = InstanceChange {
            name: input.name,
            status: input.status,
            endpoint: input.endpoint.map(|endpoint| (endpoint, set_by(&call.caller))),
            moved: input.moved,
            username: text(input.username),
            password,
            ca,
            certificate: text(input.certificate),
            key,
            fingerprint,
            headers,
            for_ticket_holder: input.for_ticket_holder,
        };
        // The call is well-formed. The certificate may conflict with the earlier settings.
        check_certificate(&changes, &instance.security)?;
        let audit = AuditEntry {
            project: Some(project.id),
            detail: Some(detail),
            ..call.entry(AuditAction::InstanceChange, id)
        };
        let changed = self.core.store.update_instance(project.id, id, changes, &audit).await?;
        if leads_elsewhere {
            self.core.signals.ring();
        }
        changed.ok_or(Error::NotFound("instance"))
    }

    /// Returns an instance.
    pub async fn instance(&self, call: &Call, project: &str, id: &InstanceId) -> Result<Instance> {
        let project = self.access.project(call, project).await?;
        self.found_instance(&project, id).await
    }

    /// Lists the instances of a project, sorted by id.
    pub async fn instances(&self, call: &Call, project: &str, page: Page) -> Result<Vec<Instance>> {
        let project = self.access.project(call, project).await?;
        Ok(self.core.store.instances(project.id, page).await?)
    }

    /// Returns the instances of a project that match the query, from `offset` on, and their total
    /// number.
    pub async fn find_instances(
        &self,
        project: &Project,
        query: &InstanceQuery,
        offset: u64,
        limit: u32,
    ) -> Result<FoundInstances> {
        Ok(self.core.store.find_instances(project.id, query, offset, limit).await?)
    }

    /// Removes an instance and ends its consoles. Returns the number of links and sessions that
    /// ended.
    pub async fn remove_instance(&self, call: &Call, project: &str, id: &InstanceId) -> Result<Tally> {
        let project = self.access.project_for(call, project, Role::Admin).await?;
        let audit = AuditEntry { project: Some(project.id), ..call.entry(AuditAction::InstanceRemove, id) };
        let uid = self.found_instance(&project, id).await?.uid;
        let ended = self.core.store.tally(Ground::Instance(uid)).await?;
        let what = Revoked::Instance { uid, project: project.id, id: id.clone() };
        if !self.revocations.revoke(Revocation { what, within: Some(project.id), audit }).await? {
            return Err(Error::NotFound("instance"));
        }
        Ok(ended)
    }

    pub(crate) async fn found_instance(&self, project: &Project, id: &InstanceId) -> Result<Instance> {
        self.core.store.instance(project.id, id).await?.ok_or(Error::NotFound("instance"))
    }

    fn check_input(&self, call: &Call, input: &InstanceInput) -> Result<()> {
        if let Some(name) = &input.name
            && !(1..=name::INSTANCE_NAME).contains(&name.chars().count())
        {
            let most = name::INSTANCE_NAME;
            return Err(Error::invalid("name", format!("must be 1 to {most} characters")));
        }
        legible(input.name.as_deref().unwrap_or_default())?;
        let user = input.username.as_deref().unwrap_or_default();
        if user.chars().count() > name::USERNAME {
            return Err(Error::invalid("username", format!("must be at most {} characters", name::USERNAME)));
        }
        if !name::is_legible(user) {
            return Err(Error::invalid("username", name::ILLEGIBLE));
        }
        input.check_security()?;
        if input.moved && input.endpoint.is_none() {
            return Err(Error::invalid("moved", "requires endpoint, which leads to the same machine"));
        }
        match &input.endpoint {
            Some(endpoint) => self.check_endpoint(&call.caller, endpoint),
            None => Ok(()),
        }
    }

    /// Checks the endpoint as far as possible without resolving its name. Every dial checks the
    /// address.
    fn check_endpoint(&self, caller: &Caller, endpoint: &Endpoint) -> Result<()> {
        if *caller == Caller::Operator {
            return Ok(());
        }
        let policy = &self.core.config.endpoints;
        let allowed = match endpoint {
            // Each dial checks that the address belongs to the project.
            Endpoint::Cloud { .. } => true,
            Endpoint::Unix { path } => policy.allows_unix(path),
            Endpoint::Tcp { host, port } | Endpoint::WebSocket { host, port, .. } => match host.parse() {
                Ok(address) => policy.allows_address(address, *port),
                Err(_) => !policy.allow.is_empty(),
            },
        };
        if allowed { Ok(()) } else { Err(End::from(EndReason::EndpointNotAllowed).into()) }
    }

    fn sealed(&self, purpose: Purpose, uid: InstanceUid, secret: Option<&Secret>) -> Option<Sealed> {
        let secret = secret.filter(|secret| !secret.expose().is_empty())?;
        Some(self.core.vault.seal(purpose, &uid.to_string(), secret))
    }
}

impl InstanceInput {
    /// Returns whether it sets the endpoint, the expected identity, or the user name.
    fn names_peer(&self) -> bool {
        self.endpoint.is_some()
            || self.username.is_some()
            || self.ca.is_some()
            || self.certificate.is_some()
            || self.fingerprint.is_some()
    }

    fn names_security(&self) -> bool {
        self.username.is_some()
            || self.password.is_some()
            || self.ca.is_some()
            || self.certificate.is_some()
            || self.key.is_some()
            || self.fingerprint.is_some()
            || self.headers.is_some()
    }

    /// Returns whether it sets headers. An empty text clears them.
    fn names_headers(&self) -> bool {
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

fn is_web_socket(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::WebSocket { .. })
}

fn set_by(caller: &Caller) -> SetBy {
    match caller {
        Caller::Operator => SetBy::Operator,
        Caller::Key { .. } | Caller::Guest { .. } => SetBy::Project,
    }
}

/// Describes a change for the audit: the names of the changed settings without values, and the old
/// and the new endpoint.
fn described(input: &InstanceInput, before: &Endpoint) -> String {
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
fn check_certificate(changes: &InstanceChange, before: &InstanceSecurity) -> Result<()> {
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

const CERTIFICATE_ALONE: &str =
    "needs ca or fingerprint: without one of them, the instance is reached without TLS";

const HEADERS_ELSEWHERE: &str = "needs an endpoint ws:// or wss://: no other receives headers";

/// Returns `None` for an empty text, which clears a setting.
fn some_or_cleared(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Keeps a setting that was not given, and clears one for which `keep` returns `None`.
fn change<T, U>(input: Option<T>, keep: impl FnOnce(T) -> Option<U>) -> Change<U> {
    match input.map(keep) {
        None => Change::Keep,
        Some(None) => Change::Clear,
        Some(Some(value)) => Change::Set(value),
    }
}

/// The CA or the fingerprint verifies the VNC server's certificate. Setting one replaces the other.
fn one_of_both(ca: Change<String>, fingerprint: Change<String>) -> (Change<String>, Change<String>) {
    match (ca, fingerprint) {
        (ca @ Change::Set(_), Change::Keep) => (ca, Change::Clear),
        (Change::Keep, fingerprint @ Change::Set(_)) => (Change::Clear, fingerprint),
        unchanged => unchanged,
    }
}

fn text(input: Option<String>) -> Change<String> {
    change(input, some_or_cleared)
}

fn filled(text: Option<String>) -> Option<String> {
    text.and_then(some_or_cleared)
}
