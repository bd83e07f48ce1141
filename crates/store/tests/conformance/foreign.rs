//! Grants for consoles of another cloud: one for each of its tokens, without an instance.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::id::GrantId;
use transom_model::instance::Sealed;
use transom_model::secret::TokenDigest;
use transom_store::{Commit, ForeignGrant, Reservation};
use uuid::Uuid;

use crate::lab::{Lab, accepted, digest, entry, request};

on_both_databases! {
    a_foreign_console_opens_without_an_instance_and_resumes,
    presenting_a_foreign_token_again_extends_its_grant,
    a_revoked_foreign_grant_stays_revoked_when_its_token_is_presented_again,
}

fn foreign(lab: &Lab, token: TokenDigest) -> ForeignGrant {
    ForeignGrant {
        id: GrantId(Uuid::now_v7()),
        token,
        sealed: Sealed(b"sealed token".to_vec()),
        project: lab.project.id,
        dialect: Dialect::Openstack,
        kind: ConsoleKind::Websocket,
        instance: "7c8b".parse().unwrap(),
        request: request(),
        ttl: Duration::from_secs(60),
    }
}

async fn a_foreign_console_opens_without_an_instance_and_resumes(lab: Lab) {
    let token = digest();
    assert!(lab.store.adopt_grant(foreign(&lab, token), &entry(AuditAction::LinkCreate)).await.unwrap());
    let (target, ticket) = lab.reserve_with_ticket(token).await;
    assert_eq!(target.instance, None);
    assert_eq!(target.grant.foreign, Some(Sealed(b"sealed token".to_vec())));
    let target = accepted(lab.present(ticket).await);
    assert_eq!((target.instance, target.grant.instance.as_str()), (None, "7c8b"));
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
    let ended = lab.store.to_end(lab.node).await.unwrap();
    assert!(ended.is_empty(), "{ended:?}");
    let (outcome, _) = lab.rotate(ticket).await;
    assert_eq!(accepted(outcome).instance, None);
}

async fn presenting_a_foreign_token_again_extends_its_grant(lab: Lab) {
    let token = digest();
    let first = foreign(&lab, token);
    assert!(lab.store.adopt_grant(first.clone(), &entry(AuditAction::LinkCreate)).await.unwrap());
    lab.advance_clock(Duration::from_secs(100)).await;
    let Reservation::Refused { reason, .. } = lab.try_reserve(token).await else { panic!("it has expired") };
    assert_eq!(reason, EndReason::TokenExpired);
    assert!(!lab.store.adopt_grant(foreign(&lab, token), &entry(AuditAction::LinkCreate)).await.unwrap());
    assert_eq!(lab.reserve(token).await.grant.id, first.id);
}

async fn a_revoked_foreign_grant_stays_revoked_when_its_token_is_presented_again(lab: Lab) {
    let token = digest();
    let grant = foreign(&lab, token);
    lab.store.adopt_grant(grant.clone(), &entry(AuditAction::LinkCreate)).await.unwrap();
    let live = lab.reserve(token).await;
    assert_eq!(lab.commit(live.hold).await, Commit::Live);
    assert!(lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap());
    assert_eq!(lab.store.to_end(lab.node).await.unwrap()[0].reason, EndReason::LinkRevoked);
    lab.store.adopt_grant(foreign(&lab, token), &entry(AuditAction::LinkCreate)).await.unwrap();
    let Reservation::Refused { reason, .. } = lab.try_reserve(token).await else { panic!("it was revoked") };
    assert_eq!(reason, EndReason::LinkRevoked);
}
