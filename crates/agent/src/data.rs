//! The data connection of a session: raw where the server has a listener for that and it is reached from here, else by an
//! upgrade on its one port.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use transom_tunnel::raw::{self, Claim};
use transom_tunnel::{DATA_PATH, Fault, Refusal, Role, TICKET_HEADER, Ticket};

use crate::outer::Outer;
use crate::server::{Server, prepare};

/// Two round trips. A firewall that drops what it does not know costs this once in [`AVOIDED`].
const RAW: Duration = Duration::from_secs(3);
/// Where the raw listener is not reached it is not tried again for this long: networks change by the hour.
const AVOIDED: Duration = Duration::from_secs(10 * 60);

/// What is known of the ways to the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways(Arc<Mutex<Option<Avoided>>>);

#[derive(Debug)]
struct Avoided {
    place: String,
    until: Instant,
}

impl Ways {
    fn may_try(&self, place: &str, now: Instant) -> bool {
        let avoided = self.0.lock();
        let shut = avoided.as_ref().is_some_and(|avoided| avoided.place == place && now < avoided.until);
        !place.is_empty() && !shut
    }

    fn avoid(&self, place: &str, now: Instant) {
        *self.0.lock() = Some(Avoided { place: place.to_owned(), until: now + AVOIDED });
    }
}

/// Opens the data connection of a ticket. `relay` is where the server says that its raw listener is, if it has one.
pub(crate) async fn open(
    server: &Server,
    ticket: &Ticket,
    role: Role,
    relay: &str,
) -> Result<Outer, Refusal> {
    // A proxy is the way out of a network that has no other.
    if server.proxy.is_none() && server.ways.may_try(relay, Instant::now()) {
        match timeout(RAW, open_raw(relay, ticket, role)).await.unwrap_or_else(|_| Err(timed_out())) {
            Ok(Some(outer)) => return Ok(outer),
            // A relay has spoken: the ticket is spent, and by an upgrade as well.
            Ok(None) => {
                return Err(Refusal::from(Fault::CloudConnectivityError).because("the ticket is spent"));
            }
            Err(error) => {
                tracing::info!(relay, %error, "the raw listener is not reached; the server's one port is used");
                server.ways.avoid(relay, Instant::now());
            }
        }
    }
    let header = (TICKET_HEADER, ticket.shown_by(role));
    Ok(Outer::open(server, DATA_PATH, Some(header)).await?.0)
}

/// Nothing where a relay refuses the ticket; an error where there is no relay.
async fn open_raw(relay: &str, ticket: &Ticket, role: Role) -> io::Result<Option<Outer>> {
    let mut tcp = TcpStream::connect(relay).await?;
    prepare(&tcp);
    let mut greeting = [0; raw::GREETING];
    tcp.read_exact(&mut greeting).await?;
    let nonce = raw::read_greeting(&greeting).map_err(io::Error::other)?;
    tcp.write_all(&Claim::of(ticket, role, &nonce).encode()).await?;
    match tcp.read_u8().await? {
        raw::WELCOME => Ok(Some(Outer::raw(tcp))),
        raw::REFUSED => Ok(None),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_was_not_reached_is_tried_again_when_networks_may_have_changed() {
        let (ways, now) = (Ways::default(), Instant::now());
        assert!(ways.may_try("a:1", now));
        ways.avoid("a:1", now);
        assert!(!ways.may_try("a:1", now));
        assert!(ways.may_try("b:1", now), "another one may be reached");
        assert!(ways.may_try("a:1", now + AVOIDED));
        assert!(!Ways::default().may_try("", now), "there is none");
    }
}
