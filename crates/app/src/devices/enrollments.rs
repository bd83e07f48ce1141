//! Enrollments: tokens with which devices obtain their own addresses.

use std::net::IpAddr;
use std::time::Duration;

use transom_model::Timestamp;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::enrollment::Enrollment;
use transom_model::cloud::{
    Action, AddressRecord, CloudAddress, Draft, DraftAccessControl, EnrollmentToken, GroupName, ITERATIONS,
    Verifier,
};
use transom_model::dialect::Dialect;
use transom_model::id::EnrollmentId;
use transom_model::secret::Secret;
use transom_store::{Enrolled, NewEnrollment, NewEnrollments};
use transom_tunnel::{Refusal, RefusalCode};
use uuid::Uuid;

use crate::Call;
use crate::Page;
use crate::devices::Devices;
use crate::devices::cloud_addresses::{AddressCall, device_name};
use crate::devices::unavailable;
use crate::error::{Error, Result};
use crate::random;

/// The most tokens that one call creates: enough for a pallet of devices.
const MAX_COUNT: u32 = 500;
/// The longest lifetime of a token. Devices may stay in a warehouse for a while, but a forgotten
/// token must expire.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// The devices to create tokens for.
pub enum Wanted {
    /// This number of devices, without names.
    Count(u32),
    /// Devices with these names.
    Named(Vec<String>),
    /// A device that replaces the one at this address. Its name, groups, instances and history
    /// stay.
    InPlaceOf(CloudAddress),
}

/// A new enrollment.
pub struct FreshEnrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Its token, which cannot be read again later.
    pub token: Secret,
    /// The device's name.
    pub name: Option<String>,
}

/// New enrollments. Their tokens cannot be read again later.
pub struct FreshEnrollments {
    /// The enrollments.
    pub tokens: Vec<FreshEnrollment>,
    /// The time until which devices may use the tokens.
    pub expires_at: Timestamp,
}

impl Devices {
    /// Creates enrollment tokens. The devices' addresses will belong to `key`. A replacement may
    /// omit it: its address stays with the key that it has.
    pub async fn create_enrollments(
        &self,
        call: &Call,
        key: Option<&AccessKeyId>,
        wanted: Wanted,
        groups: Vec<String>,
        ttl: Duration,
    ) -> Result<FreshEnrollments> {
        call.caller.need(Role::Member)?;
        call.caller.need_secret()?;
        if ttl.is_zero() || ttl > MAX_TTL {
            return Err(Error::invalid("ttl_seconds", "must be more than 0 and at most 30 days"));
        }
        let groups = listed(groups)?;
        let (names, replaces) = match wanted {
            Wanted::Count(count) => (vec![None; counted("count", count)?], None),
            Wanted::Named(names) => {
                counted("names", u32::try_from(names.len()).unwrap_or(u32::MAX))?;
                (names.into_iter().map(named).collect::<Result<_>>()?, None)
            }
            Wanted::InPlaceOf(address) => {
                if !groups.is_empty() {
                    return Err(Error::invalid(
                        "allow_groups",
                        "must be omitted with replace, because the address keeps its own",
                    ));
                }
                (vec![None], Some(self.replaceable(call, key, &address).await?))
            }
        };
        let key = match (key, &replaces) {
            (_, Some(record)) => &record.key,
            (Some(key), None) => key,
            (None, None) => return Err(Error::invalid("key", "is missing")),
        };
        let key = self.core.store.key(call.caller.project(), key).await?;
        let key = key.filter(|key| key.revoked_at.is_none()).ok_or(Error::NotFound("access key"))?;
        let make = |name| (EnrollmentToken::new(EnrollmentId(random::ordered_uuid()), random::bytes()), name);
        let made: Vec<_> = names.into_iter().map(make).collect();
        let kept = |(token, name): &(EnrollmentToken, Option<String>)| NewEnrollment {
            id: token.id(),
            token: token.digest(),
            name: name.clone(),
        };
        let new = NewEnrollments {
            key: key.id,
            tokens: made.iter().map(kept).collect(),
            groups,
            ttl,
            replaces: replaces.as_ref().map(|record| record.address.clone()),
        };
        let mut audit = call.entry(AuditAction::EnrollmentCreate, "");
        audit.detail =
            replaces.as_ref().map(|record| format!("in place of the device at {}", record.address));
        let expires_at = self.core.store.create_enrollments(new, &audit).await?;
        let old_name = replaces.and_then(|record| record.name);
        let shown = |(token, name): (EnrollmentToken, Option<String>)| FreshEnrollment {
            id: token.id(),
            token: token.text(),
            name: name.or_else(|| old_name.clone()),
        };
        Ok(FreshEnrollments { expires_at, tokens: made.into_iter().map(shown).collect() })
    }

