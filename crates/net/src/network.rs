//! Networks: the unit by which attempts and connections of a source are counted.

use std::net::IpAddr;
use std::ops::Deref;

/// The prefix lengths that count, each with its shares. One customer commonly holds an IPv6 /64,
/// some hold a /56, and a site is given a /48. An address counts in all three, so the holder of
/// many narrow networks is still one source. A wider network has several shares, because it may
/// contain unrelated customers.
const IPV6: [(u8, u32); 3] = [(48, 4), (56, 2), (64, 1)];

/// The shares that a network can have.
pub const SHARES: [u32; IPV6.len()] = [IPV6[0].1, IPV6[1].1, IPV6[2].1];

/// Returns the network that counts as one source. One customer commonly holds a whole IPv6 /64. An
/// IPv4 address is a network of one.
#[must_use]
pub fn of(address: IpAddr) -> IpAddr {
    tiers(address).last().map_or(address, |tier| tier.network.0)
}

/// A network: its first address and the length of its prefix.
pub type Network = (IpAddr, u8);

/// A network that an address counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The network.
    pub network: Network,
    /// The number of single shares that the network has.
    pub shares: u32,
}

/// The networks that an address counts in, the widest first.
#[derive(Clone, Copy, Debug)]
pub struct Tiers {
    all: [Tier; IPV6.len()],
    count: usize,
}

impl Deref for Tiers {
    type Target = [Tier];

    fn deref(&self) -> &[Tier] {
        &self.all[..self.count]
    }
}

/// Returns the networks that an address counts in. An IPv4 address and this machine's addresses
/// count only as themselves.
#[must_use]
pub fn tiers(address: IpAddr) -> Tiers {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let all = IPV6.map(|(prefix, shares)| {
                let mut octets = address.octets();
                octets[usize::from(prefix) / 8..].fill(0);
                Tier { network: (IpAddr::V6(octets.into()), prefix), shares }
            });
            Tiers { all, count: IPV6.len() }
        }
        other => {
            let tier = Tier { network: (other, u8::MAX), shares: 1 };
            Tiers { all: [tier; IPV6.len()], count: 1 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_in_three_networks_and_any_other_in_its_own() {
        let networks = |address: &str| {
            let tiers = tiers(address.parse().expect("an address"));
            tiers.iter().map(|tier| format!("{} {}", tier.network.0, tier.shares)).collect::<Vec<_>>()
        };
        assert_eq!(
            networks("2001:db8:1:203::4"),
            ["2001:db8:1:: 4", "2001:db8:1:200:: 2", "2001:db8:1:203:: 1"]
        );
        assert_eq!(networks("192.0.2.1"), ["192.0.2.1 1"]);
        assert_eq!(networks("::ffff:192.0.2.1"), ["192.0.2.1 1"]);
        assert_eq!(networks("::1"), ["::1 1"]);
        assert_eq!(of("2001:db8:1:203::4".parse().expect("an address")).to_string(), "2001:db8:1:203::");
    }
}
