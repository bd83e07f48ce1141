//! Consoles: a grant is made, its token is exchanged or claimed, its session lives and ends.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::audit::{Actor, AuditEntry, Origin, UserAgent};
use transom_model::end_reason::{End, Side};
use transom_model::grant::{ConsoleKind, Dialect, Grant, MAX_TTL, MAX_USES, Rights};
use transom_model::id::{GrantId, InstanceId, RequestId, SessionId};
use transom_model::instance::{Instance, InstanceStatus, Sealed};
use transom_model::secret::{Secret, TokenDigest};
use transom_model::session::SessionState;
use transom_store::{
    Commit, ConsoleTarget, NewGrant, NewResumeTicket, NewSession, Node, Reservation, ResumeTicketOutcome,
    TokenStanding,
};

use crate::Call;
use crate::access::caller::Attempt;
use crate::consoles::Consoles;
use crate::consoles::debts::{How, Settlement};
use crate::consoles::live::{LiveSession, Of};
use crate::error::{Error, Result};
use crate::random;
use crate::vault::{CannotOpen, Purpose};
use transom_sources::openstack::Located;

/// The latest end of everything under a grant: sessions may go on after the grant has opened its last one.
pub const MAX_ENDS_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a caller wants of a console.
#[derive(Clone, Debug)]
pub struct ConsoleRequest {
    /// The front door.
    pub dialect: Dialect,
    /// The URL's form.
    pub kind: ConsoleKind,
    /// What the viewer may do.
    pub rights: Rights,
    /// Time to connect; none: as the dialect's policy says.
    pub ttl: Option<Duration>,
    /// How often the URL opens, 0 for as often as wanted; none: as the dialect's policy says.
    pub uses: Option<u32>,
    /// How long from now everything under the URL may last; none: as long as a session may.
    pub ends_after: Option<Duration>,
}

/// A grant with its token, which is known only now.
#[derive(Debug)]
pub struct OpenedConsole {
    /// The grant.
    pub grant: Grant,
    /// Its token.
    pub token: Secret,
}

/// A token that was exchanged: the page comes with this ticket.
#[derive(Debug)]
pub struct Exchanged {
    /// The grant and the session.
    pub target: ConsoleTarget,
    /// What people call the machine.
    pub name: String,
    /// The secret for the WebSocket, or for the next exchange.
    pub ticket: Secret,
}

/// Who shows a token or a ticket, and how it came.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Where from.
    pub address: IpAddr,
    /// With which program.
    pub user_agent: Option<UserAgent>,
    /// By which form of a console URL.
    pub kind: ConsoleKind,
    /// By which call.
    pub request: RequestId,
}

impl Visitor {
    /// What the audit has of it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { source: Some(self.address), user_agent: self.user_agent.clone() }
    }
}

/// Where a session leads.
#[derive(Clone, Debug)]
pub struct Place {
    /// The instance; of another cloud's console, what that cloud says of it.
    pub instance: Instance,
    /// What is to be asked for by `CONNECT` at its endpoint, before RFB.
    pub access_path: Option<String>,
}

/// A session that may be opened now; the gateway dials and then commits.
pub struct Claim {
    /// The grant and the session.
    pub target: ConsoleTarget,
    /// Where it leads.
    pub place: Place,
    /// The session's place in this node's table.
    pub live: LiveSession,
    /// Who claimed it.
    pub visitor: Visitor,
    /// Whether the viewer can come back with a ticket.
    pub resumable: bool,
    /// When it was claimed: what the target says of times is counted from here.
    pub at: Instant,
}

impl Claim {
    fn entry(&self, action: &'static str, outcome: &'static str) -> AuditEntry {
        session_entry(&self.target.grant, self.target.hold.session, &self.visitor, action, outcome)
    }
}

