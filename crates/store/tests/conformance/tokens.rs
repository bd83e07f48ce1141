//! API tokens, whose validity depends on their expiry and their key, and lookups of console tokens
//! that take no use.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::api_token::ApiTokenId;
use transom_model::audit_action::AuditAction;
use transom_model::grant::MadeWith;
use transom_model::secret::TokenDigest;
use transom_store::{Ground, NewApiToken, NewGrant, Page, StoreError, Tally, TokenStanding};

use crate::lab::{Lab, TTL, digest, entry, new_grant, new_key, new_secret};

on_both_databases! {
    a_token_is_valid_until_it_expires,
    a_token_does_not_outlive_the_token_it_was_obtained_with,
    a_chain_of_tokens_that_grows_during_its_revocation_is_revoked_completely,
    a_signature_is_accepted_once_until_it_expires,
    a_revoked_token_is_invalid,
    a_revoked_key_has_no_tokens_and_gets_none,
    retiring_a_secret_revokes_every_token_obtained_with_it,
    grants_created_during_the_revocation_of_their_proof_end_too,
    looking_up_a_console_token_takes_no_use,
    tokens_are_listed_in_pages_and_found_by_their_ids,
    what_stands_on_a_proof_is_counted,
}

fn by(token: Option<TokenDigest>) -> MadeWith {
    MadeWith { token, secret: None }
}

async fn issue(lab: &Lab, key: &AccessKeyId, parent: Option<TokenDigest>) -> TokenDigest {
    let token = digest();
    let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: by(parent) };
    lab.store.create_token(new, &entry(AuditAction::TokenCreate)).await.unwrap();
    token
}

async fn is_valid(lab: &Lab, token: TokenDigest) -> bool {
    lab.store.token(token).await.unwrap().is_some()
}

async fn a_token_is_valid_until_it_expires(lab: Lab) {
    let key = lab.key().await;
    let token = issue(&lab, &key.id, None).await;
    assert_eq!(lab.store.token(token).await.unwrap().unwrap().key, key);
    assert!(!is_valid(&lab, digest()).await);
    assert_eq!(lab.store.delete_expired_tokens(Duration::ZERO, 9).await.unwrap(), 0);
    lab.advance_clock(TTL).await;
    assert!(!is_valid(&lab, token).await);
    let minute = Duration::from_secs(60);
    assert_eq!(lab.store.delete_expired_tokens(minute, 9).await.unwrap(), 0, "it is known for a while yet");
    assert!(lab.store.was_token(token).await.unwrap());
    lab.advance_clock(minute).await;
    assert_eq!(lab.store.delete_expired_tokens(minute, 9).await.unwrap(), 1);
    assert!(!lab.store.was_token(token).await.unwrap());
}

async fn a_token_does_not_outlive_the_token_it_was_obtained_with(lab: Lab) {
    let key = lab.key().await.id;
    let minute = Duration::from_secs(60);
    let (parent, entry) = (digest(), entry(AuditAction::TokenCreate));
    let new = NewApiToken { token: parent, key: key.clone(), ttl: minute, made_with: MadeWith::default() };
    let soon = lab.store.create_token(new, &entry).await.unwrap().expires_at;
    let token = issue(&lab, &key, Some(parent)).await;
    let child = issue(&lab, &key, Some(token)).await;
    assert_eq!(lab.store.token(child).await.unwrap().unwrap().expires_at, soon);
    lab.advance_clock(minute).await;
    assert!(!is_valid(&lab, token).await && !is_valid(&lab, child).await);
    let new = NewApiToken { token: digest(), key, ttl: TTL, made_with: by(Some(child)) };
    let refused = lab.store.create_token(new, &entry).await;
    assert!(matches!(refused, Err(StoreError::ProofGone)), "{refused:?}");
}

/// Revocations race with the creation of children. In either order, no token remains whose parent
/// is revoked.
async fn a_chain_of_tokens_that_grows_during_its_revocation_is_revoked_completely(lab: Lab) {
    let key = lab.key().await.id;
    for _ in 0..20 {
        let root = issue(&lab, &key, None).await;
        let leaf = issue(&lab, &key, Some(issue(&lab, &key, Some(root)).await)).await;
        let grow = async {
            let mut made = vec![leaf];
            loop {
                let (token, parent) = (digest(), made.last().copied());
                let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: by(parent) };
                if lab.store.create_token(new, &entry(AuditAction::TokenCreate)).await.is_err() {
                    return made;
                }
                made.push(token);
            }
        };
        let revoke =
            async { lab.store.revoke_token(root, None, &entry(AuditAction::TokenRevoke)).await.unwrap() };
        let (made, revoked) = tokio::join!(grow, revoke);
        assert!(revoked);
        for token in made {
            assert!(!is_valid(&lab, token).await);
        }
    }
}

