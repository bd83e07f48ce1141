//! A proxy that simulates a bad network between a viewer and the server: it cuts, stalls and
//! half-closes connections.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The state of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weather {
    stalled: bool,
    half_closed: bool,
    /// The number of cuts. A connection from before the latest cut is closed.
    cuts: usize,
}

/// A TCP relay that fails on demand.
pub struct FaultProxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    _tasks: JoinSet<()>,
}

impl FaultProxy {
    /// Starts in front of this address.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (weather, seen) = watch::channel(Weather::default());
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
        Self { address, weather, _tasks: tasks }
    }

    /// The address that viewers connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection. New connections work.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Stops all traffic without closing connections.
    pub fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalled = true);
    }

    /// Resumes traffic.
    pub fn heal(&self) {
        self.weather.send_modify(|weather| weather.stalled = false);
    }

    /// Closes the direction from the viewers to the server.
    pub fn half_close(&self) {
        self.weather.send_modify(|weather| weather.half_closed = true);
    }
}

/// Forwards one direction until it ends or is cut.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    to_server: bool,
) {
    let since = weather.borrow().cuts;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let now = *weather.borrow_and_update();
        if now.cuts > since {
            return reset(from, to);
        }
        if now.half_closed && to_server {
            // The connection stays open for the other direction. A second shutdown has no effect.
            let _ = to.shutdown().await;
        }
        let blocked = now.stalled || now.half_closed && to_server;
        tokio::select! {
            changed = weather.changed() => if changed.is_err() { return },
            read = from.read(&mut buffer), if !blocked => match read {
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

/// Resets both connections, because a cut has no orderly end.
fn reset(from: OwnedReadHalf, to: OwnedWriteHalf) {
    // A connection that is already closed cannot be reset.
    let _ = from.as_ref().set_zero_linger();
    let _ = to.as_ref().set_zero_linger();
    to.forget();
}
