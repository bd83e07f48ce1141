//! The built-in test desktop of the demo: a small RFB server.
//!
//! It needs no machine: the desktop draws its own picture, which shows the viewers' input. Colour
//! bars move, a clock ticks, typed text is echoed, a cross marks the pointer, and the clipboard's
//! text is displayed. All viewers share one picture.
//!
//! ```text
//! viewer task ──► ViewerInput ──► painter task ──► Screen (pixels in tiles)
//!      ▲                                             │
//!      └── tiles that changed since the last update ◄┘
//! ```
//!
//! A slow viewer skips pictures, because no updates are queued for it.

mod canvas;
mod font;
mod picture;
mod screen;
mod shared_state;
mod viewer;
mod viewer_input;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use shared_state::SharedState;

pub use canvas::{HEIGHT, WIDTH};
pub use transom_rfb::VncPassword;

/// The most viewers at once. Each may hold the memory of one picture while it is being sent.
const MAX_VIEWERS: usize = 64;

/// A test desktop that has not been started.
#[derive(Debug, Default)]
pub struct Desktop {
    password: Option<VncPassword>,
}

impl Desktop {
    /// A desktop that anyone may open.
    pub fn new() -> Self {
        Self::default()
    }

    /// A desktop that requires a password (VNC authentication).
    pub fn with_password(password: VncPassword) -> Self {
        Self { password: Some(password) }
    }

    /// Listens on `address` and starts.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<RunningDesktop> {
        self.start(TcpListener::bind(address).await?)
    }

    /// Starts on a socket that already listens.
    pub fn start(self, listener: TcpListener) -> io::Result<RunningDesktop> {
        let local_addr = listener.local_addr()?;
        let state = Arc::new(SharedState::new());
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state), self.password, stopped));
        Ok(RunningDesktop { local_addr, state, _stop: stop, tasks })
    }
}

/// A running desktop. It ends when the handle is dropped.
#[derive(Debug)]
pub struct RunningDesktop {
    local_addr: SocketAddr,
    state: Arc<SharedState>,
    _stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl RunningDesktop {
    /// The address on which the desktop listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The typed text, with Enter as a newline. Only the last few thousand characters are stored.
    pub fn typed(&self) -> String {
        self.state.input().typed().to_owned()
    }

    /// The latest clipboard text from a viewer.
    pub fn clipboard(&self) -> String {
        self.state.input().clipboard()
    }

    /// The last position of the pointer, and its buttons: `(x, y, buttons)`. `None` before the
    /// first pointer event.
    pub fn pointer(&self) -> Option<(u16, u16, u8)> {
        self.state.input().pointer().map(|pointer| (pointer.x, pointer.y, pointer.buttons))
    }

    /// Closes every connection, and waits until all tasks have ended.
    pub async fn shutdown(self) {
        let Self { _stop, mut tasks, .. } = self;
        drop(_stop);
        while tasks.join_next().await.is_some() {}
    }
}

/// Runs the painter and all viewers. They end when this future is dropped.
async fn accept(
    listener: TcpListener,
    state: Arc<SharedState>,
    password: Option<VncPassword>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn(shared_state::paint(Arc::clone(&state)));
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            // The pattern must match any outcome. If it did not match, `select!` would disable this
            // arm, and a full desktop would stay full.
            Some(done) = tasks.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a task of the test desktop failed");
            },
            accepted = listener.accept(), if tasks.len() <= MAX_VIEWERS => match accepted {
                Ok((stream, peer)) => {
                    let serve = viewer::serve(stream, Arc::clone(&state), password.clone());
                    tasks.spawn(async move {
                        if let Err(error) = serve.await {
                            tracing::debug!(%peer, %error, "a viewer of the test desktop left");
                        }
                    });
                }
                // The process has run out of file descriptors, or the peer disconnected at once.
                // Neither affects the other viewers.
                Err(error) => {
                    tracing::warn!(%error, "the test desktop could not accept a connection");
                    tokio::time::sleep(shared_state::TICK).await;
                }
            },
        }
    }
    tasks.shutdown().await;
}
