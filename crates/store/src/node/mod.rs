//! Nodes: the `transom serve` processes that share the database, and their liveness.
//!
//! A node increments its beat every few seconds. Another node declares it gone after seeing the
//! same beat for long enough by its own clock. Before that time, the silent node ends the sessions
//! that it carries. The protocol never compares two clocks, and does not use the database's clock
//! at all.

mod record;
mod registry;

pub use record::{Earlier, Node, NodeState, Pulse};