impl Consoles {
    /// Makes a grant for one console of an instance.
    pub async fn open_console(
        &self,
        call: &Call,
        project: &str,
        id: &InstanceId,
        request: ConsoleRequest,
    ) -> Result<OpenedConsole> {
        let project = self.access.project_for(call, project, Role::Member).await?;
        let instance = self.inventory.found_instance(&project, id).await?;
        if !opens(request.dialect, instance.status) {
            self.core.metrics.grant(request.dialect, EndReason::InstanceNotRunning.code());
            return Err(Error::InstanceStatus(instance.status));
        }
        let policy = self.core.config.links.of(request.dialect);
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
        // OpenStack's clients know tokens as UUIDs.
        let token = match request.dialect {
            Dialect::Openstack => Secret::new(random::uuid().to_string()),
            _ => random::token(),
        };
        let grant_id = GrantId(random::ordered_uuid());
        let new = NewGrant {
            id: grant_id,
            project: project.id,
            key: call.caller.key().cloned(),
            made_with: call.caller.made_with(),
            dialect: request.dialect,
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
            dialect: request.dialect,
            project: Some(project.id),
            grant: Some(grant_id),
            detail: Some(granted(&new)),
            ..call.entry("link.create", &instance.id)
        };
        let grant = self.core.store.create_grant(new, &audit).await?;
        self.core.metrics.grant(request.dialect, "created");
        tracing::info!(request = %call.request, link = %grant.id, instance = %instance.id, "console granted");
        Ok(OpenedConsole { grant, token })
    }

    /// What a console URL's token would open now; nothing is used up.
    pub async fn console_behind(&self, token: &str) -> Result<(Grant, Instance)> {
        match self.core.store.token_standing(TokenDigest::of(token)).await? {
            TokenStanding::Stands(found) => match found.instance {
                Some(instance) => Ok((found.grant, instance)),
                // Found by another name than its token: nobody shows that.
                None => Err(End::from(EndReason::TokenUnknown).into()),
            },
            TokenStanding::Refused { reason, .. } => Err(End::from(reason).into()),
        }
    }

    /// Whether a console URL's token would open something now, here or in an existing cloud; nothing is used up.
    pub async fn opens_console(&self, token: &str, attempt: Attempt<'_>) -> Result<()> {
        match self.console_behind(token).await {
            Err(Error::End(end)) if end.reason == EndReason::TokenUnknown => {
                let known = self.existing_cloud.is_foreign_console(token, attempt).await?;
                if known { Ok(()) } else { Err(end.into()) }
            }
            found => found.map(drop),
        }
    }

    /// The console behind a token that this dialect gave out, for the administrator of its project.
    pub async fn console_of_dialect(
        &self,
        call: &Call,
        dialect: Dialect,
        token: &str,
    ) -> Result<(Grant, Instance)> {
        call.caller.need(Role::Admin)?;
        let (grant, instance) = self.console_behind(token).await.map_err(|error| match error {
            Error::End(_) => Error::NotFound("token"),
            other => other,
        })?;
        let visible = call.caller.project().is_none_or(|own| own == grant.project);
        if visible && grant.dialect == dialect {
            Ok((grant, instance))
        } else {
            Err(Error::NotFound("token"))
        }
    }

    /// Exchanges a console URL's token for a ticket: reserves one use.
    pub async fn exchange_token(&self, token: &str, visitor: &Visitor) -> Result<Exchanged> {
        let shown = TokenDigest::of(token);
        // Where uses are counted, their number is the limit.
        if !self.core.log_budget.has_ticket(shown)
            && let TokenStanding::Stands(found) = self.core.store.token_standing(shown).await?
            && found.grant.uses.is_none()
        {
            return Err(End::from(EndReason::TooManySessions).into());
        }
        let ticket = random::token();
        let new = NewResumeTicket { digest: ticket.digest(), ttl: self.core.config.console.resume.0 };
        let (target, _) = self.reserve(token, self.core.node()?, visitor, Some(new)).await?;
        if target.grant.uses.is_none() {
            self.core.log_budget.gave_ticket(shown);
        }
        Ok(exchanged(target, ticket))
    }

