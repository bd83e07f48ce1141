//! The sources that know machines: an existing `OpenStack` cloud.

pub mod openstack;
