//! A connection to a fake VNC server after its handshake. The test controls its output and can read
//! its input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::duplex::Duplex;
use crate::wait::within;

/// A write on loopback that takes this long has met back-pressure.
const STALLED: Duration = Duration::from_millis(300);
/// The size of one write in a flood.
const WAVE: usize = 64 * 1024;

/// A connection of a viewer. Dropping it closes the connection.
pub struct Guest {
    orders: mpsc::UnboundedSender<Order>,
    heard: watch::Receiver<Heard>,
    taken: usize,
    flood: Arc<Flood>,
    _tasks: JoinSet<()>,
}

enum Order {
    Send(Vec<u8>),
    Flood(u64),
    Finish,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
}

#[derive(Default)]
struct Flood {
    sent: AtomicU64,
    stalled: Notify,
}

impl Guest {
    pub(super) fn new(peer: Box<dyn Duplex>) -> Self {
        let (reader, writer) = split(peer);
        let (orders, to_do) = mpsc::unbounded_channel();
        let (hears, heard) = watch::channel(Heard::default());
        let flood = Arc::new(Flood::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(reader, hears));
        tasks.spawn(obey(writer, to_do, Arc::clone(&flood)));
        Self { orders, heard, taken: 0, flood, _tasks: tasks }
    }

    /// Sends bytes to the viewer.
    pub fn send(&self, bytes: &[u8]) {
        self.order(Order::Send(bytes.to_vec()));
    }

    /// Sends this many bytes as fast as the viewer accepts them. Byte `n` is `n % 251`.
    pub fn flood(&self, bytes: u64) {
        self.order(Order::Flood(bytes));
    }

    /// Closes the server's half of the connection and continues to receive.
    pub fn finish(&self) {
        self.order(Order::Finish);
    }

    fn order(&self, order: Order) {
        // A closed connection ignores orders; later steps of the test detect that.
        let _ = self.orders.send(order);
    }

    /// The number of flood bytes that the socket has accepted.
    #[must_use]
    pub fn flooded(&self) -> u64 {
        self.flood.sent.load(Ordering::SeqCst)
    }

    /// Waits until the flood meets back-pressure. Returns the number of bytes accepted.
    pub async fn stalled(&self) -> u64 {
        within("back-pressure", self.flood.stalled.notified()).await;
        self.flooded()
    }

    /// Reads the next `count` bytes from the viewer.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        let until = self.taken + count;
        let wanted = self.heard.wait_for(|heard| heard.bytes.len() >= until || heard.ended);
        let heard = within("bytes from the viewer", wanted).await.expect("its task runs");
        assert!(heard.bytes.len() >= until, "the console ended after {:?}", &heard.bytes[self.taken..]);
        let bytes = heard.bytes[self.taken..until].to_vec();
        self.taken = until;
        bytes
    }

    /// Waits for the gateway to close its half. Returns the bytes not read before.
    pub async fn ended(&mut self) -> Vec<u8> {
        let ended = within("the end of the console", self.heard.wait_for(|heard| heard.ended)).await;
        ended.expect("its task runs").bytes[self.taken..].to_vec()
    }

    /// Returns everything that the viewer has sent.
    #[must_use]
    pub fn heard(&self) -> Vec<u8> {
        self.heard.borrow().bytes.clone()
    }
}

async fn listen(mut reader: ReadHalf<Box<dyn Duplex>>, heard: watch::Sender<Heard>) {
    let mut buffer = vec![0; WAVE];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => heard.send_modify(|heard| heard.bytes.extend_from_slice(&buffer[..count])),
        }
    }
    heard.send_modify(|heard| heard.ended = true);
    // The received bytes outlive the connection while a reader waits for them.
    heard.closed().await;
}

async fn obey(
    mut writer: WriteHalf<Box<dyn Duplex>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    flood: Arc<Flood>,
) {
    while let Some(order) = orders.recv().await {
        let done = match order {
            Order::Send(bytes) => writer.write_all(&bytes).await,
            Order::Flood(bytes) => pour(&mut writer, bytes, &flood).await,
            Order::Finish => writer.shutdown().await,
        };
        if done.is_err() {
            return;
        }
    }
}

async fn pour(writer: &mut WriteHalf<Box<dyn Duplex>>, bytes: u64, flood: &Flood) -> std::io::Result<()> {
    let mut sent = 0;
    while sent < bytes {
        let wave: Vec<u8> = (sent..bytes.min(sent + WAVE as u64)).map(|n| (n % 251) as u8).collect();
        let mut rest = &wave[..];
        while !rest.is_empty() {
            let count = match timeout(STALLED, writer.write(rest)).await {
                Ok(written) => written?,
                Err(_) => {
                    flood.stalled.notify_one();
                    writer.write(rest).await?
                }
            };
            rest = &rest[count..];
            sent += count as u64;
            flood.sent.store(sent, Ordering::SeqCst);
        }
    }
    Ok(())
}
