//! The durations of all the gateway's waits, in one place.

use std::time::Duration;

pub use transom_model::instance::HANDSHAKE as INSTANCE_HANDSHAKE;

/// The time for a TCP connection to an instance. Inside a data centre it takes milliseconds; ten
/// seconds outlast two lost SYN packets.
pub const DIAL: Duration = Duration::from_secs(10);
/// The time for a test of an endpoint. The API's limit for a request is longer.
pub const TEST: Duration = Duration::from_secs(18);
/// The wait for the instance after which the page is told its cause.
pub const SLOW_DIAL: Duration = Duration::from_secs(2);
/// The time for the explanation of a verdict, which arrives in the same packet or the next. The
/// gateway does without a late one.
pub const REASON: Duration = Duration::from_secs(3);
/// The time for a viewer's handshake: four round trips over a bad mobile network, but too short for
/// a slow loris.
pub const VIEWER_HANDSHAKE: Duration = Duration::from_secs(15);
/// The period of beats. Proxies drop connections that are idle for 60 seconds, some after 30. Two
/// beats fit into [`VIEWER_SILENCE`].
pub const BEAT_EVERY: Duration = Duration::from_secs(10);
/// The silence after which a viewer with a resume ticket counts as lost: it has answered neither of
/// two beats, and taken no bytes.
///
/// An early end lets the viewer return early. A page gives up after 25 seconds, so a page that can
/// still reach the gateway leaves first.
pub const VIEWER_SILENCE: Duration = Duration::from_secs(28);
/// The silence after which a viewer without a resume ticket counts as lost.
///
/// It is longer, because such a viewer's session ends with its connection. The same limit applies
/// to a viewer that takes no bytes although some wait for it, even if it sends messages meanwhile.
pub const VIEWER_LOST: Duration = Duration::from_secs(65);
/// The time between the notice of a session's end and that end.
pub const ENDING_NOTICE: Duration = Duration::from_secs(5 * 60);
/// The time after which an instance that takes no input counts as hung. The gateway does not read
/// from the viewer meanwhile.
pub const INSTANCE_STALL: Duration = Duration::from_secs(65);
/// The time for the answer to a close frame. After it, the connection is dropped.
pub const CLOSE: Duration = Duration::from_secs(3);
/// The time without bytes after which a session ends once its raw viewer has closed its half.
pub const LINGER: Duration = Duration::from_secs(5);
