//! Tests of the test desktop through its front door: a real socket, and the handshake of the
//! gateway.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transom_desktop::{Desktop, HEIGHT, RunningDesktop, VncPassword, WIDTH};
use transom_rfb::{
    InstanceCredentials, InstanceHandshake, InstanceHandshakeError, InstanceProgress, ServerInit,
};

/// A generous deadline. All steps take milliseconds on one machine, except the clock, which takes a
/// second.
const DEADLINE: Duration = Duration::from_secs(10);

struct Viewer {
    stream: TcpStream,
    /// Pixels as `0xRRGGBB`, row by row.
    pixels: Vec<u32>,
}

/// A rectangle as it was received: x, y, width, height.
type Rectangle = [u16; 4];

impl Viewer {
    async fn open(
        desktop: &RunningDesktop,
        credentials: InstanceCredentials,
    ) -> Result<(Self, ServerInit), InstanceHandshakeError> {
        let mut stream = TcpStream::connect(desktop.local_addr()).await.unwrap();
        let mut machine = InstanceHandshake::new(credentials);
        let mut chunk = [0; 512];
        loop {
            let len = timeout(DEADLINE, stream.read(&mut chunk)).await.unwrap().unwrap();
            if len == 0 {
                return Err(machine.closed());
            }
            let mut input = &chunk[..len];
            let progress = machine.receive(&mut input)?;
            stream.write_all(&machine.take_output()).await.unwrap();
            if let InstanceProgress::Done(init) = progress {
                assert!(input.is_empty(), "nothing is sent without a request");
                let pixels = vec![0; usize::from(WIDTH) * usize::from(HEIGHT)];
                return Ok((Self { stream, pixels }, init));
            }
        }
    }

    async fn watch(desktop: &RunningDesktop) -> Self {
        Self::open(desktop, InstanceCredentials::default()).await.unwrap().0
    }

    async fn send(&mut self, message: &[u8]) {
        self.stream.write_all(message).await.unwrap();
    }

    async fn request(&mut self, incremental: bool) {
        self.send(
            &[&[3, u8::from(incremental), 0, 0, 0, 0], &WIDTH.to_be_bytes()[..], &HEIGHT.to_be_bytes()]
                .concat(),
        )
        .await;
    }

    async fn press(&mut self, keysym: u32) {
        for down in [1, 0] {
            self.send(&[&[4, down, 0, 0], &keysym.to_be_bytes()[..]].concat()).await;
        }
    }

    async fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        timeout(DEADLINE, self.stream.read_exact(&mut bytes)).await.expect("an answer in time").unwrap();
        bytes
    }

    /// Reads one FramebufferUpdate in 32 bits, and paints it.
    async fn update(&mut self) -> Vec<Rectangle> {
        let header = self.read(4).await;
        assert_eq!(header[0], 0, "a FramebufferUpdate");
        let mut rectangles = Vec::new();
        for _ in 0..u16::from_be_bytes([header[2], header[3]]) {
            let header = self.read(12).await;
            let [x, y, width, height] =
                [0, 2, 4, 6].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
            assert_eq!(header[8..], [0; 4], "Raw");
            let content = self.read(usize::from(width) * usize::from(height) * 4).await;
            let rows = content.chunks(usize::from(width) * 4);
            for (row, pixels) in rows.enumerate() {
                let start = (usize::from(y) + row) * usize::from(WIDTH) + usize::from(x);
                for (slot, pixel) in self.pixels[start..].iter_mut().zip(pixels.as_chunks().0) {
                    *slot = u32::from_le_bytes(*pixel);
                }
            }
            rectangles.push([x, y, width, height]);
        }
        rectangles
    }

    /// Waits until the desktop has handled all input, by a request for a whole picture.
    async fn settle(&mut self) {
        self.request(false).await;
        self.update().await;
    }

    /// Waits for a picture in which `area` differs from this viewer's. The desktop decides when to
    /// paint.
    async fn change(&mut self, area: Rectangle) {
        let before = self.cut(area);
        let changed = async {
            while self.cut(area) == before {
                self.request(true).await;
                self.update().await;
            }
        };
        timeout(DEADLINE, changed).await.expect("a change in time");
    }

    fn cut(&self, [x, y, width, height]: Rectangle) -> Vec<u32> {
        let rows = self.pixels.chunks(usize::from(WIDTH)).skip(y.into()).take(height.into());
        rows.flat_map(|row| &row[usize::from(x)..usize::from(x + width)]).copied().collect()
    }
}

