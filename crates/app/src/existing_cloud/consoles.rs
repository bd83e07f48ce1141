//! Consoles of the existing cloud. A token that Transom did not issue becomes a grant while the
//! existing Nova knows it, and leads to the place that Nova names.

use std::path::Path;
use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::dialect::Dialect;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::grant::{Grant, Rights};
use transom_model::id::{GrantId, InstanceUid, ProjectId, RequestId};
use transom_model::instance::{Instance, InstanceSecurity, InstanceStatus, SetBy};
use transom_model::project::ProjectName;
use transom_model::secret::{Secret, TokenDigest};
use transom_store::{ConsoleTarget, ForeignGrant, StoreError, TokenStanding};

use crate::access::caller::Attempt;
use crate::consoles::claim::Destination;
use crate::consoles::visitor::Visitor;
use crate::error::{Error, Result};
use crate::existing_cloud::ExistingCloud;
use crate::metrics::Lookup;
use crate::random;
use crate::vault::Purpose;
use transom_sources::openstack::Located;

/// The lifetime of a foreign console's grant, from the check of its token to the reservation. Each
/// use of a token that the cloud still knows extends the grant.
const GRANT_TTL: Duration = Duration::from_secs(60);

impl ExistingCloud {
    /// Creates the project of foreign consoles if it does not exist. Called at start.
    pub async fn prepare_foreign_project(&self) -> Result<()> {
        if self.core.config.openstack.nova_url.is_none() {
            return Ok(());
        }
        let name = self.foreign_project_name()?;
        let id = ProjectId(random::ordered_uuid());
        let audit = AuditEntry {
            request: None,
            actor: Actor::Transom,
            dialect: Dialect::Openstack,
            action: AuditAction::ProjectCreate,
            target: name.to_string(),
            outcome: "ok",
            project: Some(id),
            grant: None,
            session: None,
            detail: None,
            origin: Origin::default(),
        };
        if self.core.store.project_named(&name).await?.is_some() {
            return Ok(());
        }
        match self.core.store.create_project(id, &name, &audit).await {
            // Another node was faster.
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the existing cloud about a console token that Transom did not issue. Returns the digest
    /// of its grant and the destination.
    pub(crate) async fn adopt(
        &self,
        token: &str,
        visitor: &Visitor,
    ) -> Result<Option<(TokenDigest, Located)>> {
        let request = &visitor.request;
        let Some(located) = self.look_up_console(token, Attempt { source: visitor.address, request }).await?
        else {
            return Ok(None);
        };
        let name = self.foreign_project_name()?;
        let project = self.core.store.project_named(&name).await?.ok_or(Error::NotFound("project"))?.id;
        let id = GrantId(random::ordered_uuid());
        let digest = self.foreign_digest(token);
        let token = Secret::new(token);
        let grant = ForeignGrant {
            id,
            token: digest,
            sealed: self.core.vault.seal(Purpose::ForeignToken, &id.to_string(), &token),
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
            action: AuditAction::LinkCreate,
            target: located.instance.to_string(),
            outcome: "ok",
            project: Some(project),
            grant: Some(id),
            session: None,
            detail: Some(format!("a console of the existing Nova, {}, uses unlimited", Rights::default())),
            origin: visitor.origin(),
        };
        if self.core.store.adopt_grant(grant, &audit).await? {
            self.core.metrics.grant(Dialect::Openstack, "created");
            tracing::info!(%request, link = %id, instance = %located.instance, "a console of the existing Nova was opened");
        }
        Ok(Some((digest, located)))
    }

    /// Returns whether a console token that Transom did not issue would open a console now. Spends
    /// no use.
    pub(crate) async fn is_foreign_console(&self, token: &str, attempt: Attempt<'_>) -> Result<bool> {
        if self.look_up_console(token, attempt).await?.is_none() {
            return Ok(false);
        }
        let standing = self.core.store.token_standing(self.foreign_digest(token)).await?;
        // An expired grant does not matter, since presenting the token extends it.
        let revoked = |grant: &Grant| grant.revoked_at.is_some();
        Ok(!matches!(standing, TokenStanding::Refused { grant: Some(grant), .. } if revoked(&grant)))
    }

    /// The digest of a foreign token's grant. It differs from the token's own digest, which would
    /// open a console without asking the cloud.
    fn foreign_digest(&self, token: &str) -> TokenDigest {
        TokenDigest(self.core.vault.sign(Purpose::ForeignToken, token.as_bytes()))
    }

    /// Returns a session's destination: its instance, or the place that the existing cloud names
    /// now.
    pub(crate) async fn place_of(
        &self,
        target: &mut ConsoleTarget,
        located: Option<Located>,
        request: &RequestId,
    ) -> Result<Destination> {
        if let Some(instance) = target.instance.take() {
            return Ok(Destination { instance, access_path: None });
        }
        let grant = &target.grant;
        let located = match located {
            Some(located) => located,
            None => self.locate_again(grant, request).await?,
        };
        let host = if located.host.contains(':') { format!("[{}]", located.host) } else { located.host };
        let endpoint = format!("vnc://{host}:{}", located.port).parse::<Endpoint>().map_err(|error| {
            tracing::warn!(link = %grant.id, %error, "the existing Nova returned an invalid address");
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
            endpoint_version: 0,
            import_name: None,
            created_at: grant.created_at,
            updated_at: grant.created_at,
        };
        Ok(Destination { instance, access_path: located.access_path })
    }

    /// Reads the gateway's credentials for the existing cloud's VNC servers.
    async fn foreign_security(&self, uid: InstanceUid) -> Result<InstanceSecurity> {
        let Some(files) = &self.core.config.openstack.nova_vencrypt else {
            return Ok(InstanceSecurity::default());
        };
        let mut security =
            InstanceSecurity { ca: Some(read(&files.ca).await?), ..InstanceSecurity::default() };
        if let Some(client) = &files.client {
            security.certificate = Some(read(&client.cert).await?);
            // The key is sealed like every instance's, so the gateway opens all keys in the same
            // way.
            let key = Secret::new(read(&client.key).await?);
            security.key = Some(self.core.vault.seal(Purpose::InstanceKey, &uid.to_string(), &key));
        }
        Ok(security)
    }

    fn foreign_project_name(&self) -> Result<ProjectName> {
        let name = &self.core.config.openstack.nova_project;
        name.parse().map_err(|error| Error::invalid("openstack.nova_project", error))
    }

    async fn look_up_console(&self, token: &str, attempt: Attempt<'_>) -> Result<Option<Located>> {
        match &self.upstream {
            Some(upstream) if upstream.resolves(token) => {
                let token = Secret::new(token);
                self.guarded_lookup(Lookup::ConsoleToken, attempt, upstream.locate(&token)).await
            }
            _ => Ok(None),
        }
    }

    /// Asks the existing cloud again, when a foreign console's page returns or opens its WebSocket.
    async fn locate_again(&self, grant: &Grant, request: &RequestId) -> Result<Located> {
        let (Some(upstream), Some(sealed)) = (&self.upstream, &grant.foreign) else {
            return Err(End::from(EndReason::InstanceRemoved).into());
        };
        let token = self.core.vault.open(Purpose::ForeignToken, &grant.id.to_string(), sealed);
        let token = token.map_err(Error::internal)?;
        match self.counted(Lookup::ConsoleToken, request, upstream.locate(&token).await)? {
            Some(located) => Ok(located),
            None => Err(End::from(EndReason::TokenExpired).into()),
        }
    }
}

async fn read(path: &Path) -> Result<String> {
    tokio::fs::read_to_string(path).await.map_err(|error| {
        tracing::error!(path = %path.display(), %error, "a file of [openstack] nova_vencrypt cannot be read");
        End::from(EndReason::InternalError).into()
    })
}
