//! The way to a device, for a caller that does not know how its bytes travel.

use futures_util::future::BoxFuture;
use transom_model::audit::Origin;
use transom_model::cloud::CloudAddress;
use transom_model::end_reason::End;
use transom_model::instance::Instance;
use transom_net::Stream;

/// Opens connections to devices.
///
/// The relay implements it and the gateway calls it, so a change of one does not rebuild the other.
pub trait DialDevice: Send + Sync {
    /// Opens a connection to the first target of the device at `address`, for a console of
    /// `instance`.
    fn dial<'a>(
        &'a self,
        instance: &'a Instance,
        address: &'a CloudAddress,
        origin: &'a Origin,
    ) -> BoxFuture<'a, Result<Stream, End>>;
}
