//! Instances: adding, changing, finding and removing them.

use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::id::{InstanceId, InstanceUid};
use transom_model::instance::{Instance, InstanceSecurity, InstanceStatus, Sealed, SetBy};
use transom_model::project::Project;
use transom_model::secret::Secret;
use transom_store::{
    Change, FoundInstances, Ground, InstanceChange, InstanceQuery, NewInstance, Page, Tally,
};

use crate::Call;
use crate::Caller;
use crate::error::{Error, Result};
use crate::inventory::Inventory;
pub use crate::inventory::settings::InstanceInput;
use crate::inventory::settings::{
    CERTIFICATE_ALONE, HEADERS_ELSEWHERE, change, check_certificate, described, filled, is_web_socket,
    one_of_both, text,
};
use crate::random;
use crate::revocations::held::{Revocation, Revoked};
use crate::vault::Purpose;

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
        let id = id.unwrap_or_else(|| InstanceId::from_uuid(random::uuid()));
        let new = self.addition(call, &project, id, input)?;
        let audit = audit_of(call, &project, AuditAction::InstanceCreate, &new.id);
        Ok(self.core.store.create_instance(new, &audit).await?)
    }

    /// Checks the settings of a new instance, and seals its secrets.
    pub(super) fn addition(
        &self,
        call: &Call,
        project: &Project,
        id: InstanceId,
        input: InstanceInput,
    ) -> Result<NewInstance> {
        let endpoint = input.endpoint.clone().ok_or_else(|| Error::invalid("endpoint", "is missing"))?;
        if input.moved {
            return Err(Error::invalid("moved", "is only for a change of the endpoint"));
        }
        input.check()?;
        self.check_endpoint(&call.caller, &endpoint)?;
        let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if named(&input.certificate) && !named(&input.ca) && !named(&input.fingerprint) {
            return Err(Error::invalid("certificate", CERTIFICATE_ALONE));
        }
        let uid = InstanceUid(random::ordered_uuid());
        Ok(NewInstance {
            uid,
            project: project.id,
            name: input.name.unwrap_or_else(|| id.to_string()),
            status: input.status.unwrap_or(InstanceStatus::Running),
            endpoint,
            endpoint_set_by: set_by(&call.caller),
            security: InstanceSecurity {
                username: filled(input.username),
                password: self.sealed(Purpose::InstancePassword, uid, input.password.as_ref()),
                ca: filled(input.ca),
                certificate: filled(input.certificate),
                key: self.sealed(Purpose::InstanceKey, uid, input.key.as_ref()),
                fingerprint: filled(input.fingerprint),
                headers: self.sealed(Purpose::InstanceHeaders, uid, input.headers.as_ref()),
                // The store sets the generations of the cloud address.
                ..InstanceSecurity::default()
            },
            import_name: None,
            for_ticket_holder: input.for_ticket_holder,
            id,
        })
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
        let (change, detail) = self.amendment(call, &instance, input)?;
        let audit =
            AuditEntry { detail: Some(detail), ..audit_of(call, &project, AuditAction::InstanceChange, id) };
        let changed = self.core.store.update_instance(project.id, id, change, &audit).await?;
        if leads_elsewhere {
            self.core.signals.ring();
        }
        changed.ok_or(Error::NotFound("instance"))
    }

    /// Turns checked settings into the change of an instance, and the detail of its audit record.
    pub(super) fn amendment(
        &self,
        call: &Call,
        instance: &Instance,
        input: InstanceInput,
    ) -> Result<(InstanceChange, String)> {
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
        let change = InstanceChange {
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
        check_certificate(&change, &instance.security)?;
        Ok((change, detail))
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
        let audit = audit_of(call, &project, AuditAction::InstanceRemove, id);
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

    /// Checks every setting of a call.
    pub(super) fn check_input(&self, call: &Call, input: &InstanceInput) -> Result<()> {
        input.check()?;
        match &input.endpoint {
            Some(endpoint) => self.check_endpoint(&call.caller, endpoint),
            None => Ok(()),
        }
    }

    /// Checks the endpoint as far as possible without resolving its name. Every dial checks the
    /// address.
    pub(super) fn check_endpoint(&self, caller: &Caller, endpoint: &Endpoint) -> Result<()> {
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

pub(super) fn set_by(caller: &Caller) -> SetBy {
    match caller {
        Caller::Operator => SetBy::Operator,
        Caller::Key { .. } | Caller::Guest { .. } => SetBy::Project,
    }
}

/// The audit record of an instance's addition, change or removal, without its detail.
pub(super) fn audit_of(call: &Call, project: &Project, action: AuditAction, id: &InstanceId) -> AuditEntry {
    AuditEntry { project: Some(project.id), ..call.entry(action, id) }
}
