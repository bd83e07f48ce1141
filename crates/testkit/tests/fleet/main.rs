//! Fleets: who is there, how devices come in, what is in force after a change, and devices that know nothing of us.
//! Through the front door, on both databases where it may matter.
#![expect(clippy::unwrap_used, reason = "tests")]

mod crowds;
mod enrolment;
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
