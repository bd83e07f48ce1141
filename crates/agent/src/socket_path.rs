//! The path of a unix socket: one program holds it at a time, and removes it in the end.
//!
//! A bound socket that does not listen yet looks like a dead one. Therefore the holder of a path
//! also locks a file beside it: from before it checks for a dead socket, until its own socket is
//! gone.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use tokio::net::UnixSocket;

/// A path that this program holds.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    /// The file that this program made.
    made: Inode,
    // The lock is dropped after the socket is gone.
    _lock: Lock,
}

type Inode = (u64, u64);

impl SocketPath {
    /// Binds a socket at the path, for this user only. A socket that no program holds is replaced.
    pub(crate) fn bind(path: &Path) -> io::Result<(UnixSocket, Self)> {
        let lock = Lock::take(path)?;
        remove_dead(path)?;
        let socket = UnixSocket::new_stream()?;
        // Linux gives the path the mode of the socket. Elsewhere it is narrowed below, before
        // anyone can connect.
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
        // A file that another program has put there is not ours to remove. If the file is gone
        // already, there is no more to do.
        if fs::symlink_metadata(&self.path).is_ok_and(|there| inode(&there) == self.made) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A lock on `PATH.lock`, which is removed with it.
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
            // The folder may be writable for all, as /tmp is: another user may have put a link or a
            // file there.
            let file = transom_folder::own_file(&path).map_err(io::Error::other)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let locked = inode(&file.metadata()?);
            // The previous holder may have removed the file between the two lines. The lock would
            // then not exclude the next program.
            if fs::symlink_metadata(&path).is_ok_and(|there| inode(&there) == locked) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock is still held, so the file is ours.
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
    async fn a_path_belongs_to_one_program_even_before_it_listens() {
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
    async fn a_socket_of_another_program_is_not_removed() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("viewer.sock");
        let (_socket, held) = SocketPath::bind(&path).expect("it is free");
        fs::remove_file(&path).expect("somebody takes it away");
        let _other = std::os::unix::net::UnixListener::bind(&path).expect("and binds there");
        drop(held);
        UnixStream::connect(&path).expect("the other one's");
    }
}
