//! The resource at a path.

use http::StatusCode;

use super::answer::Refusal;

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/cloud/{version}/static-address`
    Collection(Version),
    /// `/cloud/{version}/static-address/{address}`. The address may be malformed.
    Address(Version, String),
    /// `/cloud/{version}/static-address/{address}/ready`
    Ready(String),
}

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// All operations except listing.
    V1_0,
    /// All operations.
    V1_1,
}

impl Version {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }
}

impl Route {
    /// Parses a path. An unknown one is 404.
    pub(super) fn read(path: &str) -> Result<Self, Refusal> {
        let unknown = || Refusal::of(StatusCode::NOT_FOUND);
        let rest = path.strip_prefix("/cloud/").ok_or_else(unknown)?;
        let segments: Vec<&str> = rest.split('/').collect();
        let version = match segments.first() {
            Some(&"1.0") => Version::V1_0,
            Some(&"1.1") => Version::V1_1,
            _ => return Err(unknown()),
        };
        match segments[1..] {
            ["static-address"] => Ok(Self::Collection(version)),
            ["static-address", address] if !address.is_empty() => {
                Ok(Self::Address(version, decoded(address)))
            }
            ["static-address", address, "ready"] if !address.is_empty() => Ok(Self::Ready(decoded(address))),
            _ => Err(unknown()),
        }
    }
}

/// Decodes percent-encoding. A segment that would not be UTF-8 stays encoded, since no address has
/// a percent sign.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|hex| hex::decode(hex).ok());
        match escape {
            Some(byte) => {
                bytes.extend(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g2_only_known_versions_and_resources_have_a_route() {
        use Version::{V1_0, V1_1};
        for (path, expected) in [
            ("/cloud/1.1/static-address", Some(Route::Collection(V1_1))),
            ("/cloud/1.0/static-address", Some(Route::Collection(V1_0))),
            ("/cloud/1.0/static-address/a.b", Some(Route::Address(V1_0, "a.b".into()))),
            ("/cloud/1.1/static-address/a%2Fb", Some(Route::Address(V1_1, "a/b".into()))),
            ("/cloud/1.1/static-address/%ff%4", Some(Route::Address(V1_1, "%ff%4".into()))),
            ("/cloud/1.1/static-address/ready", Some(Route::Address(V1_1, "ready".into()))),
            ("/cloud/1.1/static-address/a/ready", Some(Route::Ready("a".into()))),
            ("/cloud", None),
            ("/cloud/", None),
            ("/cloud/1.1", None),
            ("/cloud/1.1/", None),
            ("/cloud/9.9/static-address", None),
            ("/cloud/1.2/static-address/a", None),
            ("/cloud/1.1/static-addresses", None),
            ("/cloud/1.1/static-address/", None),
            ("/cloud/1.1//static-address", None),
            ("/cloud/1.1/static-address/a/", None),
            ("/cloud/1.1/static-address//ready", None),
            ("/cloud/1.1/static-address/a/ready/", None),
            ("/cloud/1.1/static-address/a/presence", None),
        ] {
            assert_eq!(Route::read(path).ok(), expected, "{path}");
        }
    }
}
