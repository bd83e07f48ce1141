//! What is left of a connection when HTTP is done with it.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use crate::stream::Stream;
use crate::write_deadline::WriteDeadline;

/// The bare stream below hyper, with what it had read ahead.
pub(crate) fn stream_of(upgraded: Result<Upgraded, hyper::Error>) -> Option<Stream> {
    let parts = upgraded.ok()?.downcast::<TokioIo<WriteDeadline>>().ok()?;
    let mut stream = parts.io.into_inner().into_inner();
    stream.unread(&parts.read_buf);
    Some(stream)
}
