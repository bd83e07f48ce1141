//! `ZC2-HMAC-SHA256`: what is signed, and whether it was.
//!
//! ```text
//! to sign = ZC2-HMAC-SHA256 ⏎ X-ZC-Timestamp ⏎ hex(sha256(canonical))
//! canonical = METHOD ⏎ / ⏎ (empty) ⏎ name:value ⏎ for each signed header, by name ⏎ names joined with ; ⏎ hex(sha256(body))
//! ```
//!
//! The path and the query in there are constants, whatever the request's are: neither path, version nor action is signed.

use aws_lc_rs::{digest, hmac};
use http::Version;
use http::header::HOST;
use http::request::Parts;
use transom_model::secret::Secret;

use super::operation::only;

/// The scheme's name.
pub(super) const METHOD: &str = "ZC2-HMAC-SHA256";

/// What every signature must cover.
const MANDATORY: [&str; 2] = ["content-type", "host"];

/// A signed request's own claims.
#[derive(Debug)]
pub(super) struct Signed {
    /// The access key's id, as it was sent.
    pub(super) key: String,
    /// When it was signed, in seconds since 1970.
    pub(super) at: i64,
    timestamp: String,
    /// The signed headers by name.
    headers: Vec<(String, Vec<u8>)>,
    signature: [u8; 32],
}

impl Signed {
    /// Reads what follows the scheme, the timestamp, and the headers that it names; nothing where something is missing,
    /// doubled, unknown or malformed.
    pub(super) fn read(claims: &str, parts: &Parts) -> Option<Self> {
        let (mut key, mut names, mut signature) = (None, None, None);
        for claim in claims.split(',') {
            let (name, value) = claim.trim().split_once('=')?;
            let place = match name {
                "Credential" => &mut key,
                "SignedHeaders" => &mut names,
                "Signature" => &mut signature,
                _ => return None,
            };
            if value.is_empty() || place.replace(value).is_some() {
                return None;
            }
        }
        let timestamp = only(parts, "x-zc-timestamp")?;
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(signature?, &mut bytes).ok()?;
        Some(Self {
            key: key?.to_owned(),
            at: timestamp.parse().ok()?,
            timestamp: timestamp.to_owned(),
            headers: signed_headers(names?, parts)?,
            signature: bytes,
        })
    }

    /// The texts that may have been signed. The vendor's page has values in lower case, its SDKs sign them as they are.
    pub(super) fn texts(&self, method: &str, body: &[u8]) -> [String; 2] {
        [false, true].map(|lower| {
            let canonical = self.canonical(method, body, lower);
            format!("{METHOD}\n{}\n{}", self.timestamp, hash(&canonical))
        })
    }

    /// Whether this secret signed one of these texts.
    pub(super) fn is_by(&self, secret: &Secret, texts: &[String]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        texts.iter().any(|text| hmac::verify(&key, text.as_bytes(), &self.signature).is_ok())
    }

    fn canonical(&self, method: &str, body: &[u8], lower: bool) -> Vec<u8> {
        let mut text = format!("{method}\n/\n\n").into_bytes();
        for (name, value) in &self.headers {
            let value = if lower { &value.to_ascii_lowercase() } else { value };
            text.extend_from_slice(&[name.as_bytes(), b":", value, b"\n"].concat());
        }
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        text.extend_from_slice(format!("\n{}\n{}", names.join(";"), hash(body)).as_bytes());
        text
    }
}

/// The headers of the list, sorted by name, each of which must come exactly once.
fn signed_headers(list: &str, parts: &Parts) -> Option<Vec<(String, Vec<u8>)>> {
    let mut names: Vec<String> = list.split(';').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort_unstable();
    let doubled = names.windows(2).any(|pair| pair[0] == pair[1]);
    if doubled || !MANDATORY.iter().all(|needed| names.iter().any(|name| name == needed)) {
        return None;
    }
    names.into_iter().map(|name| value(&name, parts).map(|value| (name, value))).collect()
}

/// A header's value as it came, without the space around it.
fn value(name: &str, parts: &Parts) -> Option<Vec<u8>> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next().map(|value| value.as_bytes().trim_ascii().to_owned());
    if values.next().is_some() {
        return None;
    }
    if name != HOST.as_str() || parts.version < Version::HTTP_2 {
        return value;
    }
    // HTTP/2 says it in `:authority`; a Host beside it must not differ (RFC 9113 §8.3.1).
    match (parts.uri.authority().map(|authority| authority.as_str().as_bytes()), value) {
        (Some(authority), Some(host)) if authority != host => None,
        (Some(authority), _) => Some(authority.to_owned()),
        (None, host) => host,
    }
}

/// The lower-case hexadecimal SHA-256.
fn hash(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}
