//! A real vncdotool: a viewer without a window, which types and saves screenshots.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::process::PATIENCE;
use crate::program::Answer;

/// The offset in a BMP file of the four bytes that locate its pixels.
const PIXELS_AT: usize = 10;

/// A client of one VNC server. Each operation opens a connection of its own.
#[derive(Clone, Debug)]
pub struct Vncdotool {
    server: String,
}

impl Vncdotool {
    /// A client of the VNC server at this address, `HOST:PORT`.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self { server: address.replace(':', "::") }
    }

    /// Types a line.
    ///
    /// # Panics
    /// Panics if vncdotool is not installed or fails, with its reason.
    pub fn types(&self, line: &str) {
        self.does(&["--delay", "20", "type", line, "key", "enter"]);
    }

    /// Returns the screen's pixels without the pointer: blue, green and red of each, from the
    /// bottom line up.
    ///
    /// # Panics
    /// Panics if vncdotool is not installed or fails, with its reason.
    #[must_use]
    pub fn sees(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let file = folder.path().join("screen.bmp");
        let capture = ["capture", &file.display().to_string()];
        // TigerVNC draws the pointer for a viewer that has not positioned it. In addition,
        // vncdotool draws the first rectangle of a connection into the corner, so only its second
        // capture is correct.
        self.does(&[&["--nocursor", "move", "0", "0"][..], &capture, &capture].concat());
        let mut picture = std::fs::read(&file).expect("it kept the picture");
        let (_, rest) = picture.split_at(PIXELS_AT);
        let at = rest.first_chunk().expect("a BMP file has a head");
        picture.split_off(u32::from_le_bytes(*at) as usize)
    }

    /// Waits until the screen equals another one. Returns its pixels.
    ///
    /// # Panics
    /// Panics if it does not become equal.
    #[must_use]
    pub fn sees_the_same_as(&self, other: &Self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.sees();
            if seen == other.sees() {
                return seen;
            }
            assert!(Instant::now() < deadline, "{} does not show what {} does", self.server, other.server);
        }
    }

    fn does(&self, what: &[&str]) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients/vncdotool/bin/vncdo");
        let answer = Answer::of(Command::new(program).args(["--server", &self.server]).args(what), "");
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    }
}
