//! Every wait of the gateway, in one place.

use std::time::Duration;

pub use transom_model::instance::HANDSHAKE as INSTANCE_HANDSHAKE;

/// A TCP connection inside a data centre takes milliseconds; ten seconds outlast two lost SYN
/// packets.
pub const DIAL: Duration = Duration::from_secs(10);
/// A wait for the instance that lasts longer than this has a cause that people want to know.
pub const SLOW_DIAL: Duration = Duration::from_secs(2);
/// A verdict's reason arrives in the same packet or the next. It only explains, so the gateway does
/// without one that is late.
pub const REASON: Duration = Duration::from_secs(3);
/// Four round trips over a bad mobile network, and no time for a slow loris.
pub const VIEWER_HANDSHAKE: Duration = Duration::from_secs(15);
/// Proxies in front drop connections that are idle for 60 seconds, some after 30. Two beats fit
/// into [`VIEWER_SILENCE`].
pub const BEAT_EVERY: Duration = Duration::from_secs(10);
/// The silence after which a viewer that can return is lost: it has answered neither of two beats,
/// and taken no bytes.
///
/// An early end brings it back early. A page gives up after 25 seconds, so a page that can still be
/// heard leaves first.
pub const VIEWER_SILENCE: Duration = Duration::from_secs(28);
/// The silence after which a viewer that cannot return is lost.
///
/// It is longer, because the viewer's session ends with its line. The same time applies to any
/// viewer for which bytes wait and that takes no byte, even if it sends messages meanwhile.
pub const VIEWER_LOST: Duration = Duration::from_secs(65);
/// The notice of a session's end precedes it by this long.
pub const ENDING_NOTICE: Duration = Duration::from_secs(5 * 60);
/// An instance that takes no input for this long hangs. The gateway does not read its viewer
/// meanwhile.
pub const INSTANCE_STALL: Duration = Duration::from_secs(65);
/// The time that a close frame's answer may take before the connection is dropped.
pub const CLOSE: Duration = Duration::from_secs(3);
/// The time for sending the rest after the instance closed.
pub const LINGER: Duration = Duration::from_secs(5);
