//! External systems that know machines: an existing `OpenStack` cloud.

pub mod openstack;
