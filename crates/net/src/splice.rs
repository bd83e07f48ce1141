//! Transfer from one TCP connection to another inside the kernel, by `splice(2)` through a pipe of
//! this thread.
//!
//! Copies limit bulk transfers, and this transfer makes none. The pipe is empty between two polls:
//! bytes that the receiver does not take at once are read out into its outbox. So no session holds
//! a pipe.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use rustix::pipe::{PipeFlags, SpliceFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// The most bytes at once, which become one WebSocket frame. A browser buffers a whole frame until
/// its end has arrived.
pub const MOST: usize = 128 * 1024;

/// A pipe, and the number of bytes in it.
struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    held: usize,
}

thread_local! {
    static PIPE: RefCell<Option<Pipe>> = const { RefCell::new(None) };
}

/// Bytes in the pipe, taken from one connection and not yet written to the other.
pub struct Taken(Pipe);

/// Takes up to [`MOST`] bytes that wait in `from`. Returns `None` at its end. After an error, no
/// byte was taken, and an ordinary read reports the actual error of the connection.
pub fn poll_take(from: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Option<Taken>>> {
    let idle = PIPE.take();
    let mut pipe = idle.map_or_else(Pipe::open, Ok)?;
    let taken = loop {
        let is_ready = from.poll_read_ready(cx);
        if is_ready.is_pending() {
            PIPE.set(Some(pipe));
            return Poll::Pending;
        }
        ready!(is_ready)?;
        match from.try_io(Interest::READABLE, || splice(from, &pipe.into, MOST)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            taken => break taken,
        }
    };
    if let Ok(count @ 1..) = taken {
        pipe.held = count;
        return Poll::Ready(Ok(Some(Taken(pipe))));
    }
    PIPE.set(Some(pipe));
    Poll::Ready(taken.map(|_| None))
}

impl Taken {
    /// Returns the number of bytes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.held
    }

    /// Writes `head` and the bytes after it to `to`, and appends the part that it does not take to
    /// `rest`.
    pub fn put(self, head: &[u8], to: &TcpStream, rest: &mut Vec<u8>) -> io::Result<()> {
        let Self(mut pipe) = self;
        let sent = match head {
            [] => 0,
            _ => some(to.try_io(Interest::WRITABLE, || Ok(rustix::net::send(to, head, SendFlags::MORE)?)))?,
        };
        rest.extend_from_slice(&head[sent..]);
        while sent == head.len() && pipe.held > 0 {
            let put = some(to.try_io(Interest::WRITABLE, || splice(&pipe.out, to, pipe.held)))?;
            if put == 0 {
                break;
            }
            pipe.held -= put;
        }
        pipe.empty(rest)?;
        PIPE.set(Some(pipe));
        Ok(())
    }
}

impl Pipe {
    fn open() -> io::Result<Self> {
        let (out, into) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // This fails if the user has too many pipes. The smaller pipe then moves fewer bytes at
        // once.
        let _ = rustix::pipe::fcntl_setpipe_size(&into, MOST);
        Ok(Self { out, into, held: 0 })
    }

    /// Reads all bytes out of the pipe.
    fn empty(&mut self, rest: &mut Vec<u8>) -> io::Result<()> {
        let at = rest.len();
        rest.resize(at + self.held, 0);
        let mut read = at;
        while read < rest.len() {
            match rustix::io::read(&self.out, &mut rest[read..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => read += count,
            }
        }
        self.held = 0;
        Ok(())
    }
}

fn splice(from: impl rustix::fd::AsFd, to: impl rustix::fd::AsFd, most: usize) -> io::Result<usize> {
    Ok(rustix::pipe::splice(from, None, to, None, most, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
}

/// Turns "would block" into 0 bytes.
fn some(done: io::Result<usize>) -> io::Result<usize> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        done => done,
    }
}
