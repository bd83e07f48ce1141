//! The path of a unix socket: one program's at a time, and gone with it.
//!
//! A socket that is bound and does not listen yet cannot be told from a dead one by asking it. So whoever has the path holds
//! a lock on a file beside it, from before it looks whether the socket is dead until the socket is gone.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use tokio::net::UnixSocket;

/// A path that is ours.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    /// Which file it was when we made it.
    made: Inode,
    // Dropped after the socket is gone.
    _lock: Lock,
}

type Inode = (u64, u64);

impl SocketPath {
    /// Binds a socket there, for this user only. One that nobody holds any more is replaced.
    pub(crate) fn bind(path: &Path) -> io::Result<(UnixSocket, Self)> {
        let lock = Lock::take(path)?;
        remove_dead(path)?;
        let socket = UnixSocket::new_stream()?;
        // Linux gives the path the mode that the socket has. Elsewhere it is narrowed below, before anybody can connect.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.bind(path)?;
        #[cfg(not(target_os = "linux"))]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let made = inode(&fs::symlink_metadata(path)?);
        Ok((socket, Self { path: path.to_owned(), made, _lock: lock }))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // What somebody else has put there is not ours to take away; where it is gone already, nothing is left to do.
        if fs::symlink_metadata(&self.path).is_ok_and(|there| inode(&there) == self.made) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A lock on `PATH.lock`, which goes with it.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(of: &Path) -> io::Result<Self> {
        let mut name = OsString::from(of);
        name.push(".lock");
        let path = PathBuf::from(name);
        loop {
            // The folder may be everybody's, as /tmp is: somebody may have put a link or a file of theirs there.
            let file = transom_folder::own_file(&path).map_err(io::Error::other)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let locked = inode(&file.metadata()?);
            // Whoever had it may have taken the file away between the two lines: then it is no lock for those who come next.
            if fs::symlink_metadata(&path).is_ok_and(|there| inode(&there) == locked) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock is held still: the file is ours.
        let _ = fs::remove_file(&self.path);
    }
}

fn inode(metadata: &fs::Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

fn remove_dead(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_is_one_programs_at_a_time_before_it_listens_too() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("viewer.sock");
        let (socket, held) = SocketPath::bind(&path).expect("it is free");
        let taken = SocketPath::bind(&path).map(drop).map_err(|error| error.kind());
        assert_eq!(taken, Err(io::ErrorKind::AddrInUse));
        let listener = socket.listen(1).expect("it is still ours");
        UnixStream::connect(&path).expect("and so is what stands there");
        drop((listener, held));
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
        drop(SocketPath::bind(&path).expect("it is free again"));
    }

    #[tokio::test]
    async fn what_somebody_else_has_put_there_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("viewer.sock");
        let (_socket, held) = SocketPath::bind(&path).expect("it is free");
        fs::remove_file(&path).expect("somebody takes it away");
        let _other = std::os::unix::net::UnixListener::bind(&path).expect("and binds there");
        drop(held);
        UnixStream::connect(&path).expect("the other one's");
    }
}
