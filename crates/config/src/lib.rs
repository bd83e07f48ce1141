//! The server's configuration: one file and one struct for each section, all with defaults.
//!
//! A misspelt key is an error that names the key's path. A well-formed value is also an error if it
//! would silently have no effect, or would fail at its first use.

mod cloud;
mod console;
mod duration;
mod http;
mod limits;
mod links;
mod openstack;
mod relay;
mod repeater;
mod retention;
#[cfg(test)]
mod tests;
mod web;
mod zenlayer;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use transom_model::endpoint::EndpointPolicy;

pub use cloud::Cloud;
pub use console::Console;
pub use duration::{HumanDuration, Limit};
pub use http::{Http, TlsFiles};
pub use limits::{Limits, NodeLimits};
pub use links::{LinkPolicy, Links};
pub use openstack::{CloudAdmin, NovncForm, Openstack, Vencrypt};
pub use relay::RelayConfig;
pub use repeater::Repeater;
pub use retention::Retention;
pub use web::public_url;
pub use zenlayer::Zenlayer;

/// The content of the configuration file. Flags of `transom serve` take precedence over it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The listener.
    pub http: Http,
    /// Consoles in the browser.
    pub console: Console,
    /// Lifetime and uses of links, by dialect.
    pub links: Links,
    /// The Zenlayer front door.
    pub zenlayer: Zenlayer,
    /// The OpenStack and Rackspace front door.
    pub openstack: Openstack,
    /// The VNC Cloud API and its devices.
    pub cloud: Cloud,
    /// Devices and viewers that speak the UltraVNC repeater's protocol.
    pub repeater: Repeater,
    /// The addresses that instances may have.
    pub endpoints: EndpointPolicy,
    /// Sessions between agents and connectors.
    pub relay: RelayConfig,
    /// Limits on connections, sessions and attempts.
    pub limits: Limits,
    /// The time for which finished records are stored.
    pub retention: Retention,
}

/// The reason why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}", path = .path.display())]
    Read {
        /// The file's path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file's content is not a valid configuration.
    #[error("{path}: {message}", path = .path.display())]
    Parse {
        /// The file's path.
        path: PathBuf,
        /// The position in the file, and the cause.
        message: String,
    },
}

impl Config {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|message| ConfigError::Parse { path: path.to_owned(), message })
    }

    /// Reads TOML text; an error names the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = toml::Deserializer::parse(text).map_err(|error| error.to_string())?;
        let config: Self = serde_path_to_error::deserialize(document).map_err(|error| {
            let key = error.path().to_string();
            let cause = plainly(error.into_inner().message());
            if key == "." { cause } else { format!("{key}: {cause}") }
        })?;
        config.check()?;
        Ok(config)
    }

    /// Every file that the configuration names, with its key.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let Openstack { nova_vencrypt, admin, .. } = &self.openstack;
        let client = nova_vencrypt.as_ref().and_then(|vencrypt| vencrypt.client.as_ref());
        let files = [
            ("http.tls.cert", self.http.tls.as_ref().map(|tls| &tls.cert)),
            ("http.tls.key", self.http.tls.as_ref().map(|tls| &tls.key)),
            ("openstack.nova_vencrypt.ca", nova_vencrypt.as_ref().map(|vencrypt| &vencrypt.ca)),
            ("openstack.nova_vencrypt.client.cert", client.map(|client| &client.cert)),
            ("openstack.nova_vencrypt.client.key", client.map(|client| &client.key)),
            ("openstack.admin.secret_file", admin.secret_file.as_ref()),
            ("openstack.admin.ca_file", admin.ca_file.as_ref()),
        ];
        files.into_iter().filter_map(|(key, path)| path.map(|path| (key, path.as_path()))).collect()
    }

    fn check(&self) -> Result<(), String> {
        self.limits.check()?;
        self.relay.check()?;
        self.console.check()?;
        self.links.check()?;
        self.openstack.check()
    }
}

/// Replaces the parser's message about a number with a plain one.
fn plainly(cause: &str) -> String {
    let number = "expected a whole number that is not negative";
    ["expected u32", "expected usize"]
        .iter()
        .fold(cause.to_owned(), |cause, theirs| cause.replace(theirs, number))
}
