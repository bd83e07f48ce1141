//! The report: what an agent says of its machine when it joins, for the people who look after it. Nothing is decided by it but
//! what they are told.
//!
//! ```text
//! text host name · 16 run · 32 key · u8 count of targets · text each
//! ```

use crate::endpoint_key::PublicKey;
use crate::frame::{Frame, FrameError};
use crate::wire::Reader;

/// The longest name of a machine (RFC 1035 §2.3.4).
pub const MAX_HOST_NAME: usize = 255;
/// So many targets are told of: all together fit into a frame.
pub const MAX_TARGETS: usize = 8;
/// The longest target that is told whole, `NAME=HOST:PORT`.
pub const MAX_TARGET: usize = 128;

/// What an agent says of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the machine calls itself.
    pub host_name: String,
    /// Drawn when the agent starts: two machines with one identity differ in it, and one that comes back does not.
    pub run: [u8; 16],
    /// The key that it shows to who connects.
    pub key: PublicKey,
    /// Where it forwards to, as it was told: the first [`MAX_TARGETS`] of them.
    pub targets: Vec<String>,
}

impl Report {
    pub(crate) fn write(&self, frame: Frame) -> Frame {
        let Self { host_name, run, key, targets } = self;
        let told = &targets[..targets.len().min(MAX_TARGETS)];
        let count = u8::try_from(told.len()).unwrap_or_default();
        let head = frame.text(host_name, MAX_HOST_NAME).bytes(run).bytes(&key.bytes()).bytes(&[count]);
        told.iter().fold(head, |frame, target| frame.text(target, MAX_TARGET))
    }

    /// The report at the end of a message; none where nothing follows, or what a later version puts in its place: nobody is turned
    /// away for it.
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
