//! Names of things. Each type can only be constructed well-formed; `ParseIdError` describes a
//! violation.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The reason why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct ParseIdError {
    pub(crate) what: &'static str,
    pub(crate) problem: &'static str,
}

/// Implements `Display`, `FromStr` plumbing and serde for an id that is text.
macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_id;

/// Declares an id that Transom issues: a UUID, written as 36 characters.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError { what: $what, problem: "is not a UUID" })
            }
        }
    };
}

uuid_id!(
    /// A project's id.
    ProjectId, "project id"
);
uuid_id!(
    /// The permanent identity of an instance, which outlives its name. Grants refer to it.
    InstanceUid, "instance uid"
);
uuid_id!(
    /// A grant's public id.
    GrantId, "grant id"
);
uuid_id!(
    /// A session's id.
    SessionId, "session id"
);
uuid_id!(
    /// An enrollment's id.
    EnrollmentId, "enrollment id"
);
uuid_id!(
    /// The id of one running `transom serve`.
    NodeId, "node id"
);

/// The id of one call, in the form of the dialect it came through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);
text_id!(RequestId);

/// The number of final digits that form a request id's short form. It is short enough to read out,
/// and collisions among the calls of one search are rarer than one in a million.
pub const SHORT_REQUEST_ID: usize = 8;

impl RequestId {
    /// The end of the id, which people can read out. The audit and a search in the log find a call
    /// by it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(SHORT_REQUEST_ID)..).unwrap_or(&self.0)
    }

    /// The same id with a different end.
    #[must_use]
    pub fn ending(self, end: [u8; SHORT_REQUEST_ID / 2]) -> Self {
        let whole = self.0.len().saturating_sub(SHORT_REQUEST_ID);
        let end = end.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("{}{end}", &self.0[..whole]))
    }

    /// An id for the native API and OpenStack: `req-` and a UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(format!("req-{uuid}"))
    }

    /// An id for Zenlayer: `T` and a UUID in capitals.
    #[must_use]
    pub fn in_capitals(uuid: Uuid) -> Self {
        Self(format!("T{:X}", uuid.hyphenated()))
    }
}

impl FromStr for RequestId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let well_formed = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !well_formed {
            return Err(ParseIdError {
                what: "request id",
                problem: "must be 1 to 64 visible ASCII characters",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// A request id, or its end, as people copy it from a response, a page or a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestWord {
    /// The whole id.
    Whole(RequestId),
    /// Its short form.
    End(String),
}

impl FromStr for RequestWord {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() == SHORT_REQUEST_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::End(text.to_owned()));
        }
        // `Uuid` also accepts other notations.
        let uuid = |text: &str| Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
        let native = text.strip_prefix("req-").and_then(uuid).map(RequestId::from_uuid);
        let zenlayers = || text.strip_prefix('T').and_then(uuid).map(RequestId::in_capitals);
        native.or_else(zenlayers).map(Self::Whole).ok_or(ParseIdError {
            what: "request id",
            problem: "must be req- or T and a UUID, or the last eight characters of one (0-9 a-f)",
        })
    }
}

impl fmt::Display for RequestWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(id) => id.fmt(f),
            Self::End(end) => f.write_str(end),
        }
    }
}

/// Returns whether a text is a name for command lines and paths: `[A-Za-z0-9._-]{1,64}`.
fn is_word(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// An instance's name as its owner chose it, unique in the project: `[A-Za-z0-9._-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(String);
text_id!(InstanceId);

impl InstanceId {
    /// An id for an instance that was created without one.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.to_string())
    }
}

impl FromStr for InstanceId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if !is_word(text) {
            return Err(ParseIdError {
                what: "instance id",
                problem: "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
            });
        }
        // URL normalization would remove `.` and `..` from a path.
        if matches!(text, "." | "..") {
            return Err(ParseIdError { what: "instance id", problem: "must not be . or .." });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of an import, which marks the instances that it adds: `[A-Za-z0-9._-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportName(String);
text_id!(ImportName);

impl FromStr for ImportName {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if !is_word(text) {
            return Err(ParseIdError {
                what: "import name",
                problem: "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_parsed_whole_or_by_its_end_and_a_mistyped_one_is_refused() {
        let uuid = "019a3f6e-8c1d-7b7e-9c1f-2f3a4b5c6d7e";
        for (text, whole) in [
            (format!("req-{uuid}"), format!("req-{uuid}")),
            (format!("req-{}", uuid.to_uppercase()), format!("req-{uuid}")),
            (format!("T{uuid}"), format!("T{}", uuid.to_uppercase())),
            ("4b5c6D7e".to_owned(), "4b5c6D7e".to_owned()),
        ] {
            assert_eq!(text.parse::<RequestWord>().map(|word| word.to_string()), Ok(whole), "{text}");
        }
        for bad in
            ["", "4b5c6d7", "4b5c6d7g", uuid, "req-019a3f6e", &format!("req-{}", uuid.replace('-', ""))]
        {
            assert!(bad.parse::<RequestWord>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_instance_id_follows_its_grammar() {
        for good in ["a", "web-1.example_2", &"x".repeat(64)] {
            assert_eq!(good.parse::<InstanceId>().map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<InstanceId>().is_err(), "{bad:?}");
        }
    }
}
