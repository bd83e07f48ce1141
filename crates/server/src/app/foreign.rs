//! Consoles and users of an existing cloud: who shows a token of it is asked about there, each time anew.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::grant::{Dialect, Grant};
use transom_model::id::{GrantId, InstanceUid, RequestId};
use transom_model::instance::{Instance, InstanceSecurity, InstanceStatus, SetBy};
use transom_model::project::{Project, ProjectName};
use transom_model::secret::{Secret, TokenDigest};
use transom_store::{ConsoleTarget, ForeignGrant, StoreError, TokenStanding};

use super::caller::Proof;
use super::console::{Place, Visitor};
use super::error::{Error, Needed, Result};
use super::metrics::Lookup;
use super::vault::Purpose;
use super::{App, Caller, random};
use crate::upstream::{Fault, Guest, Located, Upstream};

/// The grant is lengthened whenever its token is shown and the cloud still knows it: this is the time from there to the
/// reservation.
const GRANT_TTL: Duration = Duration::from_secs(60);

impl App {
    /// The project that foreign consoles belong to, made where there is none. At start.
    pub(crate) async fn prepare_foreign_project(&self) -> Result<()> {
        if self.config.openstack.nova_url.is_none() {
            return Ok(());
        }
        let name = self.foreign_project_name()?;
        let id = transom_model::id::ProjectId(random::ordered_uuid());
        let audit = AuditEntry {
            request: None,
            actor: Actor::Transom,
            dialect: Dialect::Openstack,
            action: "project.create",
            target: name.to_string(),
            outcome: "ok",
            project: Some(id),
            grant: None,
            session: None,
            detail: None,
        };
        if self.store.project_named(&name).await?.is_some() {
            return Ok(());
        }
        match self.store.create_project(id, &name, &audit).await {
            // Another node was faster.
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the existing cloud about a console token that is not ours: what its grant is found by, and where it leads.
    pub(super) async fn adopt(
        &self,
        token: &str,
        visitor: Visitor,
        request: &RequestId,
    ) -> Result<Option<(TokenDigest, Located)>> {
        let Some(located) = self.look_up_console(token, visitor.address).await? else { return Ok(None) };
        let name = self.foreign_project_name()?;
        let project = self.store.project_named(&name).await?.ok_or(Error::NotFound("project"))?.id;
        let id = GrantId(random::ordered_uuid());
        let digest = self.foreign_digest(token);
        let token = Secret::new(token);
        let grant = ForeignGrant {
            id,
            token: digest,
            sealed: self.vault.seal(Purpose::ForeignToken, &id.to_string(), &token),
            project,
            dialect: Dialect::Openstack,
            kind: visitor.kind,
            instance: located.instance.clone(),
            request: request.clone(),
            ttl: GRANT_TTL,
        };
        let audit = AuditEntry {
            request: Some(request.clone()),
            actor: Actor::Viewer,
            dialect: Dialect::Openstack,
            action: "grant.create",
            target: located.instance.to_string(),
            outcome: "ok",
            project: Some(project),
            grant: Some(id),
            session: None,
            detail: Some("a console of the existing Nova".to_owned()),
        };
        if self.store.adopt_grant(grant, &audit).await? {
            self.metrics.grant(Dialect::Openstack, "created");
            tracing::info!(%request, grant = %id, instance = %located.instance, "a console of the existing Nova");
        }
        Ok(Some((digest, located)))
    }

    /// Whether a console token that is not ours would open something now. Nothing is used up.
    pub(super) async fn is_foreign_console(&self, token: &str, source: IpAddr) -> Result<bool> {
        if self.look_up_console(token, source).await?.is_none() {
            return Ok(false);
        }
        let standing = self.store.token_standing(self.foreign_digest(token)).await?;
        // That it has expired says nothing: showing the token lengthens it.
        let revoked = |grant: &Grant| grant.revoked_at.is_some();
        Ok(!matches!(standing, TokenStanding::Refused { grant: Some(grant), .. } if revoked(&grant)))
    }

    /// What the grant of a foreign token is found by: not the token's own digest, by which it would open a console here
    /// without being asked about there.
    fn foreign_digest(&self, token: &str) -> TokenDigest {
        TokenDigest(self.vault.sign(Purpose::ForeignToken, token.as_bytes()))
    }

    /// Where a session leads: its instance, or what the existing cloud says now.
    pub(super) async fn place_of(
        &self,
        target: &mut ConsoleTarget,
        located: Option<Located>,
    ) -> Result<Place> {
        if let Some(instance) = target.instance.take() {
            return Ok(Place { instance, access_path: None });
        }
        let grant = &target.grant;
        let located = match located {
            Some(located) => located,
            None => self.locate_again(grant).await?,
        };
        let host = if located.host.contains(':') { format!("[{}]", located.host) } else { located.host };
        let endpoint = format!("vnc://{host}:{}", located.port).parse::<Endpoint>().map_err(|error| {
            tracing::warn!(grant = %grant.id, %error, "the existing Nova names a place that is none");
            End::from(EndReason::CloudUnavailable)
        })?;
        let security = self.foreign_security(grant.instance_uid).await?;
        let instance = Instance {
            uid: grant.instance_uid,
            id: grant.instance.clone(),
            project: grant.project,
            name: grant.instance.to_string(),
            status: InstanceStatus::Running,
            endpoint,
            endpoint_set_by: SetBy::Cloud,
            security,
            created_at: grant.created_at,
            updated_at: grant.created_at,
        };
        Ok(Place { instance, access_path: located.access_path })
    }

    /// How the gateway proves itself to the existing cloud's VNC servers.
    async fn foreign_security(&self, uid: InstanceUid) -> Result<InstanceSecurity> {
        let Some(files) = &self.config.openstack.nova_vencrypt else {
            return Ok(InstanceSecurity::default());
        };
        let mut security =
            InstanceSecurity { ca: Some(read(&files.ca).await?), ..InstanceSecurity::default() };
        if let Some(client) = &files.client {
            security.certificate = Some(read(&client.cert).await?);
            // Sealed as every instance's is: the gateway has one way to open a key.
            let key = Secret::new(read(&client.key).await?);
            security.key = Some(self.vault.seal(Purpose::InstanceKey, &uid.to_string(), &key));
        }
        Ok(security)
    }

    /// Tells who calls, and asks the existing cloud's Keystone about a token that is not ours.
    pub async fn authenticate_or_ask(&self, proof: &Proof, source: IpAddr) -> Result<Caller> {
        let (Proof::Token(token), Some(upstream)) = (proof, &self.upstream) else {
            return self.authenticate(proof, source).await;
        };
        if !upstream.validates(token.expose()) {
            return self.authenticate(proof, source).await;
        }
        match self.authenticate_token(token).await {
            Err(Error::Unauthenticated(why)) => {
                let answer = self.guarded_lookup(Lookup::UserToken, source, upstream.validate(token)).await?;
                match answer {
                    Some(guest) => self.admit_guest(guest).await,
                    None => Err(self.failed_attempt(source, Error::Unauthenticated(why))),
                }
            }
            other => other,
        }
    }

    /// A guest is a caller where its project is one of ours: by its id there, or by its name in the configured domain.
    async fn admit_guest(&self, guest: Guest) -> Result<Caller> {
        let project = match self.project_called(&guest.project_id).await? {
            None if guest.project_domain == self.config.openstack.keystone_domain => {
                self.project_called(&guest.project_name).await?
            }
            found => found,
        };
        match (project, guest.role) {
            (Some(project), Some(role)) => Ok(Caller::Guest { user: guest.user, project: project.id, role }),
            _ => Err(Error::Forbidden { needed: Needed::Role(Role::Reader) }),
        }
    }

    async fn project_called(&self, name: &str) -> Result<Option<Project>> {
        match name.parse::<ProjectName>() {
            Ok(name) => Ok(self.store.project_named(&name).await?),
            Err(_) => Ok(None),
        }
    }

    fn foreign_project_name(&self) -> Result<ProjectName> {
        let name = &self.config.openstack.nova_project;
        name.parse().map_err(|error| Error::invalid("openstack.nova_project", error))
    }

    async fn look_up_console(&self, token: &str, source: IpAddr) -> Result<Option<Located>> {
        match &self.upstream {
            Some(upstream) if upstream.resolves(token) => {
                let token = Secret::new(token);
                self.guarded_lookup(Lookup::ConsoleToken, source, upstream.locate(&token)).await
            }
            _ => Ok(None),
        }
    }

    /// The page of a foreign console comes back, or opens its WebSocket.
    async fn locate_again(&self, grant: &Grant) -> Result<Located> {
        let (Some(upstream), Some(sealed)) = (&self.upstream, &grant.foreign) else {
            return Err(End::from(EndReason::InstanceRemoved).into());
        };
        let token = self.vault.open(Purpose::ForeignToken, &grant.id.to_string(), sealed);
        let token = token.map_err(Error::internal)?;
        match self.counted(Lookup::ConsoleToken, upstream.locate(&token).await)? {
            Some(located) => Ok(located),
            None => Err(End::from(EndReason::TokenExpired).into()),
        }
    }

    /// Asks, where this source has not missed too often lately.
    async fn guarded_lookup<T>(
        &self,
        what: Lookup,
        source: IpAddr,
        lookup: impl Future<Output = Result<T, Fault>>,
    ) -> Result<Option<T>> {
        // Paid in advance, so that many at once are counted as well; who shows a good token gets it back.
        if !self.misses.take(source) {
            self.metrics.lookup(what, "limited");
            return Err(Error::RateLimited);
        }
        let found = self.counted(what, lookup.await);
        if !matches!(found, Ok(None)) {
            self.misses.give_back(source);
        }
        found
    }

    fn counted<T>(&self, what: Lookup, looked_up: Result<T, Fault>) -> Result<Option<T>> {
        match looked_up {
            Ok(found) => {
                self.metrics.lookup(what, "known");
                Ok(Some(found))
            }
            Err(Fault::Unknown) => {
                self.metrics.lookup(what, "unknown");
                Ok(None)
            }
            Err(Fault::Unavailable(cause)) => {
                self.metrics.lookup(what, "failed");
                tracing::warn!(cause, "the existing cloud could not be asked");
                Err(End::from(EndReason::CloudUnavailable).into())
            }
        }
    }
}

async fn read(path: &Path) -> Result<String> {
    tokio::fs::read_to_string(path).await.map_err(|error| {
        tracing::error!(path = %path.display(), %error, "a file of [openstack] nova_vencrypt cannot be read");
        End::from(EndReason::InternalError).into()
    })
}

/// The cloud of the configuration.
pub(crate) fn upstream(config: &crate::config::Config) -> std::result::Result<Option<Upstream>, String> {
    let openstack = &config.openstack;
    if openstack.nova_url.is_some() {
        let named = openstack.nova_project.parse::<ProjectName>();
        named.map_err(|error| format!("nova_project: {error}"))?;
    }
    Upstream::new(openstack)
}
