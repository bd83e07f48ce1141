//! The values that several messages share: roles, channel bindings, availability and causes.

use crate::frame::FrameError;
use crate::wire::Reader;

/// The side of a session that a peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// A device, which waits for connections.
    Agent = 1,
    /// A viewer's side, which asks for connections.
    Connector = 2,
}

/// The channel binding that the server can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Binding {
    /// No binding: TLS ends before the server, or there is no TLS.
    None = 0,
    /// The TLS connection's exporter (RFC 9266).
    TlsExporter = 1,
}

/// The state of a watched peer, as the server tells it to a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Availability {
    /// The connector may not know the state, or the server cannot determine it at this moment.
    Unknown = 0,
    /// The peer is online, and accepts connections from this connector.
    Available = 1,
    /// The peer is offline, or the address does not exist.
    Unavailable = 2,
}

/// The reason why an agent does not open a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// The connection failed.
    Failed = 0,
    /// The gateway would be the other end, and the agent accepts end-to-end connections only.
    EndToEndOnly = 1,
}

macro_rules! byte_enum {
    ($type:ident $what:literal $($variant:ident)+) => {
        impl $type {
            pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
                let byte = reader.u8()?;
                $(if byte == Self::$variant as u8 { return Ok(Self::$variant); })+
                Err(FrameError::Value($what))
            }
        }
    };
}
byte_enum!(Role "role" Agent Connector);
byte_enum!(Binding "binding" None TlsExporter);

impl Availability {
    /// Reads the state. A later version's value counts as unknown.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(match reader.u8()? {
            1 => Self::Available,
            2 => Self::Unavailable,
            _ => Self::Unknown,
        })
    }
}

impl Cause {
    /// Reads the cause. A later version's cause counts as a failure; the message's text explains
    /// it.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(if reader.u8()? == Self::EndToEndOnly as u8 { Self::EndToEndOnly } else { Self::Failed })
    }
}
