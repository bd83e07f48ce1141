//! Opening: creation of links to an instance's console, and their look-up by token.

use crate::Call;
use crate::access::caller::Attempt;
use crate::consoles::Consoles;
use crate::error::{Error, Result};
use crate::random;
use std::time::Duration;
use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::end_reason::End;
use transom_model::grant::{Grant, MAX_TTL, MAX_USES, Rights};
use transom_model::id::{GrantId, InstanceId};
use transom_model::instance::{Instance, InstanceStatus};
use transom_model::secret::{Secret, TokenDigest};
use transom_store::{NewGrant, TokenStanding};

/// The longest time after which everything under a grant ends. Sessions may continue after the
/// grant has opened its last one.
pub const MAX_ENDS_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// A request for a console.
#[derive(Clone, Debug)]
pub struct ConsoleRequest {
    /// The URL's form.
    pub kind: ConsoleKind,
    /// The viewer's rights.
    pub rights: Rights,
    /// The time in which the URL opens. `None` means the dialect's policy.
    pub ttl: Option<Duration>,
    /// The number of times that the URL opens; 0 means no limit. `None` means the dialect's policy.
    pub uses: Option<u32>,
    /// The time from now after which everything under the URL ends. `None` means the limit of a
    /// session.
    pub ends_after: Option<Duration>,
}

/// A new grant with its token. The token cannot be read again later.
#[derive(Debug)]
pub struct OpenedConsole {
    /// The grant.
    pub grant: Grant,
    /// Its token.
    pub token: Secret,
}

impl Consoles {
    /// Creates a grant for one console of an instance.
    pub async fn open_console(
        &self,
        call: &Call,
        project: &str,
        id: &InstanceId,
        request: ConsoleRequest,
    ) -> Result<OpenedConsole> {
        let project = self.access.project_for(call, project, Role::Member).await?;
        let instance = self.inventory.found_instance(&project, id).await?;
        if !opens(call.dialect, instance.status) {
            self.core.metrics.grant(call.dialect, EndReason::InstanceNotRunning.code());
            return Err(Error::InstanceStatus(instance.status));
        }
        let policy = self.core.config.links.of(call.dialect);
        let ttl = request.ttl.unwrap_or(policy.ttl.0);
        if ttl.is_zero() || ttl > MAX_TTL {
            return Err(Error::invalid("ttl_seconds", "must be more than 0 and at most 7 days"));
        }
        let uses = request.uses.unwrap_or(policy.uses);
        if uses > MAX_USES {
            return Err(Error::invalid("uses", format!("must be at most {MAX_USES}, or 0 for no limit")));
        }
        if request.ends_after.is_some_and(|end| end.is_zero() || end > MAX_ENDS_AFTER) {
            return Err(Error::invalid("ends_after_seconds", "must be more than 0 and at most 30 days"));
        }
        // OpenStack's clients expect a token to be a UUID.
        let token = match call.dialect {
            Dialect::Openstack => Secret::new(random::uuid().to_string()),
            _ => random::token(),
        };
        let grant_id = GrantId(random::ordered_uuid());
        let new = NewGrant {
            id: grant_id,
            project: project.id,
            key: call.caller.key().cloned(),
            made_with: call.caller.made_with(),
            dialect: call.dialect,
            kind: request.kind,
            instance: instance.uid,
            rights: request.rights,
            request: call.request.clone(),
            uses: Some(uses).filter(|uses| *uses > 0),
            token: token.digest(),
            ttl,
            ends_after: request.ends_after,
            no_later_than: call.caller.until(),
        };
        let audit = AuditEntry {
            project: Some(project.id),
            grant: Some(grant_id),
            detail: Some(granted(&new)),
            ..call.entry(AuditAction::LinkCreate, &instance.id)
        };
        let grant = self.core.store.create_grant(new, &audit).await?;
        self.core.metrics.grant(call.dialect, "created");
        tracing::info!(request = %call.request, link = %grant.id, instance = %instance.id, "link created");
        Ok(OpenedConsole { grant, token })
    }

    /// Returns the console that a URL's token would open now. Spends no use.
    pub async fn console_behind(&self, token: &str) -> Result<(Grant, Instance)> {
        match self.core.store.token_standing(TokenDigest::of(token)).await? {
            TokenStanding::Stands(found) => match found.instance {
                Some(instance) => Ok((found.grant, instance)),
                // The grant is a console of an existing cloud. The text matches its digest, but is
                // not its token.
                None => Err(End::from(EndReason::TokenUnknown).into()),
            },
            TokenStanding::Refused { reason, .. } => Err(End::from(reason).into()),
        }
    }

    /// Checks that a console URL's token would open a console now, here or in an existing cloud.
    /// Spends no use.
    pub async fn opens_console(&self, token: &str, attempt: Attempt<'_>) -> Result<()> {
        match self.console_behind(token).await {
            Err(Error::End(end)) if end.reason == EndReason::TokenUnknown => {
                let known = self.existing_cloud.is_foreign_console(token, attempt).await?;
                if known { Ok(()) } else { Err(end.into()) }
            }
            found => found.map(drop),
        }
    }

    /// Returns the console behind a token that the call's dialect issued. Requires the role admin.
    pub async fn console_of_dialect(&self, call: &Call, token: &str) -> Result<(Grant, Instance)> {
        call.caller.need(Role::Admin)?;
        let (grant, instance) = self.console_behind(token).await.map_err(|error| match error {
            Error::End(_) => Error::NotFound("token"),
            other => other,
        })?;
        let visible = call.caller.project().is_none_or(|own| own == grant.project);
        if visible && grant.dialect == call.dialect {
            Ok((grant, instance))
        } else {
            Err(Error::NotFound("token"))
        }
    }
}

/// Returns whether consoles open in this status. The Zenlayer and OpenStack dialects require a
/// running machine. The others also open while it starts or is built, when consoles are needed
/// most.
pub(crate) fn opens(dialect: Dialect, status: InstanceStatus) -> bool {
    match dialect {
        Dialect::Api | Dialect::VncCloud => status.opens_native_console(),
        Dialect::Zenlayer | Dialect::Openstack => status == InstanceStatus::Running,
    }
}

/// Describes the grant for the audit.
fn granted(new: &NewGrant) -> String {
    let uses = new.uses.map_or_else(|| "unlimited".to_owned(), |uses| uses.to_string());
    let ends = new.ends_after.map(|end| format!(", ends after {} s", end.as_secs()));
    format!(
        "kind {}, {}, uses {uses}, opens for {} s{}",
        new.kind,
        new.rights,
        new.ttl.as_secs(),
        ends.unwrap_or_default()
    )
}
