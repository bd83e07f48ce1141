//! Names of things. Each can only be made well-formed; `ParseIdError` says what was wrong.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct ParseIdError {
    pub(crate) what: &'static str,
    pub(crate) problem: &'static str,
}

/// The plumbing that every text id shares: display, parse, serde.
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

/// An id of our own making: a UUID, written as 36 characters.
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
    /// What stays of an instance when its name is given to another: grants hold to this.
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
    /// An enrolment's id.
    EnrolmentId, "enrolment id"
);
uuid_id!(
    /// One running `transom serve`.
    NodeId, "node id"
);

/// The id of one call, in the form of the dialect it came through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);
text_id!(RequestId);

/// So many digits at the end of a request id are its short form: few enough to be read out, and not two calls in a million
/// that are looked for together have the same.
pub const SHORT_REQUEST_ID: usize = 8;

impl RequestId {
    /// The end of the id, which people read out: the audit finds it by that, and so does a search in the log.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(SHORT_REQUEST_ID)..).unwrap_or(&self.0)
    }

    /// The same id with another end.
    #[must_use]
    pub fn ending(self, end: [u8; SHORT_REQUEST_ID / 2]) -> Self {
        let whole = self.0.len().saturating_sub(SHORT_REQUEST_ID);
        let end = end.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("{}{end}", &self.0[..whole]))
    }

    /// `req-` and a UUID: the native API's and OpenStack's form.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(format!("req-{uuid}"))
    }

    /// `T` and a UUID in capitals: Zenlayer's form.
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

/// The owner's name of an instance, unique in its project: `[A-Za-z0-9._-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(String);
text_id!(InstanceId);

impl InstanceId {
    /// The id of an instance that was given none.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.to_string())
    }
}

impl FromStr for InstanceId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(ParseIdError {
                what: "instance id",
                problem: "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
            });
        }
        // `.` and `..` would vanish from a URL's path.
        if matches!(text, "." | "..") {
            return Err(ParseIdError { what: "instance id", problem: "must not be . or .." });
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_holds_to_its_grammar() {
        for good in ["a", "web-1.example_2", &"x".repeat(64)] {
            assert_eq!(good.parse::<InstanceId>().map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<InstanceId>().is_err(), "{bad:?}");
        }
    }
}
