//! What can go wrong between a device, a viewer and the server: one table of numbers, names and exit codes.

use std::fmt;
use std::time::Duration;

/// What is to be said of a fault.
struct Words {
    name: &'static str,
    exit_code: u8,
    sentence: &'static str,
    next_step: &'static str,
}

macro_rules! faults {
    ($($number:literal $variant:ident $exit_code:literal $sentence:literal, $next_step:literal;)+) => {
        /// Why a join or a connection did not come about, or ended. The numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Fault { $(#[doc = $sentence] $variant = $number,)+ }

        const TABLE: &[(Fault, Words)] = &[$((Fault::$variant, Words {
            name: stringify!($variant),
            exit_code: $exit_code,
            sentence: $sentence,
            next_step: $next_step,
        }),)+];
    };
}

faults! {
    1 CloudAuthenticationFailed 10
        "The cloud address or its password is not valid.",
        "Check --address and --password-file. A password that was reset is shown once, by the reset.";
    2 CloudConnectionRefused 11
        "This cloud address is not permitted to connect to that one.",
        "Let one of its groups, or the address itself, in at the listening address (transom address set).";
    3 CloudTargetNotFound 12
        "Nobody listens at that cloud address.",
        "Check the address and that its agent runs; --wait waits until it does.";
    4 CloudConnectivityError 13
        "The server cannot be reached, or the connection to it was lost.",
        "Check the network and --server; what keeps running tries again by itself.";
    5 Superseded 14
        "Another agent has joined under this cloud address.",
        "Each device needs an address of its own; stop the other agent, or reset the address's password.";
    6 DeviceRefused 15
        "The device refused the connection.",
        "Its reason is given; look into the agent's log, its --to and --allow-key lists, and its known-keys file for a key that changed.";
    7 PeerKeyChanged 16
        "The other side shows another key than expected.",
        "If it was reinstalled, compare fingerprints with its owner and remove its line from the known-keys file; else somebody stands between.";
    8 PeerBusy 17
        "This connector has a session with that cloud address already.",
        "End that session first, or start a second connector.";
    9 ProtocolError 18
        "The two sides do not understand each other.",
        "Update the older one of the two; transom --version tells which that is.";
    10 ConnectionIntercepted 19
        "Something between this machine and the server ends its TLS connection.",
        "If it is the server's own proxy, declare it there ([http] trusted_proxies); else go around it, or trust another --ca.";
}

impl Fault {
    /// The whole list.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(fault, _)| *fault)
    }

    /// The fault of this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::all().find(|fault| *fault as u16 == number)
    }

    /// The name that scripts and people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().name
    }

    /// What `transom agent` and `transom connect` exit with.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.words().exit_code
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.words().sentence
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        self.words().next_step
    }

    fn words(self) -> &'static Words {
        // Numbers are given without gaps, from 1.
        &TABLE[usize::from(self as u16) - 1].1
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When to try again. Nobody may be faster than told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not at all: a person has to do something.
    Never,
    /// After this long.
    After(Duration),
}

/// A fault with what is known of this one case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: {}{}", .fault.sentence(), .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
pub struct Refusal {
    /// Which fault.
    pub fault: Fault,
    /// When to try again.
    pub retry: Retry,
    /// More for people, never a secret.
    pub detail: Option<String>,
    /// What to do, where this end knows better than [`Fault::next_step`]; it is not sent.
    pub advice: Option<&'static str>,
}

impl Refusal {
    /// Of whoever comes back, nobody comes sooner than this.
    pub const FIRST_RETRY: Duration = Duration::from_secs(5);
    /// Two agents with one address must not push each other out all day.
    pub const SUPERSEDED_RETRY: Duration = Duration::from_secs(300);

    /// Who stands in between does not go away at once, and must not silence a device for good.
    pub const INTERCEPTED_RETRY: Duration = Duration::from_secs(300);

    /// The other side may be updated at any time; asking every minute until then helps nobody.
    pub const PROTOCOL_RETRY: Duration = Duration::from_secs(3600);

    /// A server of a later version says something that this one has no word for. Only a fault that is known here can end an
    /// agent for good.
    pub(crate) fn of_later_version(number: u16, retry: Retry, detail: Option<&str>) -> Self {
        let retry = match retry {
            Retry::After(wait) => Retry::After(wait),
            Retry::Never => Retry::After(Self::PROTOCOL_RETRY),
        };
        let words = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        let detail =
            format!("the server's reason has the number {number}, which this version does not know{words}");
        Self { fault: Fault::ProtocolError, retry, detail: Some(detail), advice: None }
    }

    /// Adds what is known of this case.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Says what to do in this case.
    #[must_use]
    pub fn advising(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        self.advice.unwrap_or(self.fault.next_step())
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let retry = match fault {
            Fault::CloudConnectivityError | Fault::CloudTargetNotFound | Fault::PeerBusy => {
                Retry::After(Self::FIRST_RETRY)
            }
            Fault::Superseded => Retry::After(Self::SUPERSEDED_RETRY),
            Fault::ConnectionIntercepted => Retry::After(Self::INTERCEPTED_RETRY),
            Fault::ProtocolError => Retry::After(Self::PROTOCOL_RETRY),
            _ => Retry::Never,
        };
        Self { fault, retry, detail: None, advice: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_number_and_an_exit_code_of_its_own() {
        let all: Vec<_> = Fault::all().collect();
        for (index, fault) in all.iter().enumerate() {
            assert_eq!(usize::from(*fault as u16), index + 1);
            assert_eq!(Fault::from_number(*fault as u16), Some(*fault));
            assert_eq!(fault.name(), format!("{fault:?}"));
            assert!((10..20).contains(&fault.exit_code()));
            assert!(all[index + 1..].iter().all(|other| other.exit_code() != fault.exit_code()));
        }
        assert_eq!(Fault::from_number(0), None);
    }
}
