//! A view-only viewer at a real Xvnc: its necessary answers arrive, since otherwise its picture
//! would freeze.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, lab, transom};

const FENCE: u8 = 248;
const END_OF_CONTINUOUS_UPDATES: u8 = 150;
/// A SetEncodings with Raw, Fence and ContinuousUpdates.
const ENCODINGS: &[u8] = b"\x02\0\0\x03\0\0\0\0\xff\xff\xfe\xc8\xff\xff\xfe\xc7";
/// ContinuousUpdates on and off, for one pixel.
const ON: &[u8] = b"\x96\x01\0\0\0\0\0\x01\0\x01";
const OFF: &[u8] = b"\x96\0\0\0\0\0\0\x01\0\x01";
/// A fence that asks for itself back, behind all messages before it.
const ASKING: &[u8] = b"\xf8\0\0\0\x80\0\0\x01\x04here";

struct Watcher(TcpStream);

impl Watcher {
    /// Connects as the Java viewer does, up to ServerInit.
    fn open(place: &str, path: &str) -> Self {
        let stream = TcpStream::connect(place).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut watcher = Self(stream);
        watcher.send(format!("CONNECT {path} HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(&watcher.take::<19>(), b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(&watcher.take::<12>(), b"RFB 003.008\n");
        watcher.send(b"RFB 003.008\n");
        assert_eq!(watcher.take(), [1, 1]);
        watcher.send(&[1]);
        assert_eq!(watcher.take(), [0; 4]);
        watcher.send(&[1]);
        let init: [u8; 24] = watcher.take();
        let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
        watcher.skip(name as usize);
        watcher
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server takes it");
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).expect("the server says it in time");
        bytes
    }

    fn skip(&mut self, count: usize) {
        self.0.read_exact(&mut vec![0; count]).expect("the server says it in time");
    }

    /// Returns the next message's type, and a fence's flags and payload. Pictures are of one pixel
    /// each.
    fn message(&mut self) -> (u8, u32, Vec<u8>) {
        loop {
            match self.take::<1>() {
                [0] => {
                    let [_, a, b] = self.take();
                    for _ in 0..u16::from_be_bytes([a, b]) {
                        let rectangle: [u8; 12] = self.take();
                        assert_eq!(rectangle[8..], [0; 4], "raw was asked for");
                        let side =
                            |at: usize| usize::from(u16::from_be_bytes([rectangle[at], rectangle[at + 1]]));
                        self.skip(4 * side(4) * side(6));
                    }
                }
                [FENCE] => {
                    let [_, _, _, a, b, c, d, length] = self.take();
                    let mut payload = vec![0; usize::from(length)];
                    self.0.read_exact(&mut payload).expect("a payload");
                    return (FENCE, u32::from_be_bytes([a, b, c, d]), payload);
                }
                [other] => return (other, 0, Vec::new()),
            }
        }
    }

    /// Waits for a message, and answers the fences before it.
    fn until(&mut self, wanted: impl Fn(&(u8, u32, Vec<u8>)) -> bool) {
        loop {
            let message = self.message();
            if wanted(&message) {
                return;
            }
            if let (FENCE, flags, payload) = message
                && flags >> 31 == 1
            {
                let length = u8::try_from(payload.len()).expect("at most 64");
                let flags = (flags & !(1 << 31)).to_be_bytes();
                self.send(&[&[FENCE, 0, 0, 0], &flags[..], &[length], &payload].concat());
            }
        }
    }
}

#[test]
fn a_watcher_of_an_xvnc_answers_its_fences_and_follows_it_continuously() {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom());
    add(&program, "desk", &xvnc.endpoint(), "");
    let url = program.ask("console desk --project lab --kind xvpvnc --view-only");
    let path =
        url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).expect("a path");
    let mut watcher = Watcher::open(program.address(), path);
    watcher.send(ENCODINGS);
    watcher.until(|message| message.0 == END_OF_CONTINUOUS_UPDATES);
    // A key press is dropped between them. Xvnc says when it has switched them off again, and
    // returns the fence.
    watcher.send(&[ON, &[4, 1, 0, 0, 0, 0, 0, b'x'], OFF, ASKING].concat());
    watcher.until(|message| message.0 == END_OF_CONTINUOUS_UPDATES);
    watcher.until(|(kind, flags, payload)| *kind == FENCE && flags >> 31 == 0 && payload == b"here");
}