async fn a_signature_is_accepted_once_until_it_expires(lab: Lab) {
    let (keep, signature) = (Duration::from_secs(660), digest());
    assert!(lab.store.note_signature(signature, keep).await.unwrap());
    assert!(!lab.store.note_signature(signature, keep).await.unwrap());
    assert!(lab.store.note_signature(digest(), keep).await.unwrap());
    assert_eq!(lab.store.delete_old_signatures(9).await.unwrap(), 0);
    lab.advance_clock(keep).await;
    assert_eq!(lab.store.delete_old_signatures(1).await.unwrap(), 1);
    assert_eq!(lab.store.delete_old_signatures(9).await.unwrap(), 1);
}

async fn a_revoked_token_is_invalid(lab: Lab) {
    let key = lab.key().await.id;
    let (token, other) = (issue(&lab, &key, None).await, issue(&lab, &key, None).await);
    assert!(lab.store.revoke_token(token, None, &entry(AuditAction::TokenRevoke)).await.unwrap());
    assert!(!lab.store.revoke_token(token, None, &entry(AuditAction::TokenRevoke)).await.unwrap());
    assert!(!is_valid(&lab, token).await);
    assert!(lab.store.was_token(token).await.unwrap(), "it was one of ours");
    assert!(is_valid(&lab, other).await);
}

