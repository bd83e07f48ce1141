//! `ZC2-HMAC-SHA256`: the signed text and its verification.
//!
//! ```text
//! to sign   = ZC2-HMAC-SHA256 ⏎ X-ZC-Timestamp ⏎ hex(sha256(canonical))
//! canonical = METHOD ⏎ / ⏎ (empty) ⏎ name:value ⏎ for each signed header, by name ⏎
//!             names joined with ; ⏎ hex(sha256(body))
//! ```
//!
//! The path and the query in the canonical text are constants, so path, version and action are not
//! signed.

use aws_lc_rs::{digest, hmac};
use http::Version;
use http::header::HOST;
use http::request::Parts;
use transom_model::secret::{Secret, TokenDigest};

use super::operation::only;

/// The scheme's name.
pub(super) const METHOD: &str = "ZC2-HMAC-SHA256";

/// The headers that every signature must cover.
const MANDATORY: [&str; 2] = ["content-type", "host"];

/// The claims of a signed request.
#[derive(Debug)]
pub(super) struct Signed {
    /// The access key's id, as it was sent.
    pub(super) key: String,
    /// The time of the signature, in seconds since 1970.
    pub(super) at: i64,
    timestamp: String,
    /// The signed headers by name.
    headers: Vec<(String, Vec<u8>)>,
    signature: [u8; 32],
}

