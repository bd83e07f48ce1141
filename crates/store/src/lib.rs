//! The durable state: one [`Store`] over SQLite and PostgreSQL.
//!
//! Every operation is one transaction, and what it says has happened survives `kill -9` and power loss. Every
//! operation that changes something takes the [`AuditEntry`](transom_model::audit::AuditEntry) that tells of it and
//! writes it in the same transaction. Expiry is judged by the database's clock, never by a node's.
//!
//! Every operation has a deadline ([`OPERATION_DEADLINE`]) and answers [`StoreError::Unavailable`] when it passes;
//! a change whose answer is lost that way may have happened all the same.

mod access_key;
mod api_token;
mod audit;
mod cloud;
mod database;
mod error;
mod foreign;
mod grant;
mod instance;
mod instance_query;
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
mod url;

pub use access_key::{KeySecret, NewAccessKey, NewKeySecret};
pub use api_token::NewApiToken;
pub use audit::{AuditQuery, AuditStart, SessionOrigin};
pub use cloud::{
    AddressChange, AddressQuery, Enrolled, Guarded, Joined, Joining, NewAddress, NewEnrolment, NewEnrolments,
    NewViewerId, Precondition, PresenceQuery, Scope,
};
pub use database::SchemaPlan;
pub use error::{Cause, Result, StoreError};
pub use foreign::ForeignGrant;
pub use grant::{NewGrant, Standing, TokenStanding};
pub use instance::{Change, InstanceChange, NewInstance};
pub use instance_query::{FoundInstances, InstanceQuery, NameMatch};
pub use node::{Earlier, Node, NodeState, Pulse};
pub use page::Page;
pub use retention::{Deleted, Retention};
pub use revision::ToEnd;
pub use session::{
    Commit, ConsoleTarget, Ending, Hold, NewSession, NewTicket, Reservation, Swept, TicketOutcome, Traffic,
};
pub use store::{CountEnd, OPERATION_DEADLINE, Store};
pub use url::{DatabaseUrl, ParseDatabaseUrlError};
