//! Data connections that the server had opened for sessions to come: each waits until it is told whose it is.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use transom_tunnel::{Role, Ticket, raw};

use crate::data;
use crate::outer::Outer;
use crate::server::Server;

/// No server of ours asks for more at once.
const MOST: usize = 16;

/// A session that is asked for.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) ticket: Ticket,
    pub(crate) relay: String,
    pub(crate) peer: String,
}

/// Those that wait, by the ids of the tickets that they were opened with.
#[derive(Debug, Default)]
pub(crate) struct Kept(HashMap<[u8; 16], oneshot::Sender<Call>>);

impl Kept {
    /// A place for one more; none where there are too many.
    pub(crate) fn add(&mut self, id: [u8; 16]) -> Option<oneshot::Receiver<Call>> {
        self.0.retain(|_, waiting| !waiting.is_closed());
        if self.0.len() >= MOST {
            return None;
        }
        let (bind, bound) = oneshot::channel();
        self.0.insert(id, bind);
        Some(bound)
    }

    /// Gives the call to the connection that waits under this id; gives it back where there is none any more.
    pub(crate) fn bind(&mut self, standby: Option<[u8; 16]>, call: Call) -> Option<Call> {
        match standby.and_then(|id| self.0.remove(&id)) {
            Some(waiting) => waiting.send(call).err(),
            None => Some(call),
        }
    }
}

/// Opens a connection and waits with it; nothing where it ends before it is needed.
pub(crate) async fn wait(
    server: &Server,
    ticket: &Ticket,
    relay: &str,
    bound: oneshot::Receiver<Call>,
) -> Option<(Outer, Call)> {
    let mut outer = data::open(server, ticket, Role::Agent, relay).await.ok()?;
    let call = tokio::select! {
        biased;
        call = bound => call.ok()?,
        // Its end: nothing is sent before it is bound.
        _ = outer.read_u8() => return None,
    };
    outer.write_all(&[raw::BOUND]).await.ok()?;
    outer.flush().await.ok()?;
    Some((outer, call))
}