async fn a_revoked_key_has_no_tokens_and_gets_none(lab: Lab) {
    let key = lab.key().await.id;
    let token = issue(&lab, &key, None).await;
    assert!(lab.store.revoke_key(None, &key, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert!(!is_valid(&lab, token).await);
    let new = NewApiToken { token: digest(), key, ttl: TTL, made_with: MadeWith::default() };
    let refused = lab.store.create_token(new, &entry(AuditAction::TokenCreate)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
}

async fn retiring_a_secret_revokes_every_token_obtained_with_it(lab: Lab) {
    let key = lab.key().await.id;
    let token = issue(&lab, &key, None).await;
    lab.store
        .add_key_secret(None, &key, new_secret(b"second"), &entry(AuditAction::KeyRotate))
        .await
        .unwrap();
    assert!(is_valid(&lab, token).await);
    lab.store.retire_key_secret(None, &key, &entry(AuditAction::KeyRetire)).await.unwrap();
    assert!(!is_valid(&lab, token).await);
}

async fn looking_up_a_console_token_takes_no_use(lab: Lab) {
    let (grant, token) = lab.grant(Some(1)).await;
    for _ in 0..2 {
        let TokenStanding::Stands(found) = lab.store.token_standing(token).await.unwrap() else {
            panic!("it stands");
        };
        assert_eq!((&found.grant, found.instance.as_ref()), (&grant, Some(&lab.instance)));
    }
    lab.reserve(token).await;
    let refused = async |token| match lab.store.token_standing(token).await.unwrap() {
        TokenStanding::Stands(_) => None,
        TokenStanding::Refused { reason, .. } => Some(reason),
    };
    assert_eq!(refused(token).await, Some(EndReason::TokenSpent));
    assert_eq!(refused(digest()).await, Some(EndReason::TokenUnknown));
    lab.advance_clock(TTL).await;
    assert_eq!(refused(token).await, Some(EndReason::TokenExpired));
}

/// Creations of grants race with the revocation of their proofs. In either order, no grant of a
/// revoked proof remains.
async fn grants_created_during_the_revocation_of_their_proof_end_too(lab: Lab) {
    for secret_is_retired in [false, true] {
        for _ in 0..10 {
            let new = new_key(lab.project.id);
            let (key, secret) = (new.id.clone(), new.secret.id);
            lab.store.create_key(new, &entry(AuditAction::KeyCreate)).await.unwrap();
            lab.store
                .add_key_secret(None, &key, new_secret(b"second"), &entry(AuditAction::KeyRotate))
                .await
                .unwrap();
            let with_secret = MadeWith { token: None, secret: Some(secret) };
            let token = digest();
            let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: with_secret };
            lab.store.create_token(new, &entry(AuditAction::TokenCreate)).await.unwrap();
            let with_token = MadeWith { token: Some(token), secret: Some(secret) };
            let make = async |made_with: MadeWith| {
                let mut made = Vec::new();
                loop {
                    let new = NewGrant { made_with, ..new_grant(&lab.instance, None, Some(key.clone())) };
                    match lab.store.create_grant(new, &entry(AuditAction::LinkCreate)).await {
                        Ok(grant) => made.push(grant.id),
                        Err(StoreError::ProofGone) => return made,
                        Err(error) => panic!("{error}"),
                    }
                }
            };
            let end = async {
                match secret_is_retired {
                    true => lab
                        .store
                        .retire_key_secret(None, &key, &entry(AuditAction::KeyRetire))
                        .await
                        .map(drop),
                    false => {
                        lab.store.revoke_token(token, None, &entry(AuditAction::TokenRevoke)).await.map(drop)
                    }
                }
            };
            let by_secret = async { if secret_is_retired { make(with_secret).await } else { Vec::new() } };
            let (by_token, by_secret, ended) = tokio::join!(make(with_token), by_secret, end);
            ended.unwrap();
            for grant in by_token.into_iter().chain(by_secret) {
                let grant = lab.store.grant(None, grant).await.unwrap().unwrap().grant;
                assert!(grant.revoked_at.is_some(), "{:?}", grant.made_with);
            }
        }
    }
}

async fn tokens_are_listed_in_pages_and_found_by_their_ids(lab: Lab) {
    let (key, other) = (lab.key().await.id, lab.key().await.id);
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(issue(&lab, &key, None).await);
    }
    tokens.sort_by_key(|token| token.0);
    issue(&lab, &other, None).await;
    let gone = issue(&lab, &key, None).await;
    assert!(lab.store.revoke_token(gone, None, &entry(AuditAction::TokenRevoke)).await.unwrap());
    let listed = async |page| {
        let tokens = lab.store.tokens(Some(lab.project.id), Some(&key), page).await.unwrap();
        tokens.into_iter().map(|token| token.digest).collect::<Vec<_>>()
    };
    let first = listed(Page::first(3)).await;
    let rest = listed(Page::after(ApiTokenId::of(first[2]), 3)).await;
    assert_eq!([first, rest].concat(), tokens);
    assert_eq!(listed(Page::after("no id", 3)).await, []);
    assert_eq!(lab.store.tokens(None, None, Page::first(9)).await.unwrap().len(), 6);
    let stranger = crate::lab::project(&lab.store, "stranger").await.id;
    assert_eq!(lab.store.tokens(Some(stranger), None, Page::first(9)).await.unwrap(), []);

    let id = ApiTokenId::of(tokens[0]);
    let found = lab.store.token_by_id(Some(lab.project.id), id).await.unwrap().unwrap();
    assert_eq!((found.digest, found.last_used_at), (tokens[0], None));
    assert_eq!(lab.store.token_by_id(Some(stranger), id).await.unwrap(), None);
    assert_eq!(lab.store.token_by_id(None, ApiTokenId::of(gone)).await.unwrap(), None);
    lab.store.note_token_uses(vec![tokens[0], digest()]).await.unwrap();
    let used = lab.store.token_by_id(None, id).await.unwrap().unwrap();
    assert!(used.last_used_at.is_some_and(|at| at >= used.created_at), "{used:?}");
}

async fn what_stands_on_a_proof_is_counted(lab: Lab) {
    let new = new_key(lab.project.id);
    let (key, secret) = (new.id.clone(), new.secret.id);
    lab.store.create_key(new, &entry(AuditAction::KeyCreate)).await.unwrap();
    let with = |token| MadeWith { token, secret: Some(secret) };
    let issue = async |parent| {
        let token = digest();
        let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: with(parent) };
        lab.store.create_token(new, &entry(AuditAction::TokenCreate)).await.unwrap();
        token
    };
    let root = issue(None).await;
    let child = issue(Some(root)).await;
    let mut links = Vec::new();
    for made_with in [with(Some(child)), with(Some(root)), with(None), MadeWith::default()] {
        let new = NewGrant { made_with, ..new_grant(&lab.instance, Some(1), Some(key.clone())) };
        links.push(new.token);
        lab.store.create_grant(new, &entry(AuditAction::LinkCreate)).await.unwrap();
    }
    // A link without uses left is live as long as its session.
    let session = lab.reserve(links[0]).await.hold;
    let counted = async |ground| {
        let Tally { links, sessions } = lab.store.tally(ground).await.unwrap();
        (links, sessions)
    };
    assert_eq!(counted(Ground::Token(child)).await, (1, 1));
    assert_eq!(counted(Ground::Token(root)).await, (2, 1));
    assert_eq!(counted(Ground::Secret(&key, secret)).await, (4, 1), "of the last nobody knows the secret");
    assert_eq!(counted(Ground::Key(&key)).await, (4, 1));
    assert_eq!(counted(Ground::Instance(lab.instance.uid)).await, (4, 1));
    lab.end(session, EndReason::ViewerClosed).await;
    assert_eq!(counted(Ground::Token(child)).await, (0, 0));
    assert!(lab.store.revoke_key(None, &key, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert_eq!(counted(Ground::Key(&key)).await, (0, 0));
}
