//! API tokens: valid for a while, for as long as their key is; and a look at a console's token that takes no use.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::grant::MadeWith;
use transom_model::secret::TokenDigest;
use transom_store::{NewApiToken, NewGrant, StoreError, TokenStanding};

use crate::lab::{Lab, TTL, digest, entry, new_grant, new_key, new_secret};

on_both_databases! {
    a_token_is_valid_until_it_expires,
    a_token_that_was_got_for_another_does_not_outlive_it,
    of_a_chain_that_grows_while_it_is_revoked_nothing_is_left,
    a_signature_is_noted_once_until_its_time_is_over,
    a_revoked_token_is_worth_nothing,
    a_revoked_key_has_no_tokens_and_gets_none,
    a_retired_secret_takes_every_token_with_it,
    what_is_made_while_its_proof_is_ended_ends_too,
    a_look_at_a_consoles_token_takes_no_use,
}

fn by(token: Option<TokenDigest>) -> MadeWith {
    MadeWith { token, secret: None }
}

async fn issue(lab: &Lab, key: &AccessKeyId, parent: Option<TokenDigest>) -> TokenDigest {
    let token = digest();
    let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: by(parent) };
    lab.store.create_token(new, &entry("token.create")).await.unwrap();
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

async fn a_token_that_was_got_for_another_does_not_outlive_it(lab: Lab) {
    let key = lab.key().await.id;
    let minute = Duration::from_secs(60);
    let (parent, entry) = (digest(), entry("token.create"));
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

/// Revoking and making children race: whoever is first, no token is left whose parent is revoked.
async fn of_a_chain_that_grows_while_it_is_revoked_nothing_is_left(lab: Lab) {
    let key = lab.key().await.id;
    for _ in 0..20 {
        let root = issue(&lab, &key, None).await;
        let leaf = issue(&lab, &key, Some(issue(&lab, &key, Some(root)).await)).await;
        let grow = async {
            let mut made = vec![leaf];
            loop {
                let (token, parent) = (digest(), made.last().copied());
                let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: by(parent) };
                if lab.store.create_token(new, &entry("token.create")).await.is_err() {
                    return made;
                }
                made.push(token);
            }
        };
        let revoke = async { lab.store.revoke_token(root, None, &entry("token.revoke")).await.unwrap() };
        let (made, revoked) = tokio::join!(grow, revoke);
        assert!(revoked);
        for token in made {
            assert!(!is_valid(&lab, token).await);
        }
    }
}

async fn a_signature_is_noted_once_until_its_time_is_over(lab: Lab) {
    let (keep, signature) = (Duration::from_secs(660), digest());
    assert!(lab.store.note_signature(signature, keep).await.unwrap());
    assert!(!lab.store.note_signature(signature, keep).await.unwrap());
    assert!(lab.store.note_signature(digest(), keep).await.unwrap());
    assert_eq!(lab.store.delete_old_signatures(9).await.unwrap(), 0);
    lab.advance_clock(keep).await;
    assert_eq!(lab.store.delete_old_signatures(1).await.unwrap(), 1);
    assert_eq!(lab.store.delete_old_signatures(9).await.unwrap(), 1);
}

async fn a_revoked_token_is_worth_nothing(lab: Lab) {
    let key = lab.key().await.id;
    let (token, other) = (issue(&lab, &key, None).await, issue(&lab, &key, None).await);
    assert!(lab.store.revoke_token(token, None, &entry("token.revoke")).await.unwrap());
    assert!(!lab.store.revoke_token(token, None, &entry("token.revoke")).await.unwrap());
    assert!(!is_valid(&lab, token).await);
    assert!(lab.store.was_token(token).await.unwrap(), "it was one of ours");
    assert!(is_valid(&lab, other).await);
}

async fn a_revoked_key_has_no_tokens_and_gets_none(lab: Lab) {
    let key = lab.key().await.id;
    let token = issue(&lab, &key, None).await;
    assert!(lab.store.revoke_key(None, &key, &entry("key.revoke")).await.unwrap());
    assert!(!is_valid(&lab, token).await);
    let new = NewApiToken { token: digest(), key, ttl: TTL, made_with: MadeWith::default() };
    let refused = lab.store.create_token(new, &entry("token.create")).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
}

async fn a_retired_secret_takes_every_token_with_it(lab: Lab) {
    let key = lab.key().await.id;
    let token = issue(&lab, &key, None).await;
    lab.store.add_key_secret(None, &key, new_secret(b"second"), &entry("key.rotate")).await.unwrap();
    assert!(is_valid(&lab, token).await);
    lab.store.retire_key_secret(None, &key, &entry("key.retire")).await.unwrap();
    assert!(!is_valid(&lab, token).await);
}

async fn a_look_at_a_consoles_token_takes_no_use(lab: Lab) {
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

/// Making grants and ending what they are made with race: whoever is first, no grant is left of a proof that is worth nothing.
async fn what_is_made_while_its_proof_is_ended_ends_too(lab: Lab) {
    for secret_is_retired in [false, true] {
        for _ in 0..10 {
            let new = new_key(lab.project.id);
            let (key, secret) = (new.id.clone(), new.secret.id);
            lab.store.create_key(new, &entry("key.create")).await.unwrap();
            lab.store.add_key_secret(None, &key, new_secret(b"second"), &entry("key.rotate")).await.unwrap();
            let with_secret = MadeWith { token: None, secret: Some(secret) };
            let token = digest();
            let new = NewApiToken { token, key: key.clone(), ttl: TTL, made_with: with_secret };
            lab.store.create_token(new, &entry("token.create")).await.unwrap();
            let with_token = MadeWith { token: Some(token), secret: Some(secret) };
            let make = async |made_with: MadeWith| {
                let mut made = Vec::new();
                loop {
                    let new = NewGrant { made_with, ..new_grant(&lab.instance, None, Some(key.clone())) };
                    match lab.store.create_grant(new, &entry("grant.create")).await {
                        Ok(grant) => made.push(grant.id),
                        Err(StoreError::ProofGone) => return made,
                        Err(error) => panic!("{error}"),
                    }
                }
            };
            let end = async {
                match secret_is_retired {
                    true => lab.store.retire_key_secret(None, &key, &entry("key.retire")).await.map(drop),
                    false => lab.store.revoke_token(token, None, &entry("token.revoke")).await.map(drop),
                }
            };
            let by_secret = async { if secret_is_retired { make(with_secret).await } else { Vec::new() } };
            let (by_token, by_secret, ended) = tokio::join!(make(with_token), by_secret, end);
            ended.unwrap();
            for grant in by_token.into_iter().chain(by_secret) {
                let grant = lab.store.grant(None, grant).await.unwrap().unwrap();
                assert!(grant.revoked_at.is_some(), "{:?}", grant.made_with);
            }
        }
    }
}
