//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the messages. The proofs themselves are made by whoever holds the password or its
//! verifier, over the auth message that both sides read off here.
//!
//! The channel binding is `tls-exporter` (RFC 9266) where the server ends TLS itself. A peer that could have bound, and was
//! told that the server cannot, says `y`: the server takes that only where a proxy that ends TLS was declared to it, so
//! nobody in between talks both out of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::message::Binding;

/// The exporter of a TLS connection (RFC 9266 §4.2).
pub type Exporter = [u8; 32];

/// How many random bytes each side's nonce is made of.
pub const NONCE: usize = 18;
const HASH: usize = 32;
/// A server that asks for more wants to keep the peer busy; ours asks for one.
const MAX_ITERATIONS: u32 = 100_000;

/// What is wrong with a SCRAM message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// It is not what RFC 5802 §7 says.
    #[error("a SCRAM message is malformed")]
    Malformed,
    /// The nonce is not the one that this exchange began with.
    #[error("a SCRAM message belongs to another exchange")]
    Nonce,
    /// The proof is bound to another connection, or to none.
    #[error("its TLS connection ends before it reaches the server")]
    Binding,
    /// The peer is on TLS, this connection is not, and no proxy was declared.
    #[error("TLS ends in front of the server, which was told of no proxy there ([http] trusted_proxies)")]
    Undeclared,
}

/// What the examining side knows of the connection that a proof comes over.
#[derive(Clone, Copy, Debug)]
pub enum Channel<'a> {
    /// TLS ends here: the proof must be bound to it.
    Tls(&'a Exporter),
    /// It comes from a proxy that was declared to end TLS: there is nothing to bind to.
    Proxied,
    /// There is no TLS at either end.
    Plain,
}

impl Channel<'_> {
    /// What to offer.
    #[must_use]
    pub fn binding(self) -> Binding {
        match self {
            Self::Tls(_) => Binding::TlsExporter,
            Self::Proxied | Self::Plain => Binding::None,
        }
    }

    /// Whether a peer on it binds its proof as it can.
    fn judge(&self, header: &str) -> Result<(), ScramError> {
        match (header, self) {
            ("p=tls-exporter,,", Self::Tls(_)) | ("n,,", Self::Plain) => Ok(()),
            ("y,," | "n,,", Self::Proxied) => Ok(()),
            // It is on TLS, which ends before us.
            ("y,,", Self::Plain) => Err(ScramError::Undeclared),
            ("p=tls-exporter,," | "y,," | "n,,", _) => Err(ScramError::Binding),
            _ => Err(ScramError::Malformed),
        }
    }

    /// Whether a peer on it, which says no more than this, binds its proof as it can (RFC 5802 §7, channel-binding).
    pub(crate) fn judge_binding(&self, binding: &str) -> Result<(), ScramError> {
        let plain = STANDARD.decode(binding).map_err(|_| ScramError::Malformed)?;
        let commas = plain.iter().enumerate().filter(|(_, byte)| **byte == b',');
        let (end, _) = commas.take(2).last().ok_or(ScramError::Malformed)?;
        let header = plain.get(..=end).and_then(|header| std::str::from_utf8(header).ok());
        let header = header.ok_or(ScramError::Malformed)?;
        self.judge(header)?;
        if binding == bound_by(header, self.bound()) { Ok(()) } else { Err(ScramError::Binding) }
    }

    /// What a proof over it is bound to.
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

/// How the peer's side of the header begins (RFC 5802 §7, gs2-header), and what is bound.
pub(crate) fn header(offered: Binding, exporter: Option<&Exporter>) -> (&'static str, &[u8]) {
    match (offered, exporter) {
        (Binding::TlsExporter, Some(exporter)) => ("p=tls-exporter,,", exporter),
        (_, Some(_)) => ("y,,", &[]),
        (_, None) => ("n,,", &[]),
    }
}

/// What a proof is bound to, in the form that is sent.
pub(crate) fn bound_by(header: &str, bound: &[u8]) -> String {
    STANDARD.encode([header.as_bytes(), bound].concat())
}

/// The side that proves.
#[derive(Debug)]
pub struct Prover {
    header: &'static str,
    bare: String,
    nonce: String,
    bound: Vec<u8>,
}

/// What a prover is to answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The salt.
    pub salt: Vec<u8>,
    /// How often the password is stretched.
    pub iterations: std::num::NonZeroU32,
    /// What both proofs are made over.
    pub auth_message: String,
    without_proof: String,
}

impl Prover {
    /// Begins an exchange. `nonce` is fresh; `exporter` is this connection's, where it is a TLS one.
    #[must_use]
    pub fn new(address: &str, nonce: String, offered: Binding, exporter: Option<&Exporter>) -> Self {
        let (header, bound) = header(offered, exporter);
        Self { header, bare: format!("n={address},r={nonce}"), nonce, bound: bound.to_owned() }
    }

    /// client-first
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
    /// client-final
    #[must_use]
    pub fn answer(&self, proof: &[u8; HASH]) -> String {
        format!("{},p={}", self.without_proof, STANDARD.encode(proof))
    }
}

/// server-final
#[must_use]
pub fn server_final(signature: &[u8; HASH]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

/// Reads server-final: the server's signature.
pub fn read_server_final(text: &str) -> Result<[u8; HASH], ScramError> {
    let [signature] = attributes(text, ["v="])?;
    hash(signature)
}

/// The side that asks for a proof.
#[derive(Debug)]
pub struct Examiner {
    /// Who it says it is.
    pub address: String,
    header: String,
    bare: String,
    nonce: String,
}

impl Examiner {
    /// Reads client-first, which must be bound as this connection can be.
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

    /// server-first, with what the verifier holds and a fresh nonce.
    #[must_use]
    pub fn challenge(self, nonce: &str, salt: &[u8], iterations: u32) -> Asked {
        let nonce = format!("{}{nonce}", self.nonce);
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        Asked { examiner: self, nonce, server_first }
    }
}

/// A challenge that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    examiner: Examiner,
    nonce: String,
    /// What to send.
    pub server_first: String,
}

/// An answer that is to be verified.
#[derive(Debug)]
pub struct Answer {
    /// ClientProof.
    pub proof: Zeroizing<[u8; HASH]>,
    /// What both proofs are made over.
    pub auth_message: String,
}

impl Asked {
    /// Reads client-final.
    pub fn answered(&self, client_final: &str, channel: Channel<'_>) -> Result<Answer, ScramError> {
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

/// The values of exactly these attributes, in this order. No value of ours holds a comma.
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
