//! The report in which an agent describes its machine when it joins. It is for the people who
//! manage the machine; the server's decisions do not depend on it.
//!
//! ```text
//! text host name · 16 run · 32 key · u8 count of targets · text each
//! ```

use crate::frame::{Frame, FrameError};
use crate::public_key::PublicKey;
use crate::wire::Reader;

/// The longest name of a machine (RFC 1035 §2.3.4).
pub const MAX_HOST_NAME: usize = 255;
/// The most targets in a report, so that the report fits into a frame.
pub const MAX_TARGETS: usize = 8;
/// The longest target, `NAME=HOST:PORT`. Longer ones are cut.
pub const MAX_TARGET: usize = 128;

/// An agent's description of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The host name of the machine.
    pub host_name: String,
    /// A random number, drawn when the agent starts. It distinguishes two machines with one
    /// identity from one machine that reconnects.
    pub run: [u8; 16],
    /// The key that the agent shows to peers.
    pub key: PublicKey,
    /// The targets as configured, at most the first [`MAX_TARGETS`].
    pub targets: Vec<String>,
}

impl Report {
    pub(crate) fn write(&self, frame: Frame) -> Frame {
        let Self { host_name, run, key, targets } = self;
        let told = targets.get(..MAX_TARGETS).unwrap_or(targets);
        let count = u8::try_from(told.len()).unwrap_or_default();
        let head = frame.text(host_name, MAX_HOST_NAME).bytes(run).bytes(&key.bytes()).bytes(&[count]);
        told.iter().fold(head, |frame, target| frame.text(target, MAX_TARGET))
    }

    /// Reads the report at the end of a message. Returns `None` if it is missing or malformed: a
    /// later version may send something else there, and the agent must still be able to join.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Self::read_whole(reader).ok()
    }

    fn read_whole(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        let host_name = reader.text(MAX_HOST_NAME)?;
        let (run, key) = (reader.array()?, PublicKey::from_bytes(reader.array()?));
        let count = usize::from(reader.u8()?);
        if count > MAX_TARGETS {
            return Err(FrameError::Long);
        }
        let targets = (0..count).map(|_| reader.text(MAX_TARGET)).collect::<Result<_, _>>()?;
        Ok(Self { host_name, run, key, targets })
    }
}
