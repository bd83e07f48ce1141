//! Every wait of the gateway, in one place.

use std::time::Duration;

/// A TCP connection inside a data centre stands in milliseconds; ten seconds outlast two lost SYN packets.
pub const DIAL: Duration = Duration::from_secs(10);
/// VNC servers greet at once; a desktop that is being started may take some seconds for its ServerInit.
pub const INSTANCE_HANDSHAKE: Duration = Duration::from_secs(10);
/// Four round trips over a bad mobile network, and no time for a slow loris.
pub const VIEWER_HANDSHAKE: Duration = Duration::from_secs(15);
/// Proxies in front drop connections that are idle for 60 seconds; three pings fit into that.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// A viewer that answered none of three pings is gone.
pub const VIEWER_SILENCE: Duration = Duration::from_secs(65);
/// A viewer that takes nothing for this long is gone; waiting longer pins the instance's screen.
pub const VIEWER_STALL: Duration = Duration::from_secs(65);
/// An instance that takes no input for this long hangs; its viewer is not heard meanwhile.
pub const INSTANCE_STALL: Duration = Duration::from_secs(65);
/// How long a close frame may take to be answered before the connection is dropped.
pub const CLOSE: Duration = Duration::from_secs(3);
/// What remains to be sent after the instance closed may take this long.
pub const LINGER: Duration = Duration::from_secs(5);
