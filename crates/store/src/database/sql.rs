//! A statement and its bound values, for either database.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use transom_model::access_key::{AccessKeyId, Role};
use transom_model::audit::Actor;
use transom_model::cloud::{Action, CloudAddress, PresenceState};
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::endpoint::Endpoint;
use transom_model::id::{
    EnrollmentId, GrantId, ImportName, InstanceId, InstanceUid, NodeId, ProjectId, RequestId, SessionId,
};
use transom_model::instance::{InstanceStatus, Sealed};
use transom_model::project::ProjectName;
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;
use transom_model::time::micros;
use transom_model::{EndReason, Timestamp};
use uuid::Uuid;

/// A statement. Its text consists only of literals in this program; every other value is bound.
#[derive(Clone)]
pub(crate) struct Sql {
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

/// Starts a statement.
pub(crate) fn sql(text: &'static str) -> Sql {
    Sql { text: Cow::Borrowed(text), values: Vec::new() }
}

impl Sql {
    /// Binds a value to the next `$n` of the text.
    pub(crate) fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        self
    }

    /// Appends text.
    pub(crate) fn push(mut self, text: &'static str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Appends text and a value: `.push_value(" AND project_id = ", id)`.
    pub(crate) fn push_value(mut self, text: &'static str, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        let number = self.values.len();
        let text_so_far = self.text.to_mut();
        text_so_far.push_str(text);
        // Writing to a `String` cannot fail.
        let _ = write!(text_so_far, "${number}");
        self
    }

    /// Appends text and a value if the value is `Some`.
    pub(crate) fn push_some(self, text: &'static str, value: Option<impl Bind>) -> Self {
        match value {
            Some(value) => self.push_value(text, value),
            None => self,
        }
    }
}

/// A bound value: BIGINT, TEXT, bytes or BOOLEAN.
#[derive(Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Bool(Option<bool>),
}

/// A type whose values can be bound.
pub(crate) trait Bind {
    fn into_value(self) -> Value;
    /// A NULL of this type. PostgreSQL requires the type.
    fn null() -> Value;
}

macro_rules! binds {
    ($variant:ident: $($type:ty, $value:ident => $into:expr;)+) => {$(
        impl Bind for $type {
            fn into_value(self) -> Value {
                let $value = self;
                Value::$variant(Some($into))
            }
            fn null() -> Value {
                Value::$variant(None)
            }
        }
    )+};
}

binds! { Int:
    i64, value => value;
    u32, value => i64::from(value);
    // Byte counts stay below 8 EiB.
    u64, value => i64::try_from(value).unwrap_or(i64::MAX);
    Timestamp, value => value.0;
    Duration, value => micros(value);
}

binds! { Text:
    &str, value => storable(value);
    String, value => storable(&value);
    Uuid, value => value.to_string();
    ProjectId, value => value.to_string();
    InstanceUid, value => value.to_string();
    GrantId, value => value.to_string();
    SessionId, value => value.to_string();
    NodeId, value => value.to_string();
    EnrollmentId, value => value.to_string();
    &AccessKeyId, value => value.to_string();
    &InstanceId, value => value.to_string();
    &ImportName, value => value.to_string();
    &RequestId, value => value.to_string();
    &ProjectName, value => value.to_string();
    &Endpoint, value => value.to_string();
    &Actor, value => value.to_string();
    &CloudAddress, value => value.to_string();
    IpAddr, value => value.to_string();
    Action, value => value.as_str().to_owned();
    PresenceState, value => value.as_str().to_owned();
    Role, value => value.as_str().to_owned();
    Dialect, value => value.as_str().to_owned();
    ConsoleKind, value => value.as_str().to_owned();
    InstanceStatus, value => value.as_str().to_owned();
    SessionState, value => value.as_str().to_owned();
    EndReason, value => value.code().to_owned();
}

binds! { Bytes:
    &[u8], value => value.to_owned();
    TokenDigest, value => value.0.to_vec();
    &Sealed, value => value.0.clone();
}

binds! { Bool:
    bool, value => value;
}

impl<T: Bind> Bind for Option<T> {
    fn into_value(self) -> Value {
        self.map_or_else(T::null, T::into_value)
    }
    fn null() -> Value {
        T::null()
    }
}

/// Replaces NUL, the one character that PostgreSQL cannot store. A VNC server's messages may
/// contain it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
