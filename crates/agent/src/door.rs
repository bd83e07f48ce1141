//! Where viewers come in. A door has its place from the start, and is closed until the device is there.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

use crate::local::Local;

/// Viewers of one person.
const BACKLOG: u32 = 64;

/// Where viewers come in.
#[derive(Debug)]
pub struct Door(State);

#[derive(Debug)]
enum State {
    TcpClosed(TcpSocket),
    Tcp(TcpListener),
    UnixClosed(UnixSocket, Place),
    Unix {
        listener: UnixListener,
        _place: Place,
    },
    /// For one viewer, who is there already.
    Stdio,
    /// Nobody comes any more.
    Used,
}

/// A socket's path, which goes with it.
#[derive(Debug)]
struct Place(PathBuf);

impl Door {
    /// A TCP port. Until the device is there, connections to it are refused.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A connector that was restarted finds its port still held by connections of the one before.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self(State::TcpClosed(socket)))
    }

    /// A unix socket at this path, for this user only. One that nobody listens at any more is replaced.
    pub fn unix(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let place = Place(path.to_owned());
        // Nobody can connect yet, so nobody else is in before this.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self(State::UnixClosed(socket, place)))
    }

    /// Standard input and output, for one viewer.
    #[must_use]
    pub fn stdio() -> Self {
        Self(State::Stdio)
    }

    /// Where a TCP port is.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            State::TcpClosed(socket) => socket.local_addr().ok(),
            State::Tcp(listener) => listener.local_addr().ok(),
            _ => None,
        }
    }

    pub(crate) fn is_for_one(&self) -> bool {
        matches!(self.0, State::Stdio | State::Used)
    }

    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.0 = match std::mem::replace(&mut self.0, State::Used) {
            State::TcpClosed(socket) => State::Tcp(socket.listen(BACKLOG)?),
            State::UnixClosed(socket, place) => {
                State::Unix { listener: socket.listen(BACKLOG)?, _place: place }
            }
            open => open,
        };
        Ok(())
    }

    /// The next viewer. Cancel-safe.
    pub(crate) async fn viewer(&mut self) -> io::Result<Local> {
        match &self.0 {
            State::Tcp(listener) => Ok(Local::tcp(listener.accept().await?.0)),
            State::Unix { listener, .. } => Ok(Local::Unix(listener.accept().await?.0)),
            State::Stdio => {
                self.0 = State::Used;
                Ok(Local::stdio())
            }
            State::TcpClosed(_) | State::UnixClosed(..) | State::Used => std::future::pending().await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Where it is gone already, nothing is left to do.
        let _ = fs::remove_file(&self.0);
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_unix_socket_is_private_takes_a_dead_ones_place_and_leaves_with_its_door() {
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
    async fn nobody_gets_in_before_the_door_is_open() {
        let mut door = Door::tcp(([127, 0, 0, 1], 0).into()).expect("door");
        let address = door.address().expect("a place");
        let early = std::net::TcpStream::connect(address);
        assert_eq!(early.map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionRefused));
        door.open().expect("open");
        std::net::TcpStream::connect(address).expect("it is open");
    }
}
