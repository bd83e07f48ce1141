//! The raw listener: data connections without HTTP and TLS around them, whose bytes can move inside
//! the kernel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use transom_net::Stream;
use transom_net::budget::{Budget, Holder, Notice, Permit};
use transom_net::deadline;
use transom_net::each_connection;
use transom_tunnel::raw::{self, CLAIM, Claim, REFUSED, WELCOME};

use super::Relay;
use super::arrival::{Arrival, Way};
use transom_app::random;

/// The time for a short answer over a bad mobile network, too short for a slow loris.
const ANSWER: Duration = Duration::from_secs(10);

/// Accepts data connections until told to stop. Connections that have not proved their ticket count
/// as half-open.
pub async fn serve(relay: Relay, listener: TcpListener, half_open: Arc<Budget>, stop: CancellationToken) {
    each_connection(&listener, &stop, |tcp, peer| {
        relay.app.metrics.connections.inc();
        let notice = Notice::default();
        let Some(permit) = half_open.admit(Holder::Source(peer.ip()), &notice) else {
            relay.app.metrics.connections_shed.inc();
            return;
        };
        let (relay, stop) = (relay.clone(), stop.clone());
        relay.tasks.clone().spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = notice.served() => {
                    relay.app.metrics.connections_shed.inc();
                }
                () = connection(&relay, tcp, peer, permit) => {}
            }
        });
    })
    .await;
}

async fn connection(relay: &Relay, tcp: TcpStream, peer: SocketAddr, _permit: Permit) {
    let mut stream = Stream::from(tcp);
    match deadline(ANSWER, claimed(relay, &mut stream)).await {
        Ok(Some(arrival)) => {
            stream.watch_closely();
            arrival.deliver(stream, Way::Raw);
        }
        Ok(None) => tracing::debug!(%peer, "a data connection was refused"),
        Err(error) => tracing::debug!(%peer, %error, "a data connection failed"),
    }
}

/// Asks for the proof of a ticket, checks it, and tells the peer the result.
async fn claimed(relay: &Relay, stream: &mut Stream) -> std::io::Result<Option<Arrival>> {
    let nonce = random::bytes();
    stream.write_all(&raw::greeting(&nonce)).await?;
    let mut claim = [0; CLAIM];
    stream.read_exact(&mut claim).await?;
    let arrival = Claim::decode(&claim).ok().and_then(|claim| relay.redeem_claim(&claim, &nonce));
    stream.write_all(&[if arrival.is_some() { WELCOME } else { REFUSED }]).await?;
    Ok(arrival)
}
