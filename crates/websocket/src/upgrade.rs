//! The opening handshake (RFC 6455 §4.2).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};

/// The GUID of RFC 6455 §1.3.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The only subprotocol of VNC over WebSocket: RFB in binary messages.
pub const BINARY: &str = "binary";
/// The web page's own subprotocol: RFB in binary messages, and the page's channel to the gateway in
/// text messages.
pub const PAGE: &str = "transom.page.1";
/// The prefix of a resume ticket in the list of subprotocols, the only header of a WebSocket
/// request that a page can set.
pub const TICKET: &str = "transom.ticket.";

/// Returns whether a request asks for a WebSocket.
#[must_use]
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, CONNECTION, "upgrade") && has_token(headers, UPGRADE, "websocket")
}

fn has_token(headers: &HeaderMap, name: http::HeaderName, token: &str) -> bool {
    list(headers, &name).any(|entry| entry.eq_ignore_ascii_case(token))
}

fn list<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|entry| !entry.is_empty())
}

/// The reason why a WebSocket request is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The version is not 13, the only one in use.
    #[error("only version 13 of the WebSocket protocol is supported")]
    Version,
    /// The key is not 16 bytes in Base64.
    #[error("Sec-WebSocket-Key is missing or malformed")]
    Key,
}

/// A well-formed request for a WebSocket.
#[derive(Debug)]
pub struct Upgrade<'a> {
    accept: HeaderValue,
    /// The chosen subprotocol. `None` if the client offers no supported one; it then decides
    /// whether to continue without a subprotocol (RFC 6455 §4.2.2).
    picked: Option<&'static str>,
    /// The resume ticket among the subprotocols.
    pub ticket: Option<&'a str>,
}

impl<'a> Upgrade<'a> {
    /// Reads the request's headers.
    pub fn read(headers: &'a HeaderMap) -> Result<Self, UpgradeError> {
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(UpgradeError::Version);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(UpgradeError::Key)?.as_bytes();
        if STANDARD.decode(key).map_err(|_| UpgradeError::Key)?.len() != 16 {
            return Err(UpgradeError::Key);
        }
        let ticket = list(headers, &SEC_WEBSOCKET_PROTOCOL).find_map(|entry| entry.strip_prefix(TICKET));
        // The page's own subprotocol includes its channel, so it is preferred regardless of the
        // client's order.
        let picked = [PAGE, BINARY]
            .into_iter()
            .find(|ours| list(headers, &SEC_WEBSOCKET_PROTOCOL).any(|entry| entry == *ours));
        let accept = HeaderValue::from_str(&accept(key)).map_err(|_| UpgradeError::Key)?;
        Ok(Self { accept, picked, ticket })
    }

    /// Returns whether the page's channel runs alongside RFB.
    #[must_use]
    pub fn has_channel(&self) -> bool {
        self.picked == Some(PAGE)
    }

    /// Returns the answer's headers.
    #[must_use]
    pub fn answer(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(picked) = self.picked {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(picked));
        }
        headers
    }
}

/// Returns the value of `Sec-WebSocket-Accept` for a key.
pub(crate) fn accept(key: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, MAGIC].concat());
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        // The example of RFC 6455 §1.3.
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_ticket_rides_beside_the_subprotocol() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("binary, transom.ticket.abc"));
        let upgrade = Upgrade::read(&headers).expect("upgrade");
        assert_eq!(upgrade.ticket, Some("abc"));
        assert_eq!(upgrade.answer().get(SEC_WEBSOCKET_PROTOCOL).expect("a subprotocol"), "binary");
        assert!(!upgrade.has_channel());
        let listed = HeaderValue::from_static("transom.ticket.abc, binary, transom.page.1");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, listed);
        let upgrade = Upgrade::read(&headers).expect("upgrade");
        assert_eq!(upgrade.ticket, Some("abc"));
        assert_eq!(upgrade.answer().get(SEC_WEBSOCKET_PROTOCOL).expect("a subprotocol"), "transom.page.1");
        assert!(upgrade.has_channel());
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("base64, transom.ticket.abc"));
        let upgrade = Upgrade::read(&headers).expect("upgrade");
        assert_eq!(upgrade.ticket, Some("abc"));
        assert!(!upgrade.answer().contains_key(SEC_WEBSOCKET_PROTOCOL));
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        assert!(!Upgrade::read(&headers).expect("upgrade").answer().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }
}
