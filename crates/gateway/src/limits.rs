//! Every wait of the gateway, in one place.

use std::time::Duration;

pub use transom_model::instance::HANDSHAKE as INSTANCE_HANDSHAKE;

/// A TCP connection inside a data centre stands in milliseconds; ten seconds outlast two lost SYN packets.
pub const DIAL: Duration = Duration::from_secs(10);
/// A wait for the instance that lasts longer than this has a cause that people want to know.
pub const SLOW_DIAL: Duration = Duration::from_secs(2);
/// A verdict's reason comes with it, in the same packet or the next. It only explains: what is not here by then is done without.
pub const REASON: Duration = Duration::from_secs(3);
/// Four round trips over a bad mobile network, and no time for a slow loris.
pub const VIEWER_HANDSHAKE: Duration = Duration::from_secs(15);
/// Proxies in front drop connections that are idle for 60 seconds, some after 30. Two beats fit into [`VIEWER_SILENCE`].
pub const BEAT_EVERY: Duration = Duration::from_secs(10);
/// A viewer that can come back and has answered neither of two beats, nor taken anything, has lost its line: giving it up
/// soon is what brings it back soon. A page gives up after 25 seconds, so that one that can still be heard goes first.
pub const VIEWER_SILENCE: Duration = Duration::from_secs(28);
/// A viewer that cannot come back is waited for longer: its session ends with its line. So is any viewer for which bytes wait, and
/// that takes none of them, whatever it says meanwhile.
pub const VIEWER_LOST: Duration = Duration::from_secs(65);
/// The end of a session is told so long before it.
pub const ENDING_NOTICE: Duration = Duration::from_secs(5 * 60);
/// An instance that takes no input for this long hangs; its viewer is not heard meanwhile.
pub const INSTANCE_STALL: Duration = Duration::from_secs(65);
/// How long a close frame may take to be answered before the connection is dropped.
pub const CLOSE: Duration = Duration::from_secs(3);
/// What remains to be sent after the instance closed may take this long.
pub const LINGER: Duration = Duration::from_secs(5);
