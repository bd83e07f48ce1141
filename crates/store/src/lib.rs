//! The durable state: one [`Store`] over SQLite and PostgreSQL.
//!
//! Every operation is one transaction, and its acknowledged effects survive `kill -9` and power
//! loss. Every operation that changes something takes an
//! [`AuditEntry`](transom_model::audit::AuditEntry) that describes the change, and writes it in the
//! same transaction. The database's clock, never a node's, determines expiry.
//!
//! Every operation has a deadline ([`OPERATION_DEADLINE`]) and returns [`StoreError::Unavailable`]
//! when it passes. A change whose response is lost this way may have happened.

mod access_key;
mod api_token;
mod audit;
mod cloud;
mod database;
mod error;
mod foreign;
mod grant;
mod import;
mod instance;
mod instance_query;
mod metadata;
mod node;
mod page;
mod project;
mod proof;
mod retention;
mod revision;
mod session;
mod setting;
mod signature;
mod store;
mod tally;
mod url;

pub use access_key::{KeySecret, NewAccessKey, NewKeySecret};
pub use api_token::NewApiToken;
pub use audit::{AuditQuery, AuditStart, SessionOrigin};
pub use cloud::{
    AddressChange, AddressQuery, Enrolled, Guarded, Joined, Joining, NewAddress, NewEnrollment,
    NewEnrollments, NewViewerId, Precondition, PresenceQuery, Scope,
};
pub use database::SchemaPlan;
pub use error::{Cause, Refused, Result, StoreError};
pub use foreign::ForeignGrant;
pub use grant::{NewGrant, Standing, TokenStanding};
pub use import::Import;
pub use instance::{Change, InstanceChange, NewInstance};
pub use instance_query::{FoundInstances, InstanceQuery, NameMatch};
pub use metadata::{MetadataChange, Noted};
pub use node::{Earlier, Node, NodeState, Pulse};
pub use page::Page;
pub use retention::{Deleted, Retention};
pub use session::{
    Commit, ConsoleTarget, Ending, Hold, NewResumeTicket, NewSession, Reservation, ResumeTicketOutcome,
    Swept, ToEnd, Traffic,
};
pub use store::{CountEnd, OPERATION_DEADLINE, Store};
pub use tally::{Ground, Tally};
pub use url::{DatabaseUrl, ParseDatabaseUrlError};
