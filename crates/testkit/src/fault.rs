//! A bad network between a viewer and the server: it cuts, stalls, and closes one half.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Stalled,
    HalfClosed,
    Cut,
}

/// A TCP relay that breaks when it is told to.
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    _tasks: JoinSet<()>,
}

impl FaultProxy {
    /// Starts in front of this address.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (fault, seen) = watch::channel(Fault::None);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((viewer, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(target).await else { continue };
                let ((from_viewer, to_viewer), (from_server, to_server)) =
                    (viewer.into_split(), server.into_split());
                connections.spawn(carry(from_viewer, to_server, seen.clone(), true));
                connections.spawn(carry(from_server, to_viewer, seen.clone(), false));
            }
        });
        Self { address, fault, _tasks: tasks }
    }

    /// Where viewers go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection, and refuses to carry new ones until [`heal`](Self::heal).
    pub fn cut(&self) {
        self.fault.send_replace(Fault::Cut);
    }

    /// Carries nothing, in either direction, and closes nothing.
    pub fn stall(&self) {
        self.fault.send_replace(Fault::Stalled);
    }

    /// Closes the half from the viewers to the server.
    pub fn half_close(&self) {
        self.fault.send_replace(Fault::HalfClosed);
    }

    /// Goes on.
    pub fn heal(&self) {
        self.fault.send_replace(Fault::None);
    }
}

/// Carries one direction until it ends or is broken.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut fault: watch::Receiver<Fault>,
    to_server: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let now = *fault.borrow_and_update();
        match now {
            Fault::Cut => return reset(from, to),
            Fault::HalfClosed if to_server => {
                let _ = to.shutdown().await;
                // The connection itself stays for the other direction.
                let _ = fault.wait_for(|fault| *fault == Fault::Cut).await;
                return reset(from, to);
            }
            Fault::Stalled => {
                if fault.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Fault::None | Fault::HalfClosed => {}
        }
        tokio::select! {
            changed = fault.changed() => if changed.is_err() { return },
            read = from.read(&mut buffer) => match read {
                Ok(0) => {
                    let _ = to.shutdown().await;
                    return;
                }
                Ok(count) => if to.write_all(&buffer[..count]).await.is_err() { return },
                Err(_) => return,
            },
        }
    }
}

/// A cut is not announced by a proper end: the connections are reset.
fn reset(from: OwnedReadHalf, to: OwnedWriteHalf) {
    // A connection that is gone already cannot be reset.
    let _ = from.as_ref().set_zero_linger();
    let _ = to.as_ref().set_zero_linger();
    to.forget();
}
