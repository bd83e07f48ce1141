//! Fake VNC servers. Each follows a script and reports the data that reaches it.
//!
//! The RFB handshake is written independently of the gateway's, in order to test that one.

mod guest;
mod scenario;
mod script;

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use transom_rfb::{Version, VncPassword};

use crate::duplex::Duplex;
use crate::wait::within;
pub use guest::Guest;
pub use scenario::{Act, Scenario};
use script::{Defect, Security};
pub use script::{Script, Step};

/// The fixed challenge that a server sends.
const CHALLENGE: [u8; 16] = *b"sixteen  letters";

/// A running fake VNC server.
pub struct Instance {
    endpoint: String,
    state: Arc<State>,
    guests: Mutex<mpsc::UnboundedReceiver<Guest>>,
    _tasks: JoinSet<()>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Duplex>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

struct State {
    script: Script,
    arrived: AtomicUsize,
    /// Counts the connections that wait before the step that the script holds.
    held: Semaphore,
    /// Permits for waiting connections to continue.
    released: Semaphore,
}

impl Instance {
    /// Starts on a TCP port.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        Self::serve(script, format!("vnc://{address}"), Listener::Tcp(listener))
    }

    /// Starts on a unix socket.
    pub async fn start_unix(script: Script, path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the socket can be made");
        Self::serve(script, format!("vnc+unix:{}", path.display()), Listener::Unix(listener))
    }

    fn serve(script: Script, endpoint: String, listener: Listener) -> Self {
        let (ready, guests) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            script,
            arrived: AtomicUsize::new(0),
            held: Semaphore::new(0),
            released: Semaphore::new(0),
        });
        let (shared, mut tasks) = (Arc::clone(&state), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok(peer) = listener.accept().await {
                shared.arrived.fetch_add(1, Ordering::SeqCst);
                let (state, ready) = (Arc::clone(&shared), ready.clone());
                connections.spawn(async move {
                    if let Ok(Some(guest)) = state.greet(peer).await {
                        // A test that does not want the connection drops it.
                        let _ = ready.send(guest);
                    }
                });
            }
        });
        Self { endpoint, state, guests: Mutex::new(guests), _tasks: tasks }
    }

    /// The endpoint with which an instance is registered.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The next connection that completed the handshake.
    pub async fn guest(&self) -> Guest {
        let mut guests = self.guests.lock().await;
        within("a console of the instance", guests.recv()).await.expect("the instance runs")
    }

    /// The number of connections.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.state.arrived.load(Ordering::SeqCst)
    }

    /// Waits until a connection waits before the step that the script holds.
    pub async fn held(&self) {
        within("a dial that hangs", self.state.held.acquire()).await.expect("never closed").forget();
    }

    /// Lets one waiting connection continue.
    pub fn release(&self) {
        self.state.released.add_permits(1);
    }
}

impl State {
    /// Performs the handshake up to ServerInit (RFC 6143 §7.1 to §7.3). Returns `None` if the
    /// script ends earlier.
    async fn greet(&self, mut peer: Box<dyn Duplex>) -> io::Result<Option<Guest>> {
        let script = &self.script;
        if !self.comes_to(Step::Greeting).await {
            return Ok(None);
        }
        if let Some(greeting) = &script.greeting {
            peer.write_all(greeting).await?;
            // Sends nothing more and waits until the peer disconnects.
            tokio::io::copy(&mut peer, &mut tokio::io::sink()).await?;
            return Ok(None);
        }
        peer.write_all(script.version.message()).await?;
        let mut said = [0; 12];
        peer.read_exact(&mut said).await?;
        assert_eq!(
            &said,
            script.version.message(),
            "the gateway answers with the version that was announced"
        );
        if !self.comes_to(Step::Security).await || !self.choose(&mut peer).await? {
            return Ok(None);
        }
        if !self.comes_to(Step::Authentication).await || !self.authenticate(&mut peer).await? {
            return Ok(None);
        }
        peer.read_exact(&mut [0]).await?;
        if !self.comes_to(Step::Init).await {
            return Ok(None);
        }
        peer.write_all(&script.server_init()).await?;
        Ok(Some(Guest::new(peer)))
    }

    /// Returns whether the script continues past this step.
    async fn comes_to(&self, step: Step) -> bool {
        match &self.script.defect {
            Some((at, Defect::Closes)) if *at == step => false,
            Some((at, Defect::Holds)) if *at == step => {
                self.held.add_permits(1);
                self.released.acquire().await.expect("never closed").forget();
                true
            }
            _ => true,
        }
    }

    /// Negotiates the security type. Returns whether the viewer chose the type that the script
    /// continues with.
    async fn choose(&self, peer: &mut Box<dyn Duplex>) -> io::Result<bool> {
        let types = match &self.script.security {
            Security::None => vec![1],
            Security::Password(_) => vec![2],
            Security::Offers(types) => types.clone(),
            Security::Refuses(reason) => {
                if self.script.version == Version::V3_3 {
                    peer.write_u32(0).await?;
                } else {
                    peer.write_u8(0).await?;
                }
                peer.write_u32(reason.len() as u32).await?;
                peer.write_all(reason.as_bytes()).await?;
                return Ok(false);
            }
        };
        if self.script.version == Version::V3_3 {
            peer.write_u32(types[0].into()).await?;
        } else {
            peer.write_u8(types.len() as u8).await?;
            peer.write_all(&types).await?;
            let chosen = peer.read_u8().await?;
            assert!(types.contains(&chosen), "the gateway chose {chosen}, which was not offered");
        }
        Ok(true)
    }

    async fn authenticate(&self, peer: &mut Box<dyn Duplex>) -> io::Result<bool> {
        let version = self.script.version;
        let Security::Password(password) = &self.script.security else {
            // Without authentication, only version 3.8 sends a result (RFC 6143 §7.1.3).
            if version == Version::V3_8 {
                peer.write_u32(0).await?;
            }
            return Ok(true);
        };
        peer.write_all(&CHALLENGE).await?;
        let mut response = [0; 16];
        peer.read_exact(&mut response).await?;
        if VncPassword::new(password).accepts(&CHALLENGE, &response) {
            peer.write_u32(0).await?;
            return Ok(true);
        }
        const WHY: &str = "Authentication failed";
        peer.write_u32(1).await?;
        if version == Version::V3_8 {
            peer.write_u32(WHY.len() as u32).await?;
            peer.write_all(WHY.as_bytes()).await?;
        }
        Ok(false)
    }
}