    /// Exchanges a ticket for a fresh one: the page comes back to its session.
    pub async fn exchange_ticket(&self, ticket: &str, visitor: &Visitor) -> Result<Exchanged> {
        let shown = TokenDigest::of(ticket);
        // Each exchange is written down. What is not exchanged does not count: an old copy must not keep the page out.
        if let Some(session) = self.core.store.exchangeable(shown).await?
            && !self.core.log_budget.has_exchange(session)
        {
            return Err(
                End::new(EndReason::RateLimited, "this session's ticket is exchanged too often").into()
            );
        }
        let fresh = random::token();
        let new = NewResumeTicket { digest: fresh.digest(), ttl: self.core.config.console.resume.0 };
        let outcome = self.core.store.rotate_ticket(shown, new, &visitor.request, &visitor.origin()).await?;
        let target = self.ticket_target(outcome, visitor).await?;
        if let Some(reason) = self.revocations.held.against(&target) {
            return Err(End::from(reason).into());
        }
        Ok(exchanged(target, fresh))
    }

    /// Claims a session by a console URL's token, without a page in between.
    pub async fn claim_by_token(&self, token: &str, visitor: Visitor) -> Result<Claim> {
        let node = self.core.node()?;
        let (target, located) = self.reserve(token, node, &visitor, None).await?;
        self.claim((target, node), located, visitor, false).await
    }

    /// Claims a session by its ticket.
    pub async fn claim_by_ticket(&self, ticket: &str, visitor: Visitor) -> Result<Claim> {
        let shown = TokenDigest::of(ticket);
        let node = self.core.node()?;
        let (viewer, origin) = (visitor.address.to_string(), visitor.origin());
        let outcome = self.core.store.present_ticket(shown, node, &viewer, &visitor.request, &origin).await?;
        let target = self.ticket_target(outcome, &visitor).await?;
        self.claim((target, node), None, visitor, true).await
    }

    /// The instance showed its screen: the use is spent and the session lives, unless something was revoked meanwhile.
    pub async fn commit(&self, claim: &Claim) -> Result<()> {
        let again = if claim.target.state == SessionState::Reserved { "" } else { ", again" };
        let detail = Some(format!("viewer {}{again}", claim.visitor.address));
        let audit = AuditEntry { detail, ..claim.entry("session.start", "ok") };
        // What is counted must be on the disk before the screen is shown: it could be used twice otherwise.
        let committed = if claim.target.grant.uses.is_some() || claim.resumable {
            self.core.store.commit(claim.target.hold, &audit).await?
        } else {
            self.core.store.commit_soon(&claim.target, &audit).await?;
            Commit::Live
        };
        match committed {
            Commit::Live => {
                // A page that comes back goes on with a session that was counted before.
                if claim.target.state == SessionState::Reserved {
                    self.core.metrics.sessions_started.inc();
                    self.core.metrics.grant(claim.target.grant.dialect, "opened");
                }
                Ok(())
            }
            Commit::Ended(reason) => Err(End::from(reason).into()),
        }
    }

    /// The instance could not be reached: the use is given back until the grant expires.
    pub async fn give_back(&self, claim: &Claim, end: &End) -> Result<()> {
        let audit = AuditEntry {
            detail: end.detail().map(str::to_owned),
            ..claim.entry("session.fail", end.reason.code())
        };
        self.core.metrics.handshake_failed(end.reason);
        self.core.store.give_back(claim.target.hold, end.reason, &audit).await?;
        Ok(())
    }

    /// The viewer is gone; it may come back with its ticket.
    pub async fn detach(&self, claim: &Claim) -> Result<()> {
        let Claim { target, live, .. } = claim;
        self.settle(Settlement { hold: target.hold, traffic: live.bytes(), how: How::Detached }).await
    }

    /// The session is over.
    pub async fn end(&self, claim: &Claim, end: &End) -> Result<()> {
        // The viewer is answerable for its own ends only, not for what was taken from it.
        let actor = if end.reason.side() == Side::Viewer { Actor::Viewer } else { Actor::Transom };
        let audit = AuditEntry {
            actor,
            detail: end.detail().map(str::to_owned),
            ..claim.entry("session.end", end.reason.code())
        };
        let Claim { target, live, .. } = claim;
        let how = How::Ended(end.reason, Box::new(audit));
        self.settle(Settlement { hold: target.hold, traffic: live.bytes(), how }).await
    }

