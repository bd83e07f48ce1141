//! Fresh ids and tokens from the operating system's random source.

use aws_lc_rs::{digest, rand};
use transom_model::id::RequestId;
use transom_model::secret::Secret;
use uuid::Uuid;

/// Returns random bytes.
///
/// # Panics
/// If the operating system provides no random bytes, since no safe alternative exists.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Returns a random UUID.
#[must_use]
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(bytes()).into_uuid()
}

/// Returns a UUID that sorts by its time of creation.
#[must_use]
pub fn ordered_uuid() -> Uuid {
    Uuid::now_v7()
}

/// Returns a request id. It sorts by time, since the audit finds records by it, and an index that
/// grows at its end is cheap to write.
#[must_use]
pub fn request_id() -> RequestId {
    RequestId::from_uuid(ordered_uuid())
}

/// Returns the id of the call that will present this ticket.
///
/// Its short form depends on the ticket alone, so the exchange can send it to the page in advance.
/// A page cannot read the answer to a WebSocket handshake that fails.
#[must_use]
pub fn request_id_by(ticket: &str) -> RequestId {
    const PURPOSE: &[u8] = b"transom request\0";
    let digest = digest::digest(&digest::SHA256, &[PURPOSE, ticket.as_bytes()].concat());
    let mut end = [0; 4];
    end.copy_from_slice(&digest.as_ref()[..4]);
    request_id().ending(end)
}

/// Returns a URL-safe token of 256 random bits.
#[must_use]
pub fn token() -> Secret {
    Secret::from_random(&bytes::<32>())
}
