//! Transom's vocabulary as types: ids, statuses, grants, end reasons, policy and the native API's
//! bodies.
//!
//! This crate performs no I/O and reads no clock: its callers pass in random bytes and times. Raw
//! strings stay at the edge of the system, because an [`id::InstanceId`] or an
//! [`endpoint::Endpoint`] exists only well-formed.

pub mod access_key;
pub mod api;
pub mod api_token;
pub mod audit;
pub mod audit_action;
pub mod cloud;
pub mod console_kind;
pub mod dial_step;
pub mod dialect;
pub mod end_reason;
pub mod endpoint;
pub mod grant;
pub mod id;
pub mod instance;
pub mod member;
pub mod metadata;
pub mod name;
pub mod project;
pub mod request_headers;
#[cfg(feature = "openapi")]
pub mod schema;
pub mod secret;
pub mod session;
pub mod time;
mod words;

pub use end_reason::EndReason;
pub use time::Timestamp;
