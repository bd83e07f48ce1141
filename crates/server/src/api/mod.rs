//! The dialects: each turns its own requests into use cases, and the use cases' errors into its own.

pub mod native;
pub mod openstack;
pub mod vnc_cloud;
pub mod zenlayer;
