//! The network between a browser and the server, as a cable that can be pulled and plugged in again.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A TCP relay on a port of its own.
pub(crate) struct Cable {
    listener: TcpListener,
    ends: Arc<Mutex<Ends>>,
}

#[derive(Default)]
struct Ends {
    server: Option<SocketAddr>,
    carried: Vec<TcpStream>,
}

impl Cable {
    /// A cable whose far end hangs in the air: it takes connections and closes them.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let ends = Arc::new(Mutex::new(Ends::default()));
        let cable =
            Self { listener: listener.try_clone().expect("a second handle"), ends: Arc::clone(&ends) };
        std::thread::spawn(move || {
            for viewer in listener.incoming().flatten() {
                // Without a server the connection is dropped.
                let _ = carry(viewer, &ends);
            }
        });
        cable
    }

    /// Where browsers go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Plugs it in.
    pub(crate) fn connect(&self, server: &str) {
        self.ends.lock().expect("no panic").server = Some(server.parse().expect("an address"));
    }

    /// Pulls it: what it carries is cut, and nothing new comes through.
    pub(crate) fn cut(&self) {
        let mut ends = self.ends.lock().expect("no panic");
        ends.server = None;
        for stream in ends.carried.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry(viewer: TcpStream, ends: &Mutex<Ends>) -> io::Result<()> {
    let mut ends = ends.lock().expect("no panic");
    let Some(server) = ends.server else { return Ok(()) };
    let server = TcpStream::connect(server)?;
    for (mut from, mut to) in
        [(viewer.try_clone()?, server.try_clone()?), (server.try_clone()?, viewer.try_clone()?)]
    {
        std::thread::spawn(move || {
            // Either end may go first; the other learns of it.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    ends.carried.extend([viewer, server]);
    Ok(())
}
