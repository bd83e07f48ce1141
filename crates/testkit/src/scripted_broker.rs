//! A server that says one thing to whoever joins: what ours says seldom, or never yet.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use transom_tunnel::Message;

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: transom-tunnel\r\n\r\n";

/// A server for agents and connectors that knows one line.
#[derive(Debug)]
pub struct ScriptedBroker {
    address: SocketAddr,
    joins: Arc<AtomicUsize>,
}

impl ScriptedBroker {
    /// Starts one that says this at once.
    ///
    /// # Panics
    /// Where no loopback port is free.
    #[must_use]
    pub fn saying(message: &Message) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let line = message.encode();
        let joins = Arc::default();
        let broker = Self { address, joins: Arc::clone(&joins) };
        // It ends with the test's process.
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                joins.fetch_add(1, Ordering::Relaxed);
                // A peer that goes needs no answer.
                let _ = answer(peer, &line);
            }
        });
        broker
    }

    /// How often somebody came.
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
    // Until it goes.
    peer.read_to_end(&mut head).map(drop)
}
