//! URLs, origins and networks in the configuration's notation.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

/// Reads the origin of console URLs, which consists of scheme, host and port.
pub fn public_url(text: &str) -> Result<Url, &'static str> {
    let found = text.parse().ok().filter(is_origin);
    found.ok_or("must be like https://console.example.com, without a path")
}

pub(crate) fn origin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    public_url(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

/// Reads origins as browsers write them: without a slash after the host and without the scheme's
/// default port.
pub(crate) fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    let read = |text: String| {
        let found = text.parse().ok().filter(is_origin);
        found.map(|url| url.origin().ascii_serialization()).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is not an origin such as https://portal.example.com"))
        })
    };
    Vec::deserialize(from)?.into_iter().map(read).collect()
}

/// Reads the URL of another service. It must not contain a login, which would appear in logs.
pub(crate) fn service<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(from)?;
    let is_service = |url: &Url| is_web(url) && url.query().is_none() && url.fragment().is_none();
    let found = text.parse().ok().filter(is_service).map(Some);
    found.ok_or_else(|| {
        // The message does not repeat the URL, which may contain a password.
        D::Error::custom("must be a URL such as https://cloud.example.com:5000/v3, without a login, ? or #")
    })
}

/// Reads networks; a single address is a network of one.
pub(crate) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: String| {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            D::Error::custom(format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
        })
    };
    Vec::<String>::deserialize(from)?.into_iter().map(read).collect()
}

fn is_origin(url: &Url) -> bool {
    is_web(url) && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
}

fn is_web(url: &Url) -> bool {
    let nobody = url.username().is_empty() && url.password().is_none();
    matches!(url.scheme(), "http" | "https") && url.has_host() && nobody
}
