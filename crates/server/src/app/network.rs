//! Networks: what counts as one source where somebody's tries or connections are counted.

use std::net::IpAddr;

/// The network that counts as one source. One customer commonly holds a whole IPv6 /64; an IPv4 address stands for itself.
#[must_use]
pub(crate) fn of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::V6(octets.into())
        }
        other => other,
    }
}
