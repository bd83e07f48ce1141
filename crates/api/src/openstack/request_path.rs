//! The parts of a request's path: service, version and resource.

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Identity,
    Compute,
}

/// The version of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// No version: the list of versions.
    None,
    /// Keystone v3.
    V3,
    /// Keystone v2.0.
    V20,
    /// Nova v2.1, with microversions.
    V21,
    /// Nova v2, as Rackspace has it.
    V2,
}

/// A request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestPath {
    pub(super) service: Service,
    pub(super) version: Version,
    /// The part in front of the resource, such as `/compute/v2.1`. Links lead back there.
    pub(super) root: String,
    /// The decoded segments behind the root.
    pub(super) rest: Vec<String>,
}

impl RequestPath {
    /// Parses a path. Repeated slashes and one at the end do not matter.
    pub(super) fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let version = |segment: Option<&&str>| match segment {
            Some(&"v3") => (Service::Identity, Version::V3),
            Some(&"v2.0") => (Service::Identity, Version::V20),
            Some(&"v2.1") => (Service::Compute, Version::V21),
            Some(&"v2") => (Service::Compute, Version::V2),
            _ => (Service::Compute, Version::None),
        };
        let prefix = match segments.first() {
            Some(&"identity") => Some(Service::Identity),
            Some(&"compute") => Some(Service::Compute),
            _ => None,
        };
        let named = usize::from(prefix.is_some());
        let (service, version) = match (prefix, version(segments.get(named))) {
            (Some(prefix), (service, version)) if prefix == service => (prefix, version),
            (Some(prefix), _) => (prefix, Version::None),
            (None, found) => found,
        };
        let taken = named + usize::from(version != Version::None);
        let root = segments.iter().take(taken).map(|segment| format!("/{segment}")).collect();
        let rest = segments.into_iter().skip(taken).map(decode).collect();
        Self { service, version, root, rest }
    }

    /// The segments behind the version.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }
}

/// Decodes percent-encoding. Bytes that are not UTF-8 become replacement characters, which match no
/// resource.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = behind.get(..2).filter(|_| *first == b'%');
        let byte = escaped.and_then(|digits| hex::decode(digits).ok()).and_then(|byte| byte.first().copied());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_with_and_without_the_services_name() {
        let parts = |path: &str| {
            let path = RequestPath::of(path);
            (path.service, path.version, path.root.clone(), path.rest.join(" "))
        };
        let text = str::to_owned;
        use Service::{Compute, Identity};
        for (path, service, version, root, rest) in [
            ("/v3/auth/tokens", Identity, Version::V3, "/v3", "auth tokens"),
            ("/identity", Identity, Version::None, "/identity", ""),
            ("/identity/", Identity, Version::None, "/identity", ""),
            ("/identity/v3/", Identity, Version::V3, "/identity/v3", ""),
            ("/identity/v2.1/servers", Identity, Version::None, "/identity", "v2.1 servers"),
            ("/v2.0/tokens", Identity, Version::V20, "/v2.0", "tokens"),
            (
                "/compute/v2.1/p/servers/a%20b/action",
                Compute,
                Version::V21,
                "/compute/v2.1",
                "p servers a b action",
            ),
            ("/v2/T/servers/", Compute, Version::V2, "/v2", "T servers"),
            ("/compute", Compute, Version::None, "/compute", ""),
            ("//compute//v2.1/servers//detail//", Compute, Version::V21, "/compute/v2.1", "servers detail"),
            ("/", Compute, Version::None, "", ""),
        ] {
            assert_eq!(parts(path), (service, version, text(root), text(rest)), "{path}");
        }
        assert_eq!(RequestPath::of("/v2/%zz%4").rest, ["%zz%4"]);
    }
}
