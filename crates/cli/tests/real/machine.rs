//! A machine with a small screen, whose VNC server does on demand what real ones seldom do.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use transom_testkit::process::PATIENCE;

/// The width and height of its screen.
pub(crate) const SIZE: (u64, u64) = (64, 48);
/// A ServerInit (RFC 6143 §7.3.2) with 32 bits per pixel.
const INIT: &[u8] = b"\0\x40\0\x30\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04fake";
/// A viewer's request for the whole screen (RFC 6143 §7.5.3).
const REQUEST: &[u8] = b"\x03\0\0\0\0\0\0\x40\0\x30";
/// The head of an update of one rectangle, as large as the screen (RFC 6143 §7.6.1).
const UPDATE: &[u8] = b"\0\0\0\x01\0\0\0\0\0\x40\0\x30";

/// A fake VNC server without a password.
pub(crate) struct Machine {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Tells whether a person in front of it has to accept each viewer.
    asks: bool,
    viewers: Vec<TcpStream>,
    /// The bytes from all viewers after the handshake.
    heard: Vec<u8>,
}

impl Machine {
    /// Starts a machine that accepts every viewer.
    pub(crate) fn start() -> Self {
        Self::with(State::default())
    }

    /// Starts a machine that greets, and then asks a person whether the viewer may come in.
    pub(crate) fn that_asks() -> Self {
        Self::with(State { asks: true, ..State::default() })
    }

    fn with(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let machine = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for viewer in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A viewer that leaves is no failure.
                std::thread::spawn(move || serve(viewer, &shared));
            }
        });
        machine
    }

    /// Returns its endpoint.
    pub(crate) fn endpoint(&self) -> String {
        format!("vnc://{}", self.address)
    }

    /// Accepts the viewer, like a person in front of the machine.
    pub(crate) fn accept(&self) {
        self.shared.change(|state| state.asks = false);
    }

    /// Sends the newest viewer a picture in an unknown encoding.
    pub(crate) fn send_garbage(&self) {
        self.shared.change(|state| {
            let mut viewer = state.viewers.last().expect("a viewer is connected");
            viewer.write_all(&[UPDATE, b"\x7f\xff\xff\xff"].concat()).expect("it is connected");
        });
    }

    /// Waits until these bytes have arrived, and returns how often.
    pub(crate) fn hears(&self, bytes: &[u8]) -> usize {
        let begun = Instant::now();
        let mut state = self.shared.lock();
        loop {
            let count = state.heard.windows(bytes.len()).filter(|heard| *heard == bytes).count();
            if count > 0 {
                return count;
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "waited in vain for {bytes:02x?}");
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Performs the handshake of RFB 3.8 (RFC 6143 §7.1, §7.3), and then answers each request with a
/// picture.
fn serve(mut viewer: TcpStream, shared: &Shared) -> io::Result<()> {
    viewer.write_all(b"RFB 003.008\n")?;
    viewer.read_exact(&mut [0; 12])?;
    let asks = |state: &mut State| state.asks;
    drop(shared.changed.wait_while(shared.lock(), asks).unwrap_or_else(PoisonError::into_inner));
    viewer.write_all(b"\x01\x01")?;
    viewer.read_exact(&mut [0])?;
    viewer.write_all(&[0; 4])?;
    viewer.read_exact(&mut [0])?;
    viewer.write_all(INIT)?;
    let another = viewer.try_clone()?;
    shared.change(|state| state.viewers.push(another));
    let (mut buffer, mut recent) = ([0; 64 * 1024], Vec::new());
    loop {
        let count = viewer.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        shared.change(|state| state.heard.extend_from_slice(&buffer[..count]));
        recent.extend_from_slice(&buffer[..count]);
        if recent.windows(REQUEST.len()).any(|heard| heard == REQUEST) {
            viewer.write_all(&picture())?;
        }
        recent.drain(..recent.len().saturating_sub(REQUEST.len() - 1));
    }
}

/// Returns the whole screen in raw pixels of two colours.
fn picture() -> Vec<u8> {
    let pixels = (0..SIZE.0 * SIZE.1).flat_map(|pixel| (pixel as u32 % 2 * 0x0040_80c0).to_le_bytes());
    [UPDATE, &[0; 4]].concat().into_iter().chain(pixels).collect()
}