    async fn reserve(
        &self,
        token: &str,
        node: Node,
        visitor: &Visitor,
        ticket: Option<NewResumeTicket>,
    ) -> Result<(ConsoleTarget, Option<Located>)> {
        let session = SessionId(random::ordered_uuid());
        let viewer = visitor.address.to_string();
        let most = self.core.config.limits.sessions_per_link;
        let new = NewSession { id: session, node, viewer, most };
        let mut reservation = self.core.store.reserve(TokenDigest::of(token), new.clone(), ticket).await?;
        let mut located = None;
        if let Reservation::Refused { reason: EndReason::TokenUnknown, .. } = reservation
            && let Some((digest, place)) = self.existing_cloud.adopt(token, visitor).await?
        {
            reservation = self.core.store.reserve(digest, new, ticket).await?;
            located = Some(place);
        }
        let target = match reservation {
            Reservation::Reserved(target) => *target,
            Reservation::Refused { reason, grant } => {
                self.refused(reason, grant.as_deref(), visitor).await;
                return Err(End::from(reason).into());
            }
        };
        if let Some(reason) = self.revocations.held.against(&target) {
            let audit = session_entry(&target.grant, session, visitor, "session.fail", reason.code());
            self.core.store.give_back(target.hold, reason, &audit).await?;
            return Err(End::from(reason).into());
        }
        // Another cloud gives no URLs for what does not run.
        let status = target.instance.as_ref().map(|instance| instance.status);
        if let Some(status) = status.filter(|status| !opens(target.grant.dialect, *status)) {
            let reason = EndReason::InstanceNotRunning;
            let audit = session_entry(&target.grant, session, visitor, "session.fail", reason.code());
            self.core.store.give_back(target.hold, reason, &audit).await?;
            let name = target.instance.as_ref().map(|instance| instance.name.clone());
            let end = End::told(reason, format!("it is {status}"));
            return Err(end.of_machine(name.unwrap_or_default()).into());
        }
        Ok((target, located))
    }

    /// A refused use of a known grant is part of its trail, once a minute; an unknown token has none.
    async fn refused(&self, reason: EndReason, grant: Option<&Grant>, visitor: &Visitor) {
        let Some(grant) = grant else {
            self.core.metrics.grant(Dialect::Api, reason.code());
            return;
        };
        self.core.metrics.grant(grant.dialect, reason.code());
        if !self.core.log_budget.is_news(grant.id, reason) {
            return;
        }
        let entry = AuditEntry {
            request: Some(visitor.request.clone()),
            actor: Actor::Viewer,
            dialect: grant.dialect,
            action: "link.use",
            target: grant.instance.to_string(),
            outcome: reason.code(),
            project: Some(grant.project),
            grant: Some(grant.id),
            session: None,
            detail: None,
            origin: visitor.origin(),
        };
        if let Err(error) = self.core.store.audit(&entry).await {
            tracing::error!(%error, link = %grant.id, "a refused use could not be written to the audit");
        }
    }

    pub(crate) async fn ticket_target(
        &self,
        outcome: ResumeTicketOutcome,
        visitor: &Visitor,
    ) -> Result<ConsoleTarget> {
        let reason = match outcome {
            ResumeTicketOutcome::Accepted(target) => return Ok(*target),
            ResumeTicketOutcome::Invalid | ResumeTicketOutcome::Expired => EndReason::TicketInvalid,
            ResumeTicketOutcome::Ended(reason) => reason,
            ResumeTicketOutcome::Replayed { session, grant, .. } => {
                let request = &visitor.request;
                tracing::warn!(%request, %session, %grant, "a ticket was shown twice; its session was ended");
                self.core.signals.ring();
                EndReason::TicketReplayed
            }
            ResumeTicketOutcome::Old { session, grant } => {
                self.refused_old_ticket(session, &grant, visitor).await;
                EndReason::TicketInvalid
            }
        };
        Err(End::from(reason).into())
    }

