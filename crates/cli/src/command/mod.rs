//! One file for each command.

pub(crate) mod address;
pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod connect;
pub(crate) mod console;
pub(crate) mod demo;
mod device;
pub(crate) mod grant;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod project;
pub(crate) mod serve;
pub(crate) mod session;
mod viewer;
