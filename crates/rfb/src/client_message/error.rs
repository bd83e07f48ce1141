//! The errors that end a viewer's stream of messages.

/// The reason why a viewer's messages cannot be followed any further. Each text completes a
/// sentence that begins with "the viewer".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientMessageError {
    /// A message of unknown length, after which the next message cannot be found.
    #[error("sent a message of the unknown type {0}")]
    UnknownType(u8),
    /// A QEMU message of unknown length.
    #[error("sent a QEMU message (255) of the unknown sub-type {0}")]
    UnknownQemuType(u8),
    /// A QEMU audio message of unknown length.
    #[error("sent a QEMU audio message (255) with the unknown operation {0}")]
    UnknownAudioOperation(u16),
    /// A message whose length is not accepted. A filter that only checks rights drops it instead.
    #[error("sent a message of the type {number} with {len} bytes, a length that is not accepted")]
    Length {
        /// The type of the message.
        number: u8,
        /// The length of the whole message in bytes.
        len: u32,
    },
}
