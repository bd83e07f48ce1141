//! The policy: an agent's own rules for peers.

use std::fmt;
use std::sync::Arc;

use transom_tunnel::PublicKey;

use crate::introduction::Verify;

/// An agent's own rules for peers, after the server's.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The only keys that are accepted. If empty, the first key that a peer shows becomes that
    /// peer's key.
    pub allow_keys: Vec<PublicKey>,
    /// True if the agent accepts end-to-end connections only.
    ///
    /// It then accepts no console in a browser, since the gateway would be the other end. It also
    /// accepts no key that it sees for the first time, since the server could show a key of its own
    /// under any address.
    pub end_to_end_only: bool,
    /// The check of the peer's address, before any bytes pass.
    pub filter: AddressFilter,
    /// The check of the peer's key. It comes last: before a new key is stored, and before the first
    /// byte of a session passes.
    pub verify: Verify,
}

/// The embedding program's decision by address. By default it accepts every peer that no other rule
/// keeps out.
#[derive(Clone, Default)]
pub struct AddressFilter(Option<Arc<Admits>>);

type Admits = dyn Fn(&str) -> bool + Send + Sync;

impl AddressFilter {
    /// Calls `admits` with every peer's address, in the form `[vnccloud:<address>]`. It must not
    /// block.
    pub fn new(admits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(admits)))
    }

    pub(crate) fn admits(&self, peer: &str) -> bool {
        self.0.as_ref().is_none_or(|admits| admits(peer))
    }
}

impl fmt::Debug for AddressFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "AddressFilter(..)" } else { "AddressFilter(all)" })
    }
}
