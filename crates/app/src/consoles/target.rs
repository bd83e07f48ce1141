//! Targets: the addresses to which a console may lead. A name is resolved once, and only the
//! checked addresses are dialled.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use transom_model::EndReason;
use transom_model::cloud::CloudAddress;
use transom_model::end_reason::End;
use transom_model::endpoint::{Endpoint, is_refused_always};
use transom_model::id::ProjectId;
use transom_model::instance::{Instance, SetBy};

use crate::consoles::Consoles;

/// The detail for an endpoint that the policy does not list.
const BY_KEY: &str = "a project's key set it: add it to [endpoints] allow, or set it as the operator";

/// A permitted target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialTarget {
    /// These addresses, in the resolver's order.
    Tcp(Vec<SocketAddr>),
    /// This unix socket.
    Unix(PathBuf),
    /// This device.
    Device(CloudAddress),
}

impl Consoles {
    /// Returns the target of an instance's endpoint. Fails if the policy does not permit it.
    pub async fn dial_target(&self, instance: &Instance) -> Result<DialTarget, End> {
        let policy = &self.core.config.endpoints;
        match &instance.endpoint {
            Endpoint::Cloud { address } => {
                self.devices.console_may_reach(instance.project, address).await?;
                Ok(DialTarget::Device(address.clone()))
            }
            Endpoint::Unix { path } => {
                if instance.endpoint_set_by != SetBy::Operator && !policy.allows_unix(path) {
                    return Err(End::new(EndReason::EndpointNotAllowed, format!("{path}: {BY_KEY}")));
                }
                Ok(DialTarget::Unix(PathBuf::from(path)))
            }
            Endpoint::Tcp { host, port } | Endpoint::WebSocket { host, port, .. } => {
                let allowed = |address: IpAddr| match instance.endpoint_set_by {
                    SetBy::Operator => !is_refused_always(address),
                    SetBy::Project => policy.allows_address(address, *port),
                    SetBy::Cloud => self.core.config.openstack.nova_targets.allows_address(address, *port),
                };
                let mut addresses = self.resolve(instance.project, host, *port).await?;
                // A second look-up could return other addresses and bypass the allow-list, so only
                // these are dialled.
                addresses.retain(|address| allowed(address.ip()));
                if addresses.is_empty() {
                    let why = match instance.endpoint_set_by {
                        SetBy::Operator => "Transom never connects to such an address",
                        SetBy::Project => BY_KEY,
                        SetBy::Cloud => "the existing Nova returned it: add it to [openstack] nova_targets",
                    };
                    return Err(End::new(EndReason::EndpointNotAllowed, format!("{host}:{port}: {why}")));
                }
                Ok(DialTarget::Tcp(addresses))
            }
        }
    }
}

impl Consoles {
    async fn resolve(&self, project: ProjectId, host: &str, port: u16) -> Result<Vec<SocketAddr>, End> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = host.to_owned();
        let look = move || Ok((name.as_str(), port).to_socket_addrs()?.collect::<Vec<_>>());
        let found = self.lookups.run(project, look).await.map_err(|error| error.to_string());
        let found = found.and_then(|addresses| match addresses.is_empty() {
            true => Err("it has no address".to_owned()),
            false => Ok(addresses),
        });
        found.map_err(|why| End::new(EndReason::EndpointUnresolved, format!("{host}: {why}")))
    }
}
