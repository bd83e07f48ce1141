//! Access keys: a project's credentials and the rights of their holder.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::Timestamp;
use crate::id::{ParseIdError, ProjectId, text_id};

/// `tak`, 22 base58 characters, and 4 base58 characters of checksum, which tells a typo from an
/// unknown key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(String);
text_id!(AccessKeyId);

const PREFIX: &str = "tak";
const BODY: usize = 22;
const CHECKSUM: usize = 4;
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

impl AccessKeyId {
    /// A new id from 22 random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; BODY]) -> Self {
        let mut text = String::from(PREFIX);
        text.extend(bytes.map(base58));
        text.push_str(&checksum(&text));
        Self(text)
    }

    /// Returns whether a text has the form of an id. The checksum is not verified.
    #[must_use]
    pub fn has_form(text: &str) -> bool {
        let rest = text.strip_prefix(PREFIX).filter(|rest| rest.len() == BODY + CHECKSUM);
        rest.is_some_and(|rest| rest.bytes().all(|byte| ALPHABET.contains(&byte)))
    }
}

impl FromStr for AccessKeyId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = |problem| ParseIdError { what: "access key id", problem };
        if !text.starts_with(PREFIX) {
            return Err(wrong("must begin with tak"));
        }
        if !Self::has_form(text) {
            return Err(wrong("must be tak and 26 base58 characters"));
        }
        let (body, given) = text.split_at(PREFIX.len() + BODY);
        if checksum(body) != given {
            return Err(wrong("has a typo: its checksum does not match"));
        }
        Ok(Self(text.to_owned()))
    }
}

pub(crate) fn base58(byte: u8) -> char {
    char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])
}

fn checksum(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(CHECKSUM).map(|byte| base58(*byte)).collect()
}

/// The rights of an access key's holder within its project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// May read.
    Reader,
    /// May also open consoles and manage addresses.
    Member,
    /// May also manage the project.
    Admin,
}

impl Role {
    /// Every role, from the weakest to the strongest.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Member, Self::Admin];

    /// The role's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(ParseIdError { what: "role", problem: "must be reader, member or admin" })
    }
}

/// An access key without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its public id.
    pub id: AccessKeyId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The display name.
    pub name: String,
    /// The rights of its holder.
    pub role: Role,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of revocation; `None` while the key is valid.
    pub revoked_at: Option<Timestamp>,
    /// The number of valid secrets: one, or two during a rotation.
    pub active_secrets: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_in_a_key_id_is_reported_as_a_typo() {
        let id = AccessKeyId::from_random([7; 22]);
        assert_eq!(id.as_str().len(), 29);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        let typo = id.as_str().replacen('8', "9", 1);
        let error = typo.parse::<AccessKeyId>().expect_err("a typo");
        assert_eq!(error.to_string(), "access key id has a typo: its checksum does not match");
    }
}