    /// An old ticket of a session that waits for its page: it is refused and written down, and changes nothing.
    async fn refused_old_ticket(&self, session: SessionId, grant: &Grant, visitor: &Visitor) {
        if !self.core.log_budget.is_news_of_old_ticket(session) {
            return;
        }
        let request = &visitor.request;
        tracing::warn!(%request, %session, link = %grant.id, "an old ticket was shown; its session waits for its page");
        let by = (request.clone(), visitor.origin());
        let entry = ResumeTicketOutcome::replay_entry(grant, session, by, EndReason::TicketInvalid);
        if let Err(error) = self.core.store.audit(&entry).await {
            tracing::error!(%error, %session, "an old ticket could not be written to the audit");
        }
    }

    async fn claim(
        &self,
        (mut target, node): (ConsoleTarget, Node),
        located: Option<Located>,
        visitor: Visitor,
        resumable: bool,
    ) -> Result<Claim> {
        let at = Instant::now();
        let claimed = match self.existing_cloud.place_of(&mut target, located, &visitor.request).await {
            Ok(place) => {
                let live = self.live.register(target.hold, Of::grant(&target.grant));
                // Where everything was cut meanwhile, this one was perhaps not in the table yet.
                let live = live.and_then(|live| match self.core.fence.node() == Some(node) {
                    true => Ok(live),
                    false => Err(EndReason::StoreUnavailable),
                });
                // The same with what was revoked meanwhile, and is not written down yet.
                let live = live.and_then(|live| match self.revocations.held.against(&target) {
                    None => Ok(live),
                    Some(reason) => Err(reason),
                });
                live.map(|live| (place, live)).map_err(|reason| Error::End(reason.into()))
            }
            Err(error) => Err(error),
        };
        match claimed {
            Ok((place, live)) => Ok(Claim { target, place, live, visitor, resumable, at }),
            Err(error) => {
                let (reason, detail) = match &error {
                    Error::End(end) => (end.reason, end.detail().map(str::to_owned)),
                    _ => (EndReason::InternalError, None),
                };
                let session = target.hold.session;
                let audit = session_entry(&target.grant, session, &visitor, "session.fail", reason.code());
                let audit = AuditEntry { detail, ..audit };
                self.core.store.give_back(target.hold, reason, &audit).await?;
                Err(error)
            }
        }
    }

    /// The instance's VNC password, opened.
    pub fn instance_password(&self, instance: &Instance) -> Result<Option<Secret>, CannotOpen> {
        self.open_sealed(Purpose::InstancePassword, instance, instance.security.password.as_ref())
    }

    /// The key to the certificate that the gateway shows to the instance, opened.
    pub fn instance_key(&self, instance: &Instance) -> Result<Option<Secret>, CannotOpen> {
        self.open_sealed(Purpose::InstanceKey, instance, instance.security.key.as_ref())
    }

    fn open_sealed(
        &self,
        purpose: Purpose,
        instance: &Instance,
        sealed: Option<&Sealed>,
    ) -> Result<Option<Secret>, CannotOpen> {
        sealed.map(|sealed| self.core.vault.open(purpose, &instance.uid.to_string(), sealed)).transpose()
    }
}

/// Native consoles also open while a machine starts or is built, when they are wanted most; the dialects need it to run.
fn opens(dialect: Dialect, status: InstanceStatus) -> bool {
    match dialect {
        Dialect::Api | Dialect::VncCloud => status.opens_native_console(),
        Dialect::Zenlayer | Dialect::Openstack => status == InstanceStatus::Running,
    }
}

/// What a grant is for, for the audit.
/// What was granted, for the audit.
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

fn exchanged(target: ConsoleTarget, ticket: Secret) -> Exchanged {
    let name = target.instance.as_ref().map(|instance| instance.name.clone());
    Exchanged { name: name.unwrap_or_else(|| target.grant.instance.to_string()), target, ticket }
}

pub(crate) fn session_entry(
    grant: &Grant,
    session: SessionId,
    visitor: &Visitor,
    action: &'static str,
    outcome: &'static str,
) -> AuditEntry {
    AuditEntry {
        request: Some(visitor.request.clone()),
        actor: Actor::Viewer,
        dialect: grant.dialect,
        action,
        target: grant.instance.to_string(),
        outcome,
        project: Some(grant.project),
        grant: Some(grant.id),
        session: Some(session),
        detail: None,
        origin: visitor.origin(),
    }
}
