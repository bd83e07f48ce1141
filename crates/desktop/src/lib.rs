//! The built-in test desktop that the demo shows: a small RFB server.
//!
//! It needs no machine: the picture is drawn here, and shows what viewers do to it. Colour bars move, a clock ticks, what is
//! typed is echoed, the pointer leaves a cross and the clipboard is quoted. All viewers share one picture.
//!
//! ```text
//! viewer task ──► Board (what was typed, pointed at, pasted) ──► painter task ──► Screen (pixels, tile by tile)
//!      ▲                                                                             │
//!      └───────────────── the tiles that changed since this viewer's last update ◄───┘
//! ```
//!
//! A viewer that is slow skips pictures: nothing is queued for it.

mod board;
mod canvas;
mod font;
mod picture;
mod screen;
mod stage;
mod viewer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use stage::Stage;

pub use canvas::{HEIGHT, WIDTH};
pub use transom_rfb::VncPassword;

/// Most viewers at once; each may hold one picture's worth of memory while it is being sent.
const MAX_VIEWERS: usize = 64;

/// A test desktop that has not been started.
#[derive(Debug, Default)]
pub struct Desktop {
    password: Option<VncPassword>,
}

impl Desktop {
    /// A desktop that anybody may open.
    pub fn new() -> Self {
        Self::default()
    }

    /// A desktop that asks for a password by VNC authentication.
    pub fn with_password(password: VncPassword) -> Self {
        Self { password: Some(password) }
    }

    /// Listens on `address` and starts.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<Handle> {
        self.start(TcpListener::bind(address).await?)
    }

    /// Starts on a socket that listens already.
    pub fn start(self, listener: TcpListener) -> io::Result<Handle> {
        let local_addr = listener.local_addr()?;
        let stage = Arc::new(Stage::new());
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&stage), self.password, stopped));
        Ok(Handle { local_addr, stage, _stop: stop, tasks })
    }
}

/// A desktop that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Handle {
    local_addr: SocketAddr,
    stage: Arc<Stage>,
    _stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Handle {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What was typed so far, Enter as a newline; the oldest is forgotten behind a few thousand characters.
    pub fn typed(&self) -> String {
        self.stage.board().typed().to_owned()
    }

    /// The text that a viewer's clipboard brought last.
    pub fn clipboard(&self) -> String {
        self.stage.board().clipboard()
    }

    /// Where the pointer was last, and its buttons: `(x, y, buttons)`.
    pub fn pointer(&self) -> Option<(u16, u16, u8)> {
        self.stage.board().pointer().map(|pointer| (pointer.x, pointer.y, pointer.buttons))
    }

    /// Closes every connection and waits until all its tasks have ended.
    pub async fn shutdown(self) {
        let Self { _stop, mut tasks, .. } = self;
        drop(_stop);
        while tasks.join_next().await.is_some() {}
    }
}

/// Owns the painter and all viewers; dropping them ends them.
async fn accept(
    listener: TcpListener,
    stage: Arc<Stage>,
    password: Option<VncPassword>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn(stage::paint(Arc::clone(&stage)));
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            // Any outcome is matched: an arm that does not match would no longer be waited for, and a full house stay full.
            Some(done) = tasks.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a task of the test desktop failed");
            },
            accepted = listener.accept(), if tasks.len() <= MAX_VIEWERS => match accepted {
                Ok((stream, peer)) => {
                    let serve = viewer::serve(stream, Arc::clone(&stage), password.clone());
                    tasks.spawn(async move {
                        if let Err(error) = serve.await {
                            tracing::debug!(%peer, %error, "a viewer of the test desktop left");
                        }
                    });
                }
                // Out of descriptors, or a peer that left at once: neither concerns the viewers that are here.
                Err(error) => {
                    tracing::warn!(%error, "the test desktop could not accept a connection");
                    tokio::time::sleep(stage::TICK).await;
                }
            },
        }
    }
    tasks.shutdown().await;
}
