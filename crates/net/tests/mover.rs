//! Tests of the mover: all bytes arrive in order, by reads and inside the kernel.

use std::future::poll_fn;
use std::task::Poll;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use transom_net::mover::{BULK, Mover, Portion, Unframed};
use transom_net::{Outbox, Stream};

const READ: usize = 128 * 1024;

/// Both ends of a TCP connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.expect("a connection"), far.expect("a connection").0)
}

/// Bytes in which a lost or swapped piece is detected.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 251 % 256) as u8).collect()
}

/// Moves all bytes from `from` to `to`, and returns the number of those that left the kernel.
async fn move_all(from: TcpStream, to: TcpStream, in_kernel: bool) -> usize {
    let (mut from, mut to) = (Stream::from(from), Stream::from(to));
    let (mut mover, mut outbox, mut seen) = (Mover::default(), Outbox::default(), 0);
    let portion = Portion { most: READ, bulk: BULK, in_kernel };
    poll_fn(|cx| {
        loop {
            let Poll::Ready(drained) = outbox.poll_drain(&mut to, cx) else { return Poll::Pending };
            drained.expect("a peer that takes bytes");
            let mut sink = Unframed { stream: &mut to, outbox: &mut outbox };
            let moved = mover.poll_move(cx, &mut from, &mut sink, portion, |bytes| seen += bytes.len());
            match moved {
                Poll::Ready(moved) if moved.as_ref().is_ok_and(|count| *count == 0) => return Poll::Ready(()),
                Poll::Ready(moved) => assert!(moved.is_ok(), "{moved:?}"),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    seen
}

/// Sends `bytes` through the mover to a peer that begins to read only once the mover waits for it.
async fn carried(bytes: &[u8], in_kernel: bool) -> (Vec<u8>, usize) {
    let ((mut source, from), (to, mut sink)) = (pair().await, pair().await);
    let send = async {
        source.write_all(bytes).await.expect("a mover that reads");
        drop(source);
    };
    let receive = async {
        tokio::task::yield_now().await;
        let mut received = Vec::new();
        sink.read_to_end(&mut received).await.expect("a mover that writes");
        received
    };
    let ((), seen, received) = tokio::join!(send, move_all(from, to, in_kernel), receive);
    (received, seen)
}

#[tokio::test]
async fn bulk_arrives_whole_by_reads() {
    let bytes = pattern(8 << 20);
    let (received, seen) = carried(&bytes, false).await;
    assert!(received == bytes);
    assert_eq!(seen, bytes.len());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn bulk_arrives_whole_and_most_of_it_stays_in_the_kernel() {
    let bytes = pattern(8 << 20);
    let (received, seen) = carried(&bytes, true).await;
    assert!(received == bytes);
    assert!(seen < bytes.len() / 2, "{seen} bytes left the kernel");
}

#[tokio::test]
async fn few_bytes_never_take_the_way_of_bulk() {
    let bytes = pattern(BULK - 1);
    let (received, seen) = carried(&bytes, true).await;
    assert!(received == bytes);
    assert_eq!(seen, bytes.len());
}

#[tokio::test]
async fn bytes_that_a_peer_does_not_take_wait_in_order() {
    let (near, mut far) = pair().await;
    let (mut near, mut outbox) = (Stream::from(near), Outbox::default());
    let bytes = pattern(16 << 20);
    poll_fn(|cx| {
        for piece in bytes.chunks(1 << 20) {
            outbox.send(&mut near, cx, piece).expect("a connection");
        }
        Poll::Ready(())
    })
    .await;
    assert!((1..bytes.len()).contains(&outbox.waiting()), "{} bytes wait", outbox.waiting());
    let mut received = vec![0; bytes.len()];
    let drain = poll_fn(|cx| outbox.poll_drain(&mut near, cx));
    let (drained, read) = tokio::join!(drain, far.read_exact(&mut received));
    drained.expect("a peer that takes bytes");
    read.expect("all bytes");
    assert!(received == bytes);
    assert!(outbox.is_empty());
}
