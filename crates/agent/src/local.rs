//! The near end of a session: a viewer at a connector, a target at an agent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf, Stdin, Stdout};
use tokio::net::{TcpStream, UnixStream};

pub(crate) enum Local {
    Tcp(TcpStream),
    Unix(UnixStream),
    Stdio(Box<Join<Stdin, Stdout>>),
}

impl Local {
    pub(crate) fn tcp(tcp: TcpStream) -> Self {
        // A key press must not wait for the next one. If this fails, the socket is gone, and the
        // first read fails as well.
        let _ = tcp.set_nodelay(true);
        Self::Tcp(tcp)
    }

    pub(crate) fn stdio() -> Self {
        Self::Stdio(Box::new(tokio::io::join(tokio::io::stdin(), tokio::io::stdout())))
    }

    /// Returns whether one direction can end before the other. Standard output cannot be closed
    /// while the program runs.
    pub(crate) fn has_halves(&self) -> bool {
        !matches!(self, Self::Stdio(_))
    }

    /// Ends the connection with a reset, if its kind has one, so that the end does not look
    /// orderly.
    pub(crate) fn reset(&self) {
        if let Self::Tcp(tcp) = self {
            // If that fails, the socket is gone already.
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }
}

macro_rules! on_io {
    ($local:expr, $io:ident => $body:expr) => {
        match &mut *$local {
            Local::Tcp(tcp) => {
                let $io = Pin::new(tcp);
                $body
            }
            Local::Unix(unix) => {
                let $io = Pin::new(unix);
                $body
            }
            Local::Stdio(stdio) => {
                let $io = Pin::new(&mut **stdio);
                $body
            }
        }
    };
}

impl AsyncRead for Local {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_io!(self, io => io.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Local {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_io!(self, io => io.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_io!(self, io => io.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_io!(self, io => io.poll_shutdown(cx))
    }
}
