//! API tokens: temporary credentials that every front door accepts instead of an access key.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Timestamp;
use crate::access_key::AccessKey;
use crate::id::ParseIdError;
use crate::secret::TokenDigest;
use uuid::Uuid;

/// The maximum lifetime of an API token.
pub const MAX_TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// A valid token's record, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The digest by which the store identifies it.
    pub digest: TokenDigest,
    /// The current record of the access key that the token stands for.
    pub key: AccessKey,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of expiry.
    pub expires_at: Timestamp,
    /// The latest use. `None` for a token that was never used, or not since uses are recorded.
    pub last_used_at: Option<Timestamp>,
    /// The access key's secret that authenticated the first token of the chain from which this one
    /// was obtained. `None` when the chain began with another proof.
    pub secret: Option<Uuid>,
}

impl ApiToken {
    /// Its public id.
    #[must_use]
    pub fn id(&self) -> ApiTokenId {
        ApiTokenId::of(self.digest)
    }
}

/// A token's public id: the first half of its digest. The id grants no access, and it can be
/// derived from the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiTokenId([u8; 16]);

impl ApiTokenId {
    /// The id of the token with this digest.
    #[must_use]
    pub fn of(digest: TokenDigest) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = digest.0;
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The least and the greatest digest of a token with this id.
    #[must_use]
    pub fn digests(self) -> [TokenDigest; 2] {
        [0x00, 0xff].map(|rest| {
            let mut digest = [rest; 32];
            digest[..16].copy_from_slice(&self.0);
            TokenDigest(digest)
        })
    }
}

impl fmt::Display for ApiTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ApiTokenId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError { what: "token id", problem: "must be 32 hexadecimal digits" };
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_derived_from_its_token_and_finds_its_digest() {
        let digest = TokenDigest::of("a token");
        let id = ApiTokenId::of(digest);
        assert_eq!(id.to_string().parse(), Ok(id));
        let [least, greatest] = id.digests();
        assert!(least.0 < digest.0 && digest.0 < greatest.0);
        for bad in ["", "0", &"g".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            assert!(bad.parse::<ApiTokenId>().is_err(), "{bad}");
        }
    }
}
