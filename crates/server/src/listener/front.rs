//! The parts that serve a connection, and the holders to whom connections and requests are counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use tokio_util::task::TaskTracker;
use transom_net::budget::{Budget, Holder};

use super::certificate::Certificate;
use transom_app::App;
use transom_gateway::entrance::Gateway;
use transom_http::source::Source;
use transom_http::unproved::Unproved;

/// The number of concurrent refusals. More of them would use up the resources that the budget
/// protects.
const AT_ONCE: usize = 256;

/// The parts that serve a connection.
pub struct Front {
    /// The use cases.
    pub app: Arc<App>,
    /// The gateway.
    pub gateway: Gateway,
    /// The routes of all HTTP requests.
    pub router: Router,
    /// The certificate; `None` for plain HTTP only.
    pub tls: Option<Certificate>,
    /// The budget of connections that have not sent a request yet.
    pub half_open: Arc<Budget>,
    /// The budget of HTTP connections, until they end or become WebSockets.
    pub http: Arc<Budget>,
    /// The budget of requests that declared proxies carry, counted by their senders.
    pub proxied: Arc<Budget>,
    /// The memory that requests of unproven callers may occupy.
    pub(crate) unproved: Arc<Unproved>,
    /// The connections that are being refused for lack of room.
    pub shedding: Shedding,
    /// The tasks of connections and sessions.
    pub tasks: TaskTracker,
}

/// The number of connections that are being refused now.
#[derive(Debug, Default)]
pub struct Shedding(AtomicUsize);

impl Shedding {
    /// Counts one more refusal. Returns `false` if that is too many.
    pub(super) fn enter(&self) -> bool {
        let has_room = self.0.fetch_add(1, Ordering::Relaxed) < AT_ONCE;
        if !has_room {
            self.leave();
        }
        has_room
    }

    pub(super) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the holder to whom a connection is counted: its peer, as a source or as a declared
/// proxy.
pub(super) fn holder(front: &Front, peer: SocketAddr) -> Holder {
    let address = peer.ip().to_canonical();
    if front.app.config().http.trusts(address) { Holder::Proxy(address) } else { Holder::Source(address) }
}

/// Returns the holder to whom a request is counted: its client, or the proxy if it does not name
/// its client.
pub(super) fn sender(front: &Front, peer: SocketAddr, source: Source) -> Holder {
    match holder(front, peer) {
        Holder::Proxy(proxy) if source.address != proxy => Holder::Source(source.address),
        own => own,
    }
}

/// Returns `true` for peers that may use plain HTTP: this machine itself, and declared proxies,
/// which end TLS in front.
pub(super) fn allows_plain(front: &Front, peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    address.is_loopback() || front.app.config().http.trusts(address)
}
