//! TCP keepalive probes that a peer has not answered, as the kernel reports them (`sock_diag(7)`).
//!
//! An idle connection gives no other sign that its peer is out of reach. Without this, the peer
//! would seem present until the kernel gives up, and then the connection is lost as well.

use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use tokio::net::TcpStream;

/// `SOCK_DIAG_BY_FAMILY`, in the question and in its answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const TCP: u8 = 6;
/// `INET_DIAG_NOCOOKIE`: any connection between these two addresses.
const ANY: [u8; 8] = [0xFF; 8];
/// The value of `idiag_timer` while the keepalive timer runs.
const KEEPALIVE: u8 = 2;
/// The length of `struct nlmsghdr`. The beginning of `struct inet_diag_msg` follows it.
const HEADER: usize = 16;

/// Returns the number of probes since the peer's last answer. `None` if the kernel does not report
/// it.
pub(crate) fn unanswered(tcp: &TcpStream) -> Option<u8> {
    let question = question(tcp.local_addr().ok()?, tcp.peer_addr().ok()?)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kernel =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).ok()?;
    rustix::net::sendto(&kernel, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).ok()?;
    // The kernel answers during the call.
    let mut answer = [0; 512];
    let (_, length) = rustix::net::recv(&kernel, &mut answer[..], RecvFlags::empty()).ok()?;
    read(answer.get(..length)?)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn question(local: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
    let family = match (local.ip(), peer.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AddressFamily::INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => AddressFamily::INET6,
        _ => return None,
    };
    let mut body = vec![u8::try_from(family.as_raw()).ok()?, TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(peer.port().to_be_bytes());
    for address in [local.ip(), peer.ip()] {
        let mut bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.resize(16, 0);
        body.extend(bytes);
    }
    // The interface: any.
    body.extend(0_u32.to_ne_bytes());
    body.extend(ANY);
    let mut message = u32::try_from(HEADER + body.len()).ok()?.to_ne_bytes().to_vec();
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // The sequence number and the port: zero.
    message.extend([0; 8]);
    message.extend(body);
    Some(message)
}

/// Reads the answer. `None` unless it is about a connection.
fn read(answer: &[u8]) -> Option<u8> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let [_family, _state, timer, probes] = *answer.get(HEADER..HEADER + 4)? else { return None };
    // Another timer means that data is in flight, and the peer is not probed.
    (kind == BY_FAMILY).then_some(if timer == KEEPALIVE { probes } else { 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_kernel_tells_of_both_ends_of_a_connection_and_of_none_that_is_over() {
        for place in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(place).await.expect("a loopback port is free");
            let near =
                TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
            let (far, _) = listener.accept().await.expect("it has come");
            crate::keepalive::prepare(&near);
            assert_eq!((unanswered(&near), unanswered(&far)), (Some(0), Some(0)), "{place}");
        }
    }

    #[test]
    fn probes_count_while_the_keepalive_runs() {
        let answer = |kind: u16, timer, probes| {
            let mut answer = vec![0; HEADER + 72];
            answer[4..6].copy_from_slice(&kind.to_ne_bytes());
            answer[HEADER + 2..HEADER + 4].copy_from_slice(&[timer, probes]);
            answer
        };
        assert_eq!(read(&answer(BY_FAMILY, KEEPALIVE, 3)), Some(3));
        assert_eq!(read(&answer(BY_FAMILY, 1, 3)), Some(0));
        assert_eq!(read(&answer(2, KEEPALIVE, 3)), None, "an error");
        assert_eq!(read(&answer(BY_FAMILY, KEEPALIVE, 3)[..HEADER + 3]), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&answer);
        }
    }
}
