//! The parts that serve a connection, and the holders by whom connections and requests are counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use tokio_util::task::TaskTracker;
use transom_net::budget::{Budget, Holder};

use super::tls::Certificate;
use transom_app::App;
use transom_gateway::entrance::Gateway;
use transom_http::source::Source;
use transom_http::unproved::Unproved;

/// So many are told at once; more of them would be what the budget is against.
const AT_ONCE: usize = 256;

/// What serves a connection.
pub struct Front {
    /// The use cases.
    pub app: Arc<App>,
    /// The gateway.
    pub gateway: Gateway,
    /// Everything that is HTTP.
    pub router: Router,
    /// The certificate; none: plain HTTP only.
    pub tls: Option<Certificate>,
    /// Connections that have not sent a request yet.
    pub half_open: Arc<Budget>,
    /// HTTP connections, until they end or become WebSockets.
    pub http: Arc<Budget>,
    /// Requests that declared proxies carry, by whom they are of.
    pub proxied: Arc<Budget>,
    /// What requests may make us keep whose callers have proved nothing.
    pub(crate) unproved: Arc<Unproved>,
    /// Connections that are being told that there is no place for them.
    pub shedding: Shedding,
    /// The tasks of connections and sessions.
    pub tasks: TaskTracker,
}

/// How many are being told.
#[derive(Debug, Default)]
pub struct Shedding(AtomicUsize);

impl Shedding {
    /// Counts one more, unless there are as many as there may be.
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

/// Whose connection this is, where connections are counted.
pub(super) fn holder(front: &Front, peer: SocketAddr) -> Holder {
    let address = peer.ip().to_canonical();
    if front.app.config().http.trusts(address) { Holder::Proxy(address) } else { Holder::Source(address) }
}

/// Whose request this is: a proxy's where it does not say for whom it asks.
pub(super) fn sender(front: &Front, peer: SocketAddr, source: Source) -> Holder {
    match holder(front, peer) {
        Holder::Proxy(proxy) if source.address != proxy => Holder::Source(source.address),
        own => own,
    }
}

/// Plain HTTP is for this machine itself, and for declared proxies that end TLS in front.
pub(super) fn allows_plain(front: &Front, peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    address.is_loopback() || front.app.config().http.trusts(address)
}
