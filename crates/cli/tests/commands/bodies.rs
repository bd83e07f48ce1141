//! The memory that a running server uses for callers who have not authenticated.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use transom_testkit::process::PATIENCE;

use crate::transom;

/// The streams of each connection, more than a server allows to be open at once.
const STREAMS: u32 = 32;
/// The length of each body, which claims to continue.
const BODY: i64 = 255_000;

/// Returns a frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An HTTP/2 connection whose requests have bodies that never end.
struct Flood {
    tcp: TcpStream,
    window: i64,
    initial: i64,
    /// For each stream that continues: the bytes sent, and the growth of its window.
    streams: HashMap<u32, (i64, i64)>,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

impl Flood {
    fn new(address: &str, path: &str) -> Self {
        let field = |name: &str, value: &str| {
            let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
            [vec![0], text(name), text(value)].concat()
        };
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "x"),
            ("content-type", "application/json"),
        ];
        let head = fields.map(|(name, value)| field(name, value)).concat();
        let mut unsent = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
        let streams = (0..STREAMS).map(|n| (2 * n + 1, (0, 0))).collect();
        for n in 0..STREAMS {
            unsent.extend(frame(1, 4, 2 * n + 1, &head));
        }
        let tcp = TcpStream::connect(address).expect("the server listens");
        tcp.set_nonblocking(true).expect("it need not wait");
        Self { tcp, window: 65_535, initial: 65_535, streams, unread: Vec::new(), unsent }
    }

    /// Reads, and sends as much as is allowed. Returns false once the connection is over.
    fn step(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        match self.tcp.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        while let Some((kind, flags, stream, payload)) = self.frame() {
            self.hear(kind, flags, stream, &payload);
        }
        for (stream, (sent, more)) in &mut self.streams {
            let most = [16_000, BODY - *sent, self.window, self.initial + *more - *sent].into_iter().min();
            let count = most.unwrap_or_default();
            if count > 0 && self.unsent.len() < 65_536 {
                let body = vec![b' '; usize::try_from(count).expect("it is more than 0")];
                self.unsent.extend(frame(0, 0, *stream, &body));
                *sent += count;
                self.window -= count;
            }
        }
        match self.tcp.write(&self.unsent) {
            Ok(count) => drop(self.unsent.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        true
    }

    fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head: [u8; 9] = self.unread.get(..9)?.try_into().ok()?;
        let end = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.unread.get(9..end)?.to_vec();
        self.unread.drain(..end);
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    fn hear(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let number = |bytes: &[u8]| i64::from(u32::from_be_bytes(bytes.try_into().expect("four bytes")));
        match kind {
            // SETTINGS, which must be acknowledged.
            4 if flags & 1 == 0 => {
                for setting in payload.chunks(6).filter(|setting| setting[..2] == [0, 4]) {
                    self.initial = number(&setting[2..]);
                }
                self.unsent.extend(frame(4, 1, 0, &[]));
            }
            // WINDOW_UPDATE
            8 if stream == 0 => self.window += number(payload),
            8 => {
                if let Some((_, more)) = self.streams.get_mut(&stream) {
                    *more += number(payload);
                }
            }
            // An answer, or the end of a stream.
            1 | 3 => drop(self.streams.remove(&stream)),
            _ => {}
        }
    }

    /// Tells whether there is still data to send.
    fn goes_on(&self) -> bool {
        self.streams.values().any(|(sent, _)| *sent < BODY)
    }
}

/// Returns the resident memory of the process in MiB.
fn memory(process: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).expect("it runs");
    let pages: u64 = statm.split(' ').nth(1).expect("the resident pages").parse().expect("a number");
    (pages * 4096) >> 20
}

#[test]
fn bodies_that_prove_nothing_do_not_fill_the_memory() {
    for (path, connections) in
        [("/v3/auth/tokens", 110), ("/console/exchange", 40), ("/api/v1/projects", 40), ("/api/v2/zec", 40)]
    {
        let mut program = transom().serving();
        let (address, process) = (program.address().to_owned(), program.server().id());
        let before = memory(process);
        let mut floods: Vec<_> = (0..connections).map(|_| Flood::new(&address, path)).collect();
        let (began, mut most, mut asked) = (Instant::now(), before, 0);
        // Ends once all data that the server accepts is sent, or once it is clear that it accepts
        // no more.
        while floods.iter().any(Flood::goes_on) && began.elapsed() < Duration::from_secs(8) {
            floods.retain_mut(Flood::step);
            most = most.max(memory(process));
            if began.elapsed() > Duration::from_secs(asked) {
                asked += 2;
                let asking = Instant::now();
                program.ask("project list");
                assert!(asking.elapsed() < PATIENCE / 2, "others wait while {path} is flooded");
            }
        }
        let grown = most - before;
        assert!(grown < 64, "{path}: {connections} connections made the memory grow by {grown} MiB");
    }
}
