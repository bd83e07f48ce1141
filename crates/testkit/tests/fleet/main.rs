//! Fleets: presence, enrollment, the enforcement of changes, and devices that use other protocols.
//! The tests use the front door, on both databases where that may matter.
#![expect(clippy::unwrap_used, reason = "tests")]

mod crowds;
mod enrollment;
mod entrusted;
mod fence;
mod field;
mod full_disk;
mod guesses;
mod leaves;
mod machines;
mod nodes;
mod owed;
mod peer;
mod presence;
mod programs;
mod races;
mod repeater;
mod rules;
mod trail;