impl Signed {
    /// Reads the claims behind the scheme, the timestamp, and the signed headers. Returns `None` if
    /// one of them is missing, repeated, unknown or malformed.
    pub(super) fn read(claims: &str, parts: &Parts) -> Option<Self> {
        let (mut key, mut names, mut signature) = (None, None, None);
        for claim in claims.split(',') {
            let (name, value) = claim.trim().split_once('=')?;
            let slot = match name {
                "Credential" => &mut key,
                "SignedHeaders" => &mut names,
                "Signature" => &mut signature,
                _ => return None,
            };
            if value.is_empty() || slot.replace(value).is_some() {
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

    /// Returns the texts that the signature may cover. Zenlayer's documentation has values in lower
    /// case, while its SDKs sign them unchanged.
    pub(super) fn texts(&self, method: &str, body: &[u8]) -> [String; 2] {
        [false, true].map(|lower| {
            let canonical = self.canonical(method, body, lower);
            format!("{METHOD}\n{}\n{}", self.timestamp, hash(&canonical))
        })
    }

    /// Returns the digest that identifies a repeated signature, in any spelling.
    pub(super) fn digest(&self) -> TokenDigest {
        let whole = digest::digest(&digest::SHA256, &[self.key.as_bytes(), b"\0", &self.signature].concat());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(whole.as_ref());
        TokenDigest(bytes)
    }

    /// Tells whether this secret signed one of these texts.
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

/// Returns the headers of the list, sorted by name. Each must occur exactly once.
fn signed_headers(list: &str, parts: &Parts) -> Option<Vec<(String, Vec<u8>)>> {
    let mut names: Vec<String> = list.split(';').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort_unstable();
    let doubled = names.windows(2).any(|pair| pair[0] == pair[1]);
    if doubled || !MANDATORY.iter().all(|needed| names.iter().any(|name| name == needed)) {
        return None;
    }
    names.into_iter().map(|name| value(&name, parts).map(|value| (name, value))).collect()
}

/// Returns a header's value as it was sent, without surrounding space.
fn value(name: &str, parts: &Parts) -> Option<Vec<u8>> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next().map(|value| value.as_bytes().trim_ascii().to_owned());
    if values.next().is_some() {
        return None;
    }
    if name != HOST.as_str() || parts.version < Version::HTTP_2 {
        return value;
    }
    // HTTP/2 names the host in `:authority`; a Host beside it must be the same (RFC 9113 §8.3.1).
    match (parts.uri.authority().map(|authority| authority.as_str().as_bytes()), value) {
        (Some(authority), Some(host)) if authority != host => None,
        (Some(authority), _) => Some(authority.to_owned()),
        (None, host) => host,
    }
}

/// Returns the SHA-256 in lower-case hexadecimal.
fn hash(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zenlayer::authorization::Authorization;
    use http::Request;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    /// Requests from Zenlayer's documentation and from recordings of its SDKs.
    #[derive(Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        name: String,
        key: String,
        secret: String,
        headers: BTreeMap<String, String>,
        body: String,
        canonical_sha256: Option<String>,
    }

    impl Vector {
        fn parts(&self) -> Parts {
            let mut request = Request::post("/api/v2/zec");
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            request.body(()).expect("a request").into_parts().0
        }

        fn set(&mut self, name: &str, value: impl Into<String>) {
            self.headers.insert(name.to_owned(), value.into());
        }
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("vectors.json")).expect("vectors")
    }

    fn read(parts: &Parts) -> Option<Signed> {
        match Authorization::read(parts) {
            Ok(Authorization::Signed(signed)) => Some(signed),
            _ => None,
        }
    }

    fn verifies(parts: &Parts, secret: &str, body: &str) -> bool {
        let signed = read(parts).expect("a signature");
        signed.is_by(&Secret::new(secret), &signed.texts("POST", body.as_bytes()))
    }

    #[test]
    fn every_vector_verifies_and_only_as_it_was_signed() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 9);
        for mut vector in vectors {
            let name = vector.name.clone();
            let Some(expected) = vector.canonical_sha256.clone() else {
                let Ok(Authorization::Bearer(token)) = Authorization::read(&vector.parts()) else {
                    panic!("{name}: not a bearer token");
                };
                assert_eq!(token.expose(), "tok-example");
                continue;
            };
            let (secret, body) = (vector.secret.clone(), vector.body.clone());
            let signed = read(&vector.parts()).expect("a signature");
            assert_eq!(signed.key, vector.key, "{name}");
            assert_eq!(hash(&signed.canonical("POST", body.as_bytes(), false)), expected, "{name}");
            assert!(verifies(&vector.parts(), &secret, &body), "{name}");
            assert!(!verifies(&vector.parts(), &format!("{secret}x"), &body), "{name}: another secret");
            assert!(!verifies(&vector.parts(), &secret, &format!("{body} ")), "{name}: another body");
            for (header, other) in
                [("host", "other.example"), ("content-type", "text/plain"), ("x-zc-timestamp", "1700000099")]
            {
                let as_it_was = vector.headers[header].clone();
                vector.set(header, other);
                assert!(!verifies(&vector.parts(), &secret, &body), "{name}: another {header}");
                vector.set(header, as_it_was);
            }
        }
    }

    #[test]
    fn values_may_be_signed_as_they_are_or_in_lower_case() {
        let mut vector = vectors()[1].clone();
        vector.set("content-type", "Application/JSON");
        assert!(verifies(&vector.parts(), &vector.secret, &vector.body), "signed in lower case");
        vector.set("content-type", "application/jsom");
        assert!(!verifies(&vector.parts(), &vector.secret, &vector.body));
    }

    #[test]
    fn more_headers_may_be_signed_and_the_list_may_be_written_otherwise() {
        let mut vector = vectors()[1].clone();
        vector.set("x-zc-action", "DescribeVncUrl");
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/json\nhost:127.0.0.1:18723\nx-zc-action:DescribeVncUrl\n\n\
             content-type;host;x-zc-action\n{}",
            hash(vector.body.as_bytes())
        );
        let text = format!("{METHOD}\n1700000000\n{}", hash(canonical.as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, vector.secret.as_bytes());
        let signature = hex::encode(hmac::sign(&key, text.as_bytes()));
        for (list, separator) in
            [("content-type;host;x-zc-action", ", "), ("X-ZC-Action;Host;Content-Type", ",")]
        {
            let claims = [
                "Credential=k".to_owned(),
                format!("Signature={signature}"),
                format!("SignedHeaders={list}"),
            ];
            vector.set("authorization", format!("{METHOD} {}", claims.join(separator)));
            assert!(verifies(&vector.parts(), &vector.secret, &vector.body), "{list}");
        }
        vector.set("x-zc-action", "DescribeInstances");
        assert!(!verifies(&vector.parts(), &vector.secret, &vector.body), "a signed action was changed");
    }

    #[test]
    fn over_http_2_the_authority_is_the_host() {
        let vector = vectors()[1].clone();
        let mut parts = vector.parts();
        parts.version = Version::HTTP_2;
        parts.uri = "https://127.0.0.1:18723/api/v2/zec".parse().expect("a URI");
        assert!(verifies(&parts, &vector.secret, &vector.body), "the same in both");
        parts.headers.remove(HOST);
        assert!(verifies(&parts, &vector.secret, &vector.body), "the authority alone");
        parts.headers.insert(HOST, "other.example".parse().expect("a value"));
        assert!(read(&parts).is_none(), "two that differ");
    }

    #[test]
    fn what_is_not_in_the_standard_form_is_refused_as_such() {
        let good = vectors()[1].clone();
        let authorization = good.headers["authorization"].clone();
        let change = |from: &str, to: &str| ("authorization", authorization.replace(from, to));
        for (header, value) in [
            change("ZC2-HMAC-SHA256 ", "ZC2-HMAC-SHA1 "),
            change("ZC2-HMAC-SHA256 ", "ZC2-HMAC-SHA256"),
            change("Credential=AKIDEXAMPLE0001, ", ""),
            change("Credential=AKIDEXAMPLE0001", "Credential="),
            change("Credential=", "Credential=x, Credential="),
            change("SignedHeaders=content-type;host", "SignedHeaders=content-type"),
            change("SignedHeaders=content-type;host", "SignedHeaders=host"),
            change("SignedHeaders=content-type;host", "SignedHeaders=content-type;host;host"),
            change("SignedHeaders=content-type;host", "SignedHeaders=content-type;host;x-missing"),
            change("SignedHeaders=content-type;host", "SignedHeaders=content-type;host;"),
            change("Signature=dab2", "Signature=xyz2"),
            change("Signature=dab2", "Signature=da"),
            change(", Signature", ", Other=1, Signature"),
            ("authorization", "Bearer ".to_owned()),
            ("authorization", "Basic dXNlcjpwYXNz".to_owned()),
            ("authorization", String::new()),
            ("x-zc-timestamp", String::new()),
            ("x-zc-timestamp", "-1700000000".to_owned()),
            ("x-zc-timestamp", "+1700000000".to_owned()),
            ("x-zc-timestamp", "1700000000.5".to_owned()),
            ("x-zc-timestamp", "99999999999999999999".to_owned()),
        ] {
            let mut vector = good.clone();
            vector.set(header, value.clone());
            assert!(Authorization::read(&vector.parts()).is_err(), "{header}: {value}");
        }
        for header in ["authorization", "x-zc-timestamp", "host", "content-type"] {
            let mut parts = good.parts();
            let value = parts.headers[header].clone();
            parts.headers.append(header, value);
            assert!(Authorization::read(&parts).is_err(), "two of {header}");
            parts.headers.remove(header);
            assert!(Authorization::read(&parts).is_err(), "no {header}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(
            claims in "(ZC2-HMAC-SHA256 |Bearer )?([a-zA-Z]{0,13}=[ -~]{0,20}[,;]? ?){0,4}",
            time in "[ -~]{0,24}",
        ) {
            let mut vector = vectors()[1].clone();
            vector.set("authorization", claims);
            vector.set("x-zc-timestamp", time);
            if let Some(signed) = read(&vector.parts()) {
                prop_assert!(!signed.is_by(&Secret::new("s"), &signed.texts("POST", b"")));
            }
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        let authorization = Authorization::read(&vectors()[1].parts()).expect("a signature");
        let passes = |now: i64| authorization.check_time(now).is_ok();
        for (offset, expected) in
            [(0, true), (240, true), (300, true), (301, false), (400, false), (3600, false)]
        {
            assert_eq!(passes(1_700_000_000 + offset), expected, "{offset} s late");
            assert_eq!(passes(1_700_000_000 - offset), expected, "{offset} s early");
        }
    }
}
