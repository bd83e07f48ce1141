//! A server that sends one fixed message to every peer that joins, for messages that Transom's
//! server sends rarely or not yet.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use transom_tunnel::Message;

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: transom-tunnel\r\n\r\n";

/// A running server for agents and connectors.
#[derive(Debug)]
pub struct ScriptedBroker {
    address: SocketAddr,
    joins: Arc<AtomicUsize>,
}

impl ScriptedBroker {
    /// Starts a server that sends this message at once.
    ///
    /// # Panics
    /// Panics if no loopback port is free.
    #[must_use]
    pub fn saying(message: &Message) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let line = message.encode();
        let joins = Arc::default();
        let broker = Self { address, joins: Arc::clone(&joins) };
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                joins.fetch_add(1, Ordering::Relaxed);
                // A peer that disconnects needs no answer.
                let _ = answer(peer, &line);
            }
        });
        broker
    }

    /// The number of peers that joined.
    #[must_use]
    pub fn joins(&self) -> usize {
        self.joins.load(Ordering::Relaxed)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut peer: TcpStream, line: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte)?;
        head.extend(byte);
    }
    peer.write_all(SWITCHING)?;
    peer.write_all(line)?;
    // Waits until the peer disconnects.
    peer.read_to_end(&mut head).map(drop)
}
