//! A bad network between a viewer and the server: it cuts, stalls, and closes one half.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weather {
    stalled: bool,
    half_closed: bool,
    /// How often it was cut: a connection from before the last time is gone.
    cuts: usize,
}

/// A TCP relay that breaks when it is told to.
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

    /// Where viewers go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection; new ones are carried.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Carries nothing, in either direction, and closes nothing.
    pub fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalled = true);
    }

    /// Goes on.
    pub fn heal(&self) {
        self.weather.send_modify(|weather| weather.stalled = false);
    }

    /// Closes the half from the viewers to the server.
    pub fn half_close(&self) {
        self.weather.send_modify(|weather| weather.half_closed = true);
    }
}

/// Carries one direction until it ends or is broken.
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
            // The connection itself stays for the other direction; a second time changes nothing.
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

/// A cut is not announced by a proper end: the connections are reset.
fn reset(from: OwnedReadHalf, to: OwnedWriteHalf) {
    // A connection that is gone already cannot be reset.
    let _ = from.as_ref().set_zero_linger();
    let _ = to.as_ref().set_zero_linger();
    to.forget();
}
