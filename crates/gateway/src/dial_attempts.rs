//! Connection attempts: the gateway dials the addresses of a name side by side, and takes the first
//! that answers (RFC 8305).
//!
//! An address that swallows all packets, such as an IPv6 address in a network without IPv6 routes,
//! therefore costs a quarter of a second and not the whole dial timeout.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use transom_model::EndReason;
use transom_model::end_reason::End;

/// The pause between two attempts, unless the earlier one fails sooner (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);
/// The number of addresses that are tried. An honest name has fewer, and a hostile one must not
/// make the gateway scan a network.
const MOST: usize = 16;

/// Returns the connection that is made first, and closes the others. If none is made, a refusal
/// takes precedence over silence, because a refusal is the machine's answer.
pub(super) async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, End> {
    first_of(addresses, deadline, TcpStream::connect).await
}

async fn first_of<T, F>(
    addresses: &[SocketAddr],
    deadline: Instant,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, End>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = alternating(addresses).into_iter().take(MOST).peekable();
    let mut racing = FuturesUnordered::new();
    let mut failed: Option<End> = None;
    let is_refusal = |end: &End| end.reason == EndReason::InstanceRefusedConnection;
    loop {
        if let Some(address) = waiting.next() {
            let attempted = attempt(address);
            racing.push(async move { (attempted.await, address) });
        }
        tokio::select! {
            ended = racing.next() => match ended {
                Some((Ok(connected), _)) => return Ok(connected),
                Some((Err(error), address)) => {
                    failed = failed.filter(is_refusal).or_else(|| Some(unreachable(&error, &address)));
                }
                None => return Err(failed.unwrap_or_else(|| EndReason::InstanceUnreachable.into())),
            },
            () = sleep(STAGGER), if waiting.peek().is_some() => {}
            () = sleep_until(deadline) => return Err(failed.filter(is_refusal).unwrap_or_else(late)),
        }
    }
}

/// The end of an attempt that got no answer in time.
pub(super) fn late() -> End {
    End::new(EndReason::InstanceUnreachable, "no answer in time")
}

/// The end of a failed attempt; `place` is its destination.
pub(super) fn unreachable(error: &io::Error, place: &dyn Display) -> End {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => EndReason::InstanceRefusedConnection,
        _ => EndReason::InstanceUnreachable,
    };
    End::new(reason, format!("{place}: {}", error.kind()))
}

/// Returns the addresses with the two families alternating, beginning with the family of the first
/// address (RFC 8305 §4).
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let of_first =
        |address: &&SocketAddr| addresses.first().is_some_and(|first| first.is_ipv4() == address.is_ipv4());
    let mut others = addresses.iter().filter(|address| !of_first(address)).copied();
    let mut ordered = Vec::with_capacity(addresses.len());
    for address in addresses.iter().filter(of_first) {
        ordered.push(*address);
        ordered.extend(others.next());
    }
    ordered.extend(others);
    ordered
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn addresses(names: &[&str]) -> Vec<SocketAddr> {
        names.iter().map(|name| name.parse().expect("an address")).collect()
    }

    #[test]
    fn families_take_turns() {
        let all = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"];
        let expected =
            ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"];
        assert_eq!(alternating(&addresses(&all)), addresses(&expected));
        assert_eq!(alternating(&addresses(&["192.0.2.1:1"])), addresses(&["192.0.2.1:1"]));
        assert_eq!(alternating(&[]), []);
    }

    /// Returns the outcome of attempts, and the start of each. The last digit of a port decides the
    /// attempt's fate: 1 is refused, 2 is never answered, and 3 succeeds.
    async fn outcome(names: &[&str]) -> (Result<SocketAddr, End>, Vec<(Duration, SocketAddr)>) {
        let begun = Instant::now();
        let tried = Mutex::new(Vec::new());
        let attempt = |address: SocketAddr| {
            tried.lock().expect("no panic").push((begun.elapsed(), address));
            async move {
                match address.port() % 10 {
                    1 => Err(io::ErrorKind::ConnectionRefused.into()),
                    2 => std::future::pending().await,
                    _ => Ok(address),
                }
            }
        };
        let made = first_of(&addresses(names), begun + Duration::from_secs(10), attempt).await;
        (made, tried.into_inner().expect("no panic"))
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_silent_costs_a_moment_and_one_that_refuses_none() {
        let (made, tried) = outcome(&["[2001:db8::1]:2", "192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"]).await;
        assert_eq!(made.expect("it is made"), addresses(&["192.0.2.3:3"])[0]);
        let at: Vec<_> = tried.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(at, [0, 250, 250, 500]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_before_a_silence() {
        for (names, reason) in [
            (&["192.0.2.1:2", "192.0.2.2:1"][..], EndReason::InstanceRefusedConnection),
            (&["192.0.2.1:1", "192.0.2.2:2"], EndReason::InstanceRefusedConnection),
            (&["192.0.2.1:2"], EndReason::InstanceUnreachable),
            (&[], EndReason::InstanceUnreachable),
        ] {
            assert_eq!(outcome(names).await.0.expect_err("none is made").reason, reason, "{names:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_with_a_thousand_addresses_is_not_knocked_at_everywhere() {
        let many: Vec<_> =
            (0..1000).map(|number| format!("192.0.{}.{}:1", number / 250, number % 250)).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(outcome(&many).await.1.len(), MOST);
    }
}
