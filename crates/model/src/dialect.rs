//! Dialects: the APIs that Transom offers, its own and those of other products. Each is a front
//! door to the same consoles.

use std::fmt;
use std::str::FromStr;

use crate::id::ParseIdError;
use crate::words::words;

words! {
    /// The front door through which a link was requested.
    Dialect, "dialect", "must be api, zenlayer, openstack or vnc-cloud";
    Api = "api", "Transom's own API and command line.";
    Zenlayer = "zenlayer", "Zenlayer's `DescribeVncUrl`.";
    Openstack = "openstack", "OpenStack's and Rackspace's `os-getVNCConsole`.";
    VncCloud = "vnc-cloud", "VNC Cloud API 1.1.";
}
