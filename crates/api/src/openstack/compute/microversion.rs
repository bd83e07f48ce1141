//! Microversions 2.1 to 2.104, from the header of all services or from Nova's older one.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::openstack::fault::Fault;

/// The minor version. The major version is always 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microversion(pub(super) u16);

const STANDARD: HeaderName = HeaderName::from_static("openstack-api-version");
const LEGACY: HeaderName = HeaderName::from_static("x-openstack-nova-api-version");

impl Microversion {
    /// The microversion of a client that names none.
    pub(super) const FIRST: Self = Self(1);
    /// The newest microversion that OpenStack documents (2026.2).
    pub(super) const LAST: Self = Self(104);

    /// Reads the microversion from the headers. The last entry for `compute` counts. Entries for
    /// other services are ignored.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Fault> {
        let entries = headers.get_all(STANDARD).into_iter().filter_map(|value| value.to_str().ok());
        let mut ours = entries.flat_map(|value| value.split(',')).filter_map(|entry| {
            let (service, version) = entry.trim().split_once(char::is_whitespace)?;
            service.eq_ignore_ascii_case("compute").then(|| version.trim())
        });
        let legacy =
            || headers.get_all(LEGACY).into_iter().filter_map(|value| value.to_str().ok()).next_back();
        match ours.next_back().or_else(legacy).map(str::trim) {
            None => Ok(Self::FIRST),
            Some("latest") => Ok(Self::LAST),
            Some(text) => Self::parse(text),
        }
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = || {
            let shown: String = text.chars().take(64).collect();
            let sentence = "is of invalid format. Must be of format MajorNum.MinorNum.";
            Fault::bad_request(format!("API Version String {shown} {sentence}"))
        };
        let digits = |part: &str| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit());
            let canonical = part == "0" || !part.starts_with('0');
            (plain && canonical && (1..=9).contains(&part.len())).then(|| part.parse::<u32>().ok()).flatten()
        };
        let (major, minor) = text.split_once('.').ok_or_else(malformed)?;
        let (major, minor) =
            digits(major).filter(|major| *major > 0).zip(digits(minor)).ok_or_else(malformed)?;
        let known = u16::try_from(minor).ok().map(Self);
        let known = known.filter(|minor| major == 2 && (Self::FIRST..=Self::LAST).contains(minor));
        known.ok_or_else(|| {
            Fault::not_acceptable(format!(
                "Version {text} is not supported by the API. Minimum is 2.{} and maximum is 2.{}.",
                Self::FIRST.0,
                Self::LAST.0
            ))
        })
    }

    /// Names the microversion in an answer.
    pub(super) fn show(self, headers: &mut HeaderMap) {
        let version = format!("2.{}", self.0);
        let standard = HeaderValue::from_str(&format!("compute {version}"));
        headers.extend(standard.map(|value| (STANDARD, value)));
        headers.extend(HeaderValue::from_str(&version).map(|value| (LEGACY, value)));
        let vary = HeaderValue::from_static("OpenStack-API-Version, X-OpenStack-Nova-API-Version");
        headers.insert(header::VARY, vary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_are_read_and_the_newer_one_wins() {
        let read = |pairs: &[(HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value);
            }
            Microversion::read(&headers).map(|version| version.0).ok()
        };
        assert_eq!(read(&[]), Some(1));
        assert_eq!(read(&[(STANDARD, "compute 2.6")]), Some(6));
        assert_eq!(read(&[(STANDARD, "COMPUTE latest")]), Some(104));
        assert_eq!(read(&[(STANDARD, "volume 3.1")]), Some(1));
        assert_eq!(read(&[(STANDARD, "compute 2.6, volume 3.1"), (STANDARD, "compute 2.7")]), Some(7));
        assert_eq!(read(&[(LEGACY, "2.5")]), Some(5));
        assert_eq!(read(&[(LEGACY, "2.5"), (STANDARD, "compute 2.40")]), Some(40));
        for bad in
            ["2.0", "2.105", "3.1", "1.9", "2.99999999", "2.x", "2", "", "02.1", "2.01", "2.-1", "+2.1"]
        {
            assert_eq!(Microversion::parse(bad).map(|version| version.0).ok(), None, "{bad:?}");
        }
    }
}
