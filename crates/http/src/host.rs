//! The host that a request was sent to: `Host`, and HTTP/2's `:authority`.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri, Version};

/// The error of a request that names no host, several hosts, or something that is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request must name its host exactly once")]
pub struct BadHost;

/// Requires exactly one well-formed `Host` in HTTP/1.1, and at most one in any version (RFC 9112
/// §3.2). HTTP/2 names the host in `:authority`; a `Host` beside it must be the same (RFC 9113
/// §8.3.1).
pub fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), BadHost> {
    let hosts = headers.get_all(HOST).into_iter().map(http::HeaderValue::as_bytes);
    let authority = uri.authority().filter(|_| version >= Version::HTTP_2);
    check_values(version == Version::HTTP_11, hosts, authority.map(Authority::as_str))
}

/// Checks the values of a head that was not parsed by hyper. `needed` requires a `Host`.
pub fn check_values<'a>(
    needed: bool,
    mut hosts: impl Iterator<Item = &'a [u8]>,
    authority: Option<&str>,
) -> Result<(), BadHost> {
    let (first, second) = (hosts.next(), hosts.next());
    let well_formed = match first {
        None => !needed,
        Some(host) if !is_host(host) => false,
        Some(host) => {
            authority.is_none_or(|authority| authority.as_bytes().eq_ignore_ascii_case(host.trim_ascii()))
        }
    };
    if well_formed && second.is_none() { Ok(()) } else { Err(BadHost) }
}

/// Tells whether a value is `host[:port]`, without a user name.
///
/// A client without a host name sends an empty value. Zenlayer's SDK adds the scheme if its domain
/// was configured with one, and signs the value that way.
fn is_host(host: &[u8]) -> bool {
    let host = host.trim_ascii();
    let host =
        [&b"https://"[..], b"http://"].iter().find_map(|scheme| host.strip_prefix(*scheme)).unwrap_or(host);
    host.is_empty() || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
}

/// The host that a request was sent to, without its port.
pub fn named(headers: &HeaderMap) -> Option<String> {
    let authority: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_host_once_and_well() {
        let judge = |version, uri: &str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().expect("a value"));
            }
            check(version, &uri.parse().expect("a URI"), &headers).is_ok()
        };
        use Version as V;
        for (version, uri, hosts, expected) in [
            (V::HTTP_11, "/", &["c.example"][..], true),
            (V::HTTP_11, "/", &["[::1]:8080"], true),
            (V::HTTP_11, "/", &[""], true),
            (V::HTTP_11, "/", &["https://c.example"], true),
            (V::HTTP_11, "http://c.example/", &["other.example"], true),
            (V::HTTP_11, "/", &[], false),
            (V::HTTP_11, "http://c.example/", &[], false),
            (V::HTTP_11, "/", &["c.example", "c.example"], false),
            (V::HTTP_11, "/", &["c.example, d.example"], false),
            (V::HTTP_11, "/", &["c.example/path"], false),
            (V::HTTP_11, "/", &["c .example"], false),
            (V::HTTP_11, "/", &["somebody@c.example"], false),
            (V::HTTP_10, "/", &[], true),
            (V::HTTP_10, "/", &["a", "b"], false),
            (V::HTTP_2, "http://c.example/", &[], true),
            (V::HTTP_2, "http://c.example/", &["C.example"], true),
            (V::HTTP_2, "http://c.example/", &["d.example"], false),
            (V::HTTP_2, "http://c.example/", &["c.example", "c.example"], false),
        ] {
            assert_eq!(judge(version, uri, hosts), expected, "{version:?} {uri} {hosts:?}");
        }
    }
}
