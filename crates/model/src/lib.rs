//! Transom's words as types: ids, statuses, grants, end reasons, policy and the native API's bodies.
//!
//! Nothing here does I/O or reads a clock: random bytes and times are passed in. After the edge of the system
//! there are no raw strings; an [`id::InstanceId`] or an [`endpoint::Endpoint`] can only exist well-formed.

pub mod access_key;
pub mod api;
pub mod api_token;
pub mod audit;
pub mod cloud;
pub mod end_reason;
pub mod endpoint;
pub mod grant;
pub mod id;
pub mod instance;
pub mod member;
pub mod name;
pub mod project;
#[cfg(feature = "openapi")]
pub mod schema;
pub mod secret;
pub mod session;
pub mod time;

pub use end_reason::EndReason;
pub use time::Timestamp;
