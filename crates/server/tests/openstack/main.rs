//! The OpenStack and Rackspace front door, through plain HTTP, the raw CONNECT, and unmodified
//! clients.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod clients;
mod connect;
mod dialled;
mod discovery;
mod existing_keystone;
mod existing_nova;
mod faults;
mod house;
mod identity;
mod java;
mod metadata;
mod microversions;
mod proxies;
mod tempest;
mod trail;
mod viewer;
