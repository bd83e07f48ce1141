//! The entrance for viewers. A door has its place from the start, and opens when the device is
//! online.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

use crate::local::Local;
use crate::socket_path::SocketPath;

/// The most viewers that wait to be accepted: a door serves one person.
const BACKLOG: u32 = 64;

/// The entrance for viewers: a TCP port, a unix socket, or standard input and output.
#[derive(Debug)]
pub struct Door(State);

#[derive(Debug)]
enum State {
    TcpClosed(TcpSocket),
    Tcp(TcpListener),
    UnixClosed(UnixSocket, SocketPath),
    Unix {
        listener: UnixListener,
        _path: SocketPath,
    },
    /// For one viewer, which is there already.
    Stdio,
    /// The door accepts no more viewers.
    Shut,
}

impl Door {
    /// Reserves a TCP port. Connections to it are refused until the device is online.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let bound = match bind(address, false) {
            // Remaining connections of an earlier connector allow this; a connector that holds the
            // port does not.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind(address, true),
            bound => bound,
        };
        Ok(Self(State::TcpClosed(reserve(bound?)?)))
    }

    /// Binds a unix socket at this path, for this user only. A socket that no program holds is
    /// replaced.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let (socket, path) = SocketPath::bind(path)?;
        Ok(Self(State::UnixClosed(socket, path)))
    }

    /// Standard input and output, for one viewer.
    #[must_use]
    pub fn stdio() -> Self {
        Self(State::Stdio)
    }

    /// The address of a TCP port. `None` for other kinds of door.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            State::TcpClosed(socket) => socket.local_addr().ok(),
            State::Tcp(listener) => listener.local_addr().ok(),
            _ => None,
        }
    }

    pub(crate) fn is_for_one(&self) -> bool {
        matches!(self.0, State::Stdio)
    }

    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.0 = match std::mem::replace(&mut self.0, State::Shut) {
            State::TcpClosed(socket) => State::Tcp(listen(socket)?),
            State::UnixClosed(socket, path) => State::Unix { listener: socket.listen(BACKLOG)?, _path: path },
            open => open,
        };
        Ok(())
    }

    /// Closes the door: waiting viewers are turned away, and the door's place is free.
    pub(crate) fn shut(&mut self) {
        self.0 = State::Shut;
    }

    /// The next viewer. Cancel-safe.
    pub(crate) async fn viewer(&mut self) -> io::Result<Local> {
        match &self.0 {
            State::Tcp(listener) => Ok(Local::tcp(listener.accept().await?.0)),
            State::Unix { listener, .. } => Ok(Local::Unix(listener.accept().await?.0)),
            State::Stdio => {
                self.shut();
                Ok(Local::stdio())
            }
            State::TcpClosed(_) | State::UnixClosed(..) | State::Shut => std::future::pending().await,
        }
    }
}

fn bind(address: SocketAddr, beside: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(beside)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Reserves the port of a bound socket that does not listen yet. It excludes others only while it
/// allows no reuse itself.
fn reserve(socket: TcpSocket) -> io::Result<TcpSocket> {
    socket.set_reuseaddr(false)?;
    Ok(socket)
}

/// Starts to listen, which excludes others in any case. Its connections outlive the socket for a
/// minute, and must allow reuse to the next connector.
fn listen(socket: TcpSocket) -> io::Result<TcpListener> {
    socket.set_reuseaddr(true)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_unix_socket_is_private_replaces_a_dead_one_and_is_removed_with_its_door() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("viewer.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a dead one"));
        let mut door = Door::unix(&path).expect("door");
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        door.open().expect("open");
        assert_eq!(Door::unix(&path).map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        drop(door);
        assert!(!path.exists());
        fs::write(&path, "a file").expect("written");
        let kept = Door::unix(&path).map(drop).map_err(|error| error.kind());
        assert_eq!(kept, Err(io::ErrorKind::AlreadyExists));
    }

    #[tokio::test]
    async fn a_door_refuses_connections_before_it_opens() {
        let mut door = Door::tcp(([127, 0, 0, 1], 0).into()).expect("door");
        let address = door.address().expect("a place");
        let early = std::net::TcpStream::connect(address);
        assert_eq!(early.map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionRefused));
        door.open().expect("open");
        std::net::TcpStream::connect(address).expect("it is open");
    }

    #[tokio::test]
    async fn a_port_is_reserved_before_the_door_opens_and_free_for_the_next_connector() {
        let mut door = Door::tcp(([127, 0, 0, 1], 0).into()).expect("door");
        let address = door.address().expect("a place");
        let taken = |tried: io::Result<()>| tried.map_err(|error| error.kind());
        assert_eq!(taken(Door::tcp(address).map(drop)), Err(io::ErrorKind::AddrInUse));
        // The standard library's listener allows reuse, as servers do.
        assert_eq!(taken(std::net::TcpListener::bind(address).map(drop)), Err(io::ErrorKind::AddrInUse));
        door.open().expect("open");
        let viewer = std::net::TcpStream::connect(address).expect("it is open");
        // This side closes first: the connection outlives the door for a minute.
        drop((door.viewer().await.expect("a viewer"), door, viewer));
        let mut after = Door::tcp(address).expect("it is free");
        assert_eq!(taken(Door::tcp(address).map(drop)), Err(io::ErrorKind::AddrInUse));
        after.open().expect("open");
        std::net::TcpStream::connect(address).expect("it is open");
    }
}
