//! The messages of SCRAM-SHA-256 (RFC 5802, RFC 7677). The holder of the password or of its
//! verifier makes the proofs, over the auth message that both sides read here.
//!
//! The channel binding is `tls-exporter` (RFC 9266) if TLS ends at the server. A peer that supports
//! the binding, but was told that the server does not, sends `y`. The server accepts `y` only
//! through a proxy that is declared to terminate TLS, so a man in the middle cannot make both sides
//! drop the binding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::words::Binding;

/// The exporter of a TLS connection (RFC 9266 §4.2).
pub type Exporter = [u8; 32];

/// The random bytes in each side's nonce.
pub const NONCE: usize = 18;
const HASH: usize = 32;
/// The most iterations that a peer accepts. A server that asks for more is trying to overload it;
/// Transom's server asks for one.
const MAX_ITERATIONS: u32 = 100_000;

/// The reason why a SCRAM message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The message does not follow RFC 5802 §7.
    #[error("a SCRAM message is malformed")]
    Malformed,
    /// The nonce does not belong to this exchange.
    #[error("a SCRAM message belongs to another exchange")]
    Nonce,
    /// The proof is bound to another connection, or to none.
    #[error("its TLS connection is terminated in front of the server")]
    Binding,
    /// The peer is on TLS, this connection is not, and no proxy was declared.
    #[error(
        "TLS is terminated in front of the server, but no proxy is declared there ([http] trusted_proxies)"
    )]
    Undeclared,
}

/// The server's knowledge of the connection that carries a proof.
#[derive(Clone, Copy, Debug)]
pub enum Channel<'a> {
    /// TLS ends here: the proof must be bound to it.
    Tls(&'a Exporter),
    /// A declared proxy terminates TLS before the server, so the server has no TLS connection to
    /// bind to.
    Proxied,
    /// Neither end uses TLS.
    Plain,
}

impl Channel<'_> {
    /// The binding that the server offers.
    #[must_use]
    pub fn binding(self) -> Binding {
        match self {
            Self::Tls(_) => Binding::TlsExporter,
            Self::Proxied | Self::Plain => Binding::None,
        }
    }

    /// Checks that the peer uses the strongest binding that this connection allows.
    fn judge(&self, header: &str) -> Result<(), ScramError> {
        match (header, self) {
            ("p=tls-exporter,,", Self::Tls(_)) | ("n,,", Self::Plain) => Ok(()),
            ("y,," | "n,,", Self::Proxied) => Ok(()),
            // The peer uses TLS, which ends before this server.
            ("y,,", Self::Plain) => Err(ScramError::Undeclared),
            ("p=tls-exporter,," | "y,," | "n,,", _) => Err(ScramError::Binding),
            _ => Err(ScramError::Malformed),
        }
    }

    /// Checks that a channel binding outside a SCRAM message (RFC 5802 §7, channel-binding) matches
    /// this connection.
    pub(crate) fn judge_binding(&self, binding: &str) -> Result<(), ScramError> {
        let plain = STANDARD.decode(binding).map_err(|_| ScramError::Malformed)?;
        let commas = plain.iter().enumerate().filter(|(_, byte)| **byte == b',');
        let (end, _) = commas.take(2).last().ok_or(ScramError::Malformed)?;
        let header = plain.get(..=end).and_then(|header| std::str::from_utf8(header).ok());
        let header = header.ok_or(ScramError::Malformed)?;
        self.judge(header)?;
        if binding == bound_by(header, self.bound()) { Ok(()) } else { Err(ScramError::Binding) }
    }

    /// The data to which a proof is bound.
    fn bound(&self) -> &[u8] {
        match self {
            Self::Tls(exporter) => exporter.as_slice(),
            Self::Proxied | Self::Plain => &[],
        }
    }
}

/// Encodes random bytes as a nonce.
#[must_use]
pub fn nonce(random: [u8; NONCE]) -> String {
    STANDARD.encode(random)
}

/// The start of the peer's messages (RFC 5802 §7, gs2-header), and the bound data.
pub(crate) fn header(offered: Binding, exporter: Option<&Exporter>) -> (&'static str, &[u8]) {
    match (offered, exporter) {
        (Binding::TlsExporter, Some(exporter)) => ("p=tls-exporter,,", exporter),
        (_, Some(_)) => ("y,,", &[]),
        (_, None) => ("n,,", &[]),
    }
}

/// The channel binding in the form that is sent.
pub(crate) fn bound_by(header: &str, bound: &[u8]) -> String {
    STANDARD.encode([header.as_bytes(), bound].concat())
}

/// The side that makes the proof.
#[derive(Debug)]
pub struct Prover {
    header: &'static str,
    bare: String,
    nonce: String,
    bound: Vec<u8>,
}

/// The server's challenge to a prover.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The salt.
    pub salt: Vec<u8>,
    /// The iterations of the password's hash.
    pub iterations: std::num::NonZeroU32,
    /// The message over which both sides make their proofs.
    pub auth_message: String,
    without_proof: String,
}

