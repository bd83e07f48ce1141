//! The data connection of a session: raw if the server has a raw listener that this machine can
//! reach, otherwise by an upgrade on the server's one port.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use transom_tunnel::raw::{self, Claim};
use transom_tunnel::{DATA_PATH, MeetingTicket, Refusal, RefusalCode, Role, TICKET_HEADER};

use crate::server::{Server, prepare};
use crate::server_connection::ServerConnection;

/// The time for two round trips. A firewall that drops unknown traffic costs this once in every
/// ten minutes.
const RAW: Duration = Duration::from_secs(3);

/// Opens the data connection of a ticket. `relay` is the raw listener's address as the server gives
/// it, or empty.
pub(crate) async fn open(
    server: &Server,
    ticket: &MeetingTicket,
    role: Role,
    relay: &str,
) -> Result<ServerConnection, Refusal> {
    // A network with a proxy usually has no other way out.
    if server.proxy.is_none() && server.unreached.may_try(relay, Instant::now()) {
        match timeout(RAW, open_raw(relay, ticket, role)).await.unwrap_or_else(|_| Err(timed_out())) {
            Ok(Some(connection)) => return Ok(connection),
            // The relay has answered: the ticket is spent for an upgrade as well.
            Ok(None) => {
                return Err(
                    Refusal::from(RefusalCode::CloudConnectivityError).because("the ticket was already used")
                );
            }
            Err(error) => {
                tracing::info!(relay, %error, "cannot reach the raw listener; using the server's main port");
                server.unreached.avoid(relay, Instant::now());
            }
        }
    }
    let header = (TICKET_HEADER, ticket.header(role));
    Ok(ServerConnection::open(server, DATA_PATH, Some(header)).await?.0)
}

/// Opens a raw connection. `None` if the relay refuses the ticket; an error if there is no relay.
async fn open_raw(relay: &str, ticket: &MeetingTicket, role: Role) -> io::Result<Option<ServerConnection>> {
    let mut tcp = TcpStream::connect(relay).await?;
    prepare(&tcp);
    let mut greeting = [0; raw::GREETING];
    tcp.read_exact(&mut greeting).await?;
    let nonce = raw::read_greeting(&greeting).map_err(io::Error::other)?;
    tcp.write_all(&Claim::of(ticket, role, &nonce).encode()).await?;
    match tcp.read_u8().await? {
        raw::WELCOME => Ok(Some(ServerConnection::raw(tcp))),
        raw::REFUSED => Ok(None),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