/// The first characters in the keyboard's panel, without the cursor of an empty line.
const FIRST_LINE: Rectangle = [54, 200, 100, 14];

async fn desktop() -> RunningDesktop {
    Desktop::new().bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test]
async fn a_viewer_gets_a_picture() {
    let desktop = desktop().await;
    let (mut viewer, init) = Viewer::open(&desktop, InstanceCredentials::default()).await.unwrap();
    assert_eq!(
        (init.width, init.height, init.display_name().as_str()),
        (WIDTH, HEIGHT, "Transom test desktop")
    );
    viewer.request(false).await;
    assert_eq!(viewer.update().await, [[0, 0, WIDTH, HEIGHT]]);
    viewer.change([0, 0, WIDTH, 48]).await;
    let mut bars = viewer.cut([0, 20, WIDTH, 1]);
    bars.dedup();
    assert!(bars.len() >= 8, "colour bars: {bars:x?}");
}

#[tokio::test]
async fn the_old_versions_are_served_too() {
    let desktop = desktop().await;
    let dialogues: [(&[u8], &[u8]); 2] =
        [(b"RFB 003.003\n\x01", b"\0\0\0\x01"), (b"RFB 003.007\n\x01\x01", b"\x01\x01")];
    for (says, hears) in dialogues {
        let stream = TcpStream::connect(desktop.local_addr()).await.unwrap();
        let mut viewer = Viewer { stream, pixels: Vec::new() };
        viewer.send(says).await;
        assert_eq!(viewer.read(12).await, b"RFB 003.008\n");
        assert_eq!(viewer.read(hears.len()).await, hears);
        assert!(ServerInit::parse(&viewer.read(44).await).is_ok());
    }
}

#[tokio::test]
async fn every_viewer_sees_the_text_that_one_viewer_types() {
    let desktop = desktop().await;
    let (mut typist, mut witness) = (Viewer::watch(&desktop).await, Viewer::watch(&desktop).await);
    witness.settle().await;
    for keysym in "Hello".chars().map(u32::from).chain([0x78, 0xff08, 0xff0d, 0xe9]) {
        typist.press(keysym).await;
    }
    typist.settle().await;
    assert_eq!(desktop.typed(), "Hello\n\u{e9}");
    witness.change(FIRST_LINE).await;
    typist.settle().await;
    assert_eq!(typist.cut(FIRST_LINE), witness.cut(FIRST_LINE));
}

#[tokio::test]
async fn the_pointer_leaves_a_cross() {
    let desktop = desktop().await;
    let mut viewer = Viewer::watch(&desktop).await;
    viewer.settle().await;
    viewer.send(b"\x05\x01\x02\x00\x01\x2c").await;
    viewer.change([512 - 14, 299, 10, 2]).await;
    assert_eq!(desktop.pointer(), Some((512, 300, 1)));
}

#[tokio::test]
async fn the_clipboard_comes_back_in_capitals() {
    let desktop = desktop().await;
    let mut viewer = Viewer::watch(&desktop).await;
    viewer.send(b"\x06\0\0\0\0\0\0\x0ahello caf\xe9").await;
    viewer.press(0xffbf).await;
    assert_eq!(viewer.read(18).await, b"\x03\0\0\0\0\0\0\x0aHELLO CAF\xe9");
    assert_eq!(desktop.clipboard(), "hello caf\u{e9}");
}

