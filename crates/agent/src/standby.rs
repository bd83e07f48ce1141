//! Standby connections: data connections that the server ordered in advance. Each waits for its
//! session.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use transom_tunnel::{MeetingTicket, Role, raw};

use crate::data;
use crate::server::Server;
use crate::server_connection::ServerConnection;

/// The most standby connections. Our server never asks for more at once.
const MOST: usize = 16;

/// A request to open a session's data connection.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) ticket: MeetingTicket,
    pub(crate) relay: String,
    pub(crate) peer: String,
}

/// The waiting connections, by the ids of the tickets that they were opened with.
#[derive(Debug, Default)]
pub(crate) struct StandbyConnections(HashMap<[u8; 16], oneshot::Sender<Dial>>);

impl StandbyConnections {
    /// Adds a connection. `None` if there are too many.
    pub(crate) fn add(&mut self, id: [u8; 16]) -> Option<oneshot::Receiver<Dial>> {
        self.0.retain(|_, waiting| !waiting.is_closed());
        if self.0.len() >= MOST {
            return None;
        }
        let (bind, bound) = oneshot::channel();
        self.0.insert(id, bind);
        Some(bound)
    }

    /// Passes the request to the connection that waits under this id. Returns it if there is no
    /// such connection.
    pub(crate) fn bind(&mut self, standby: Option<[u8; 16]>, dial: Dial) -> Option<Dial> {
        match standby.and_then(|id| self.0.remove(&id)) {
            Some(waiting) => waiting.send(dial).err(),
            None => Some(dial),
        }
    }
}

/// Opens a connection and waits for its session. `None` if the connection ends before it is needed.
pub(crate) async fn wait(
    server: &Server,
    ticket: &MeetingTicket,
    relay: &str,
    bound: oneshot::Receiver<Dial>,
) -> Option<(ServerConnection, Dial)> {
    let mut connection = data::open(server, ticket, Role::Agent, relay).await.ok()?;
    let dial = tokio::select! {
        biased;
        dial = bound => dial.ok()?,
        // The connection ends: no bytes come before it is bound.
        _ = connection.read_u8() => return None,
    };
    connection.write_all(&[raw::BOUND]).await.ok()?;
    connection.flush().await.ok()?;
    Some((connection, dial))
}
