//! API tokens: valid for a while, for as long as their key is; and a look at a console's token that takes no use.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::Timestamp;
use transom_model::access_key::AccessKeyId;
use transom_model::secret::TokenDigest;
use transom_store::{NewApiToken, StoreError, TokenStanding};

use crate::lab::{Lab, TTL, digest, entry, new_secret};

on_both_databases! {
    a_token_is_valid_until_it_expires,
    a_token_that_was_got_for_another_does_not_outlive_it,
    a_revoked_token_is_worth_nothing,
    a_revoked_key_has_no_tokens_and_gets_none,
    a_retired_secret_takes_every_token_with_it,
    a_look_at_a_consoles_token_takes_no_use,
}

async fn issue(lab: &Lab, key: &AccessKeyId, no_later_than: Option<Timestamp>) -> TokenDigest {
    let token = digest();
    let new = NewApiToken { token, key: key.clone(), ttl: TTL, no_later_than };
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
    let soon = lab.store.now().await.unwrap().plus(Duration::from_secs(60));
    let token = issue(&lab, &key, Some(soon)).await;
    assert_eq!(lab.store.token(token).await.unwrap().unwrap().expires_at, soon);
    lab.advance_clock(Duration::from_secs(61)).await;
    assert!(!is_valid(&lab, token).await);
}

async fn a_revoked_token_is_worth_nothing(lab: Lab) {
    let key = lab.key().await.id;
    let (token, other) = (issue(&lab, &key, None).await, issue(&lab, &key, None).await);
    assert!(lab.store.revoke_token(token, &entry("token.revoke")).await.unwrap());
    assert!(!lab.store.revoke_token(token, &entry("token.revoke")).await.unwrap());
    assert!(!is_valid(&lab, token).await);
    assert!(lab.store.was_token(token).await.unwrap(), "it was one of ours");
    assert!(is_valid(&lab, other).await);
}

async fn a_revoked_key_has_no_tokens_and_gets_none(lab: Lab) {
    let key = lab.key().await.id;
    let token = issue(&lab, &key, None).await;
    assert!(lab.store.revoke_key(None, &key, &entry("key.revoke")).await.unwrap());
    assert!(!is_valid(&lab, token).await);
    let new = NewApiToken { token: digest(), key, ttl: TTL, no_later_than: None };
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