#[tokio::test]
async fn a_request_for_changes_waits_for_one_and_is_answered_with_little() {
    let desktop = desktop().await;
    let mut viewer = Viewer::watch(&desktop).await;
    viewer.settle().await;
    for _ in 0..3 {
        viewer.request(true).await;
        let sent: u32 = viewer.update().await.iter().map(|[_, _, w, h]| u32::from(*w) * u32::from(*h)).sum();
        assert!((1..u32::from(WIDTH) * 100).contains(&sent), "{sent} pixels");
    }
}

#[tokio::test]
async fn pixels_come_in_the_format_that_was_asked_for() {
    let desktop = desktop().await;
    let mut viewer = Viewer::watch(&desktop).await;
    let formats: [(&[u8], usize); 2] = [
        (b"\0\0\0\0\x10\x10\0\x01\0\x1f\0\x3f\0\x1f\x0b\x05\0\0\0\0", 2),
        (b"\0\0\0\0\x08\x08\0\x01\0\x07\0\x07\0\x03\0\x03\x06\0\0\0", 1),
    ];
    for (set_pixel_format, bytes) in formats {
        viewer.send(set_pixel_format).await;
        viewer.request(false).await;
        assert_eq!(viewer.read(16).await, [0, 0, 0, 1, 0, 0, 0, 0, 3, 32, 2, 88, 0, 0, 0, 0]);
        viewer.read(usize::from(WIDTH) * usize::from(HEIGHT) * bytes).await;
    }
}

#[tokio::test]
async fn bad_messages_end_one_connection_and_no_other() {
    let desktop = desktop().await;
    let mut bystander = Viewer::watch(&desktop).await;
    let colour_map = b"\0\0\0\0\x08\x08\0\0\0\x07\0\x07\0\x03\0\x03\x06\0\0\0";
    let huge_clipboard = b"\x06\0\0\0\xff\0\0\0\x10\0\0\x01";
    for bad in [&colour_map[..], b"\x63", huge_clipboard] {
        let mut viewer = Viewer::watch(&desktop).await;
        viewer.send(bad).await;
        let end = timeout(DEADLINE, viewer.stream.read_u8()).await.unwrap();
        assert!(end.is_err(), "closed");
    }
    bystander.settle().await;
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let desktop = Desktop::with_password(VncPassword::new("secretpw")).bind("127.0.0.1:0").await.unwrap();
    let with = |password: &str| InstanceCredentials {
        password: Some(VncPassword::new(password)),
        ..InstanceCredentials::default()
    };
    assert!(Viewer::open(&desktop, with("secretpw")).await.is_ok());
    let wrong = Viewer::open(&desktop, with("wrong")).await.err().unwrap();
    assert_eq!(wrong, InstanceHandshakeError::PasswordWrong { reason: "Authentication failed".to_owned() });
    let missing = Viewer::open(&desktop, InstanceCredentials::default()).await.err().unwrap();
    assert!(matches!(missing, InstanceHandshakeError::PasswordMissing { .. }));
}

#[tokio::test]
async fn shutting_down_closes_every_connection() {
    let desktop = desktop().await;
    let (mut viewer, address) = (Viewer::watch(&desktop).await, desktop.local_addr());
    timeout(DEADLINE, desktop.shutdown()).await.unwrap();
    assert!(timeout(DEADLINE, viewer.stream.read_u8()).await.unwrap().is_err());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_desktop_that_was_full_takes_viewers_again() {
    let desktop = Desktop::new().bind("127.0.0.1:0").await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..70 {
        crowd.push(TcpStream::connect(desktop.local_addr()).await.unwrap());
    }
    // The last viewers that fit have received their greeting: the desktop is full.
    let mut greeting = [0; 12];
    for stream in &mut crowd[..64] {
        timeout(DEADLINE, stream.read_exact(&mut greeting)).await.unwrap().unwrap();
    }
    drop(crowd);
    Viewer::watch(&desktop).await;
}