impl Prover {
    /// Begins an exchange. `nonce` must be fresh. `exporter` is that of this connection, or `None`
    /// without TLS.
    #[must_use]
    pub fn new(address: &str, nonce: String, offered: Binding, exporter: Option<&Exporter>) -> Self {
        let (header, bound) = header(offered, exporter);
        Self { header, bare: format!("n={address},r={nonce}"), nonce, bound: bound.to_owned() }
    }

    /// The client-first message.
    #[must_use]
    pub fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// Reads server-first.
    pub fn challenged(&self, server_first: &str) -> Result<Challenge, ScramError> {
        let [nonce, salt, iterations] = attributes(server_first, ["r=", "s=", "i="])?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = STANDARD.decode(salt).map_err(|_| ScramError::Malformed)?;
        let iterations: std::num::NonZeroU32 = iterations.parse().map_err(|_| ScramError::Malformed)?;
        if iterations.get() > MAX_ITERATIONS {
            return Err(ScramError::Malformed);
        }
        let binding = bound_by(self.header, &self.bound);
        let without_proof = format!("c={binding},r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.bare);
        Ok(Challenge { salt, iterations, auth_message, without_proof })
    }
}

impl Challenge {
    /// The client-final message.
    #[must_use]
    pub fn answer(&self, proof: &[u8; HASH]) -> String {
        format!("{},p={}", self.without_proof, STANDARD.encode(proof))
    }
}

/// The server-final message.
#[must_use]
pub fn server_final(signature: &[u8; HASH]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

/// Reads server-final, and returns the server's signature.
pub fn read_server_final(text: &str) -> Result<[u8; HASH], ScramError> {
    let [signature] = attributes(text, ["v="])?;
    hash(signature)
}

/// The side that demands a proof.
#[derive(Debug)]
pub struct Examiner {
    /// The address that the peer claims.
    pub address: String,
    header: String,
    bare: String,
    nonce: String,
}

impl Examiner {
    /// Reads client-first. Returns an error if its binding does not match this connection.
    pub fn new(client_first: &str, channel: Channel<'_>) -> Result<Self, ScramError> {
        let bare_at = client_first.match_indices(',').nth(1).ok_or(ScramError::Malformed)?.0 + 1;
        let (header, bare) = client_first.split_at_checked(bare_at).ok_or(ScramError::Malformed)?;
        let [address, nonce] = attributes(bare, ["n=", "r="])?;
        channel.judge(header)?;
        if nonce.len() < NONCE || address.is_empty() {
            return Err(ScramError::Malformed);
        }
        Ok(Self {
            address: address.to_owned(),
            header: header.to_owned(),
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
        })
    }

    /// Makes the server-first message from the verifier's parameters and a fresh nonce.
    #[must_use]
    pub fn challenge(self, nonce: &str, salt: &[u8], iterations: u32) -> PendingChallenge {
        let nonce = format!("{}{nonce}", self.nonce);
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        PendingChallenge { examiner: self, nonce, server_first }
    }
}

/// A challenge that waits for its answer.
#[derive(Debug)]
pub struct PendingChallenge {
    examiner: Examiner,
    nonce: String,
    /// The server-first message.
    pub server_first: String,
}

/// An answer that still has to be verified.
#[derive(Debug)]
pub struct Answer {
    /// The `ClientProof` of RFC 5802.
    pub proof: Zeroizing<[u8; HASH]>,
    /// The message over which both sides make their proofs.
    pub auth_message: String,
}

impl PendingChallenge {
    /// Reads client-final.
    pub fn read_answer(&self, client_final: &str, channel: Channel<'_>) -> Result<Answer, ScramError> {
        let [binding, nonce, proof] = attributes(client_final, ["c=", "r=", "p="])?;
        if nonce != self.nonce {
            return Err(ScramError::Nonce);
        }
        if binding != bound_by(&self.examiner.header, channel.bound()) {
            return Err(ScramError::Binding);
        }
        let auth_message = format!("{},{},c={binding},r={nonce}", self.examiner.bare, self.server_first);
        Ok(Answer { proof: Zeroizing::new(hash(proof)?), auth_message })
    }
}

/// The values of exactly these attributes, in this order. The values that this protocol uses
/// contain no commas.
fn attributes<'a, const N: usize>(text: &'a str, names: [&str; N]) -> Result<[&'a str; N], ScramError> {
    let mut parts = text.split(',');
    let mut values = [""; N];
    for (value, name) in values.iter_mut().zip(names) {
        let part = parts.next().ok_or(ScramError::Malformed)?;
        *value = part.strip_prefix(name).ok_or(ScramError::Malformed)?;
    }
    if parts.next().is_some() { Err(ScramError::Malformed) } else { Ok(values) }
}

fn hash(text: &str) -> Result<[u8; HASH], ScramError> {
    let bytes = STANDARD.decode(text).map_err(|_| ScramError::Malformed)?;
    bytes.try_into().map_err(|_| ScramError::Malformed)
}
