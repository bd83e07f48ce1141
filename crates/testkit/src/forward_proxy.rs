//! A forward proxy, the exit of a closed network: it supports HTTP's CONNECT (RFC 9110 §9.3.6) and
//! resolves names itself.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running proxy. It ends with the test process.
#[derive(Debug)]
pub struct ForwardProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A proxy's policy.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The only machine that it connects to, whichever name is requested.
    pub to: SocketAddr,
    /// The required value of `Proxy-Authorization`.
    pub wants: Option<String>,
    /// True if it refuses every client.
    pub closed: bool,
}

impl ForwardProxy {
    /// Starts a proxy.
    ///
    /// # Panics
    /// Panics if no loopback port is free.
    #[must_use]
    pub fn start(rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::default();
        let proxy = Self { address, asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (rule, asked) = (rule.clone(), Arc::clone(&asked));
                // A client that disconnects closes its tunnel.
                std::thread::spawn(move || serve(client, &rule, &asked));
            }
        });
        proxy
    }

    /// The proxy's address, `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that it received, `CONNECT HOST:PORT` each.
    ///
    /// # Panics
    /// Panics if another thread panicked while it held the list, which does not happen.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the list").clone()
    }
}

fn serve(mut client: TcpStream, rule: &Rule, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let request = head.split(" HTTP/1.1").next().unwrap_or_default();
    asked.lock().expect("the list").push(request.to_owned());
    let shown = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    let refusal = match &rule.wants {
        Some(wants) if shown != Some(wants) => {
            Some("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic")
        }
        _ if rule.closed => Some("403 Forbidden"),
        _ => None,
    };
    if let Some(refusal) = refusal {
        return client.write_all(format!("HTTP/1.1 {refusal}\r\n\r\n").as_bytes());
    }
    let server = TcpStream::connect(rule.to)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")?;
    let (back_from, back_to) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || carry(back_from, back_to));
    carry(client, server);
    // The threads of the two directions do not panic.
    let _ = back.join();
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // A failure on one side ends the other.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
