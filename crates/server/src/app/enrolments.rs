//! Enrolments: tokens that devices get their own addresses by.

use std::net::IpAddr;
use std::time::Duration;

use transom_model::Timestamp;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::cloud::enrolment::Enrolment;
use transom_model::cloud::{
    CloudAddress, Draft, DraftAccessControl, EnrolmentToken, GroupName, ITERATIONS, Verifier,
};
use transom_model::grant::Dialect;
use transom_model::id::EnrolmentId;
use transom_model::secret::Secret;
use transom_store::{Enrolled, NewEnrolments};
use transom_tunnel::{Fault, Refusal};
use uuid::Uuid;

use super::devices::unavailable;
use super::error::{Error, Result};
use super::{App, Call, Page, random};

/// A pallet of devices; more than this is asked for in several calls.
const MAX_COUNT: u32 = 500;
/// Devices may lie in a warehouse for a while, not for ever: a token that nobody misses must not stay good.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Enrolments as they were made: the tokens are shown this once.
pub struct FreshEnrolments {
    /// Each with its id.
    pub tokens: Vec<(EnrolmentId, Secret)>,
    /// Until when devices may come with them.
    pub expires_at: Timestamp,
}

impl App {
    /// Makes enrolment tokens for devices whose addresses will belong to this key.
    pub async fn create_enrolments(
        &self,
        call: &Call,
        key: &AccessKeyId,
        count: u32,
        groups: Vec<String>,
        ttl: Duration,
    ) -> Result<FreshEnrolments> {
        call.caller.need(Role::Member)?;
        call.caller.need_secret()?;
        let key = self.store.key(call.caller.project(), key).await?;
        let key = key.filter(|key| key.revoked_at.is_none()).ok_or(Error::NotFound("access key"))?;
        if !(1..=MAX_COUNT).contains(&count) {
            return Err(Error::invalid("count", format!("must be 1 to {MAX_COUNT}")));
        }
        if ttl.is_zero() || ttl > MAX_TTL {
            return Err(Error::invalid("ttl_seconds", "must be more than 0 and at most 30 days"));
        }
        let groups = listed(groups)?;
        let token = |_| EnrolmentToken::new(EnrolmentId(random::ordered_uuid()), random::bytes());
        let tokens: Vec<_> = (0..count).map(token).collect();
        let new = NewEnrolments {
            key: key.id,
            tokens: tokens.iter().map(|token| (token.id(), token.digest())).collect(),
            groups,
            ttl,
        };
        let audit = call.entry("enrolment.create", "");
        let expires_at = self.store.create_enrolments(new, &audit).await?;
        let tokens = tokens.iter().map(|token| (token.id(), token.text())).collect();
        Ok(FreshEnrolments { expires_at, tokens })
    }

    /// Enrolments that the caller sees, of one key where it is named.
    pub async fn enrolments(
        &self,
        call: &Call,
        key: Option<&AccessKeyId>,
        page: Page,
    ) -> Result<Vec<Enrolment>> {
        Ok(self.store.enrolments(call.caller.project(), key, page).await?)
    }

    /// Makes an enrolment token worth nothing.
    pub async fn revoke_enrolment(&self, call: &Call, id: EnrolmentId) -> Result<()> {
        call.caller.need(Role::Member)?;
        let audit = call.entry("enrolment.revoke", id);
        if self.store.revoke_enrolment(call.caller.project(), id, &audit).await? {
            Ok(())
        } else {
            Err(Error::NotFound("enrolment that is still worth something"))
        }
    }

    /// Gives a device its address for the token that it proves to have, over this message; and our own proof.
    pub async fn enrol_device(
        &self,
        shown: &transom_tunnel::Enrolment,
        message: &[u8],
        source: IpAddr,
    ) -> Result<(CloudAddress, [u8; 32]), Refusal> {
        let id = EnrolmentId(Uuid::from_bytes(shown.id));
        let invalid = || self.failed_join(source).because("the enrolment token is not valid");
        let kept = self.store.enrolment_token(id).await.map_err(unavailable)?;
        let kept = kept.filter(|kept| kept.is_proved_by(&shown.proof, message)).ok_or_else(invalid)?;
        let verifier = Verifier {
            salt: shown.salt.to_vec(),
            iterations: ITERATIONS,
            stored_key: shown.stored_key,
            server_key: shown.server_key,
        };
        let audit = AuditEntry {
            request: None,
            actor: Actor::Transom,
            dialect: Dialect::Native,
            action: "address.create",
            target: String::new(),
            outcome: "ok",
            project: None,
            grant: None,
            session: None,
            detail: Some(format!(" from {source}")),
            origin: Origin::of(source),
        };
        let enrolled = self.store.enrol(id, random::bytes(), verifier, &audit).await;
        let refused = |why: &str| Err(Refusal::from(Fault::CloudAuthenticationFailed).because(why));
        match enrolled.map_err(unavailable)? {
            Enrolled::As(address) => {
                let proof = kept.answer(message, address.as_str());
                Ok((address, proof))
            }
            Enrolled::Used => refused("the enrolment token was used by another device"),
            Enrolled::Over => refused("the enrolment token has expired, or was revoked"),
            Enrolled::Unknown => Err(invalid()),
        }
    }
}

/// The groups as an address lets them in.
fn listed(groups: Vec<String>) -> Result<Vec<GroupName>> {
    use transom_model::cloud::Reach;
    let access = (!groups.is_empty()).then_some(DraftAccessControl { groups: Some(groups), addresses: None });
    let draft = Draft { actions: vec!["listen".to_owned()], groups: None, access };
    match draft.check().map_err(|fault| Error::invalid("allow_groups", fault))? {
        Reach::Listen { access: Some(access) } => Ok(access.groups),
        _ => Ok(Vec::new()),
    }
}