    /// Returns the address. Fails if its device cannot be replaced.
    async fn replaceable(
        &self,
        call: &Call,
        key: Option<&AccessKeyId>,
        address: &CloudAddress,
    ) -> Result<AddressRecord> {
        let record = self.address(&AddressCall::native(call.clone()), address).await?;
        // The call is well-formed. It conflicts with the state of the address.
        if record.reach.action() != Action::Listen {
            return Err(Error::Conflict("replace: must be a listen address".to_owned()));
        }
        if key.is_some_and(|key| *key != record.key) {
            return Err(Error::Conflict("key: must be the address's own key, or be omitted".to_owned()));
        }
        Ok(record)
    }

    /// Lists the enrollments that the caller sees, or those of one key.
    pub async fn enrollments(
        &self,
        call: &Call,
        key: Option<&AccessKeyId>,
        page: Page,
    ) -> Result<Vec<Enrollment>> {
        Ok(self.core.store.enrollments(call.caller.project(), key, page).await?)
    }

    /// Revokes an unused enrollment token.
    pub async fn revoke_enrollment(&self, call: &Call, id: EnrollmentId) -> Result<()> {
        call.caller.need(Role::Member)?;
        let audit = call.entry(AuditAction::EnrollmentRevoke, id);
        if self.core.store.revoke_enrollment(call.caller.project(), id, &audit).await? {
            Ok(())
        } else {
            Err(Error::NotFound("unused enrollment"))
        }
    }

    /// Issues an address to a device that proves its token over this message. Returns it with the
    /// server's own proof.
    pub async fn enrol_device(
        &self,
        shown: &transom_tunnel::Enrollment,
        message: &[u8],
        source: IpAddr,
    ) -> Result<(CloudAddress, [u8; 32]), Refusal> {
        let id = EnrollmentId(Uuid::from_bytes(shown.id));
        let invalid = || self.failed_join(source).because("the enrollment token is not valid");
        let kept = self.core.store.enrollment_token(id).await.map_err(unavailable)?;
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
            dialect: Dialect::Api,
            action: AuditAction::AddressCreate,
            target: String::new(),
            outcome: "ok",
            project: None,
            grant: None,
            session: None,
            detail: Some(format!(" from {source}")),
            origin: Origin::of(source),
        };
        let enrolled = self.core.store.enroll(id, random::bytes(), verifier, &audit).await;
        let refused = |why: &str| Err(Refusal::from(RefusalCode::CloudAuthenticationFailed).because(why));
        match enrolled.map_err(unavailable)? {
            Enrolled::As(address) => {
                let proof = kept.answer(message, address.as_str());
                // The device may have replaced another one, which must be disconnected.
                self.core.signals.ring();
                Ok((address, proof))
            }
            Enrolled::Used => refused("the enrollment token was used by another device"),
            Enrolled::Over => refused("the enrollment token has expired, or was revoked"),
            Enrolled::Unknown => Err(invalid()),
        }
    }
}

fn counted(field: &'static str, count: u32) -> Result<usize> {
    if (1..=MAX_COUNT).contains(&count) {
        Ok(usize::try_from(count).map_err(Error::internal)?)
    } else {
        Err(Error::invalid(field, format!("must be 1 to {MAX_COUNT}")))
    }
}

fn named(name: String) -> Result<Option<String>> {
    let name = device_name(name)?;
    if name.trim().is_empty() { Err(Error::invalid("names", "must not be empty")) } else { Ok(Some(name)) }
}

/// Parses the names of the groups that an address admits.
fn listed(groups: Vec<String>) -> Result<Vec<GroupName>> {
    use transom_model::cloud::Reach;
    let access = (!groups.is_empty()).then_some(DraftAccessControl { groups: Some(groups), addresses: None });
    let draft = Draft { actions: vec!["listen".to_owned()], groups: None, access };
    match draft.check().map_err(|fault| Error::invalid("allow_groups", fault))? {
        Reach::Listen { access: Some(access) } => Ok(access.groups),
        _ => Ok(Vec::new()),
    }
}
