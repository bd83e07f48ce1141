//! The table of failures between a device, a viewer and the server: their numbers, names and exit
//! codes.

use std::fmt;
use std::time::Duration;

/// A row of the table, without its number.
struct Row {
    name: &'static str,
    exit_code: u8,
    sentence: &'static str,
    next_step: &'static str,
}

macro_rules! codes {
    ($($number:literal $variant:ident $exit_code:literal $sentence:literal, $next_step:literal;)+) => {
        /// The reason why a join or a connection failed or ended. Numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum RefusalCode { $(#[doc = $sentence] $variant = $number,)+ }

        impl RefusalCode {
            const ALL: &[Self] = &[$(Self::$variant),+];

            fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => &Row {
                        name: stringify!($variant),
                        exit_code: $exit_code,
                        sentence: $sentence,
                        next_step: $next_step,
                    },)+
                }
            }
        }
    };
}

codes! {
    1 CloudAuthenticationFailed 10
        "The cloud address or its password is not valid.",
        "Check --address and --password-file. A reset shows the new password only once.";
    2 CloudConnectionRefused 11
        "This cloud address is not allowed to connect to the other one.",
        "Allow this address or one of its groups on the listen address: transom address set.";
    3 CloudTargetNotFound 12
        "No agent is listening at that cloud address.",
        "Check the address, and that its agent is running. With --wait, the connector waits for the agent.";
    4 CloudConnectivityError 13
        "The server cannot be reached, or the connection to it was lost.",
        "Check the network and --server. If the program keeps running, it retries automatically.";
    5 Superseded 14
        "Another agent has joined under this cloud address.",
        "Each device needs its own address. Stop the other agent, or reset the address's password.";
    6 DeviceRefused 15
        "The device refused the connection.",
        "Read its reason. Check the agent's log, its --to and --allow-key lists, and its known-keys file for a key that has changed.";
    7 PeerKeyChanged 16
        "The other side presents a different key than expected.",
        "If it was reinstalled, compare keys with its owner and remove its line from the known-keys file. Otherwise a machine in between may be intercepting the connection.";
    8 PeerBusy 17
        "This connector already has a session with that cloud address.",
        "End that session first, or start a second connector.";
    9 ProtocolError 18
        "The two programs are not compatible.",
        "Update the older of the two. To compare them: transom --version.";
    10 ConnectionIntercepted 19
        "A proxy or another machine between this machine and the server terminates its TLS connection.",
        "If it is the server's own proxy, declare it there ([http] trusted_proxies). Otherwise bypass it, or trust another CA with --ca.";
}

impl RefusalCode {
    /// All codes, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied()
    }

    /// The code with this number, or `None` if this version does not know it.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::all().find(|code| *code as u16 == number)
    }

    /// The name that people and scripts see.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The exit code of `transom agent` and `transom connect`.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().exit_code
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// The advice for people.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        self.row().next_step
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The time of the next attempt. A peer must not reconnect any earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: a person has to act first.
    Never,
    /// After this delay.
    After(Duration),
}

/// A code with the details of one case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}{}", .code.sentence(), .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
pub struct Refusal {
    /// The reason.
    pub code: RefusalCode,
    /// The time of the next attempt.
    pub retry: Retry,
    /// Details for people, which never contain a secret.
    pub detail: Option<String>,
    /// Advice that replaces [`RefusalCode::next_step`] in this case. It is not sent to the other
    /// side.
    pub advice: Option<&'static str>,
}

impl Refusal {
    /// The shortest delay before an attempt to reconnect.
    pub const FIRST_RETRY: Duration = Duration::from_secs(5);
    /// The delay after an agent was displaced, so that two agents with one address do not displace
    /// each other all day.
    pub const SUPERSEDED_RETRY: Duration = Duration::from_secs(300);

    /// The delay after an intercepted connection. An interceptor does not go away at once, but must
    /// not lock a device out for good.
    pub const INTERCEPTED_RETRY: Duration = Duration::from_secs(300);

    /// The delay after a protocol error. The other side may be updated at any time, but frequent
    /// attempts until then are useless.
    pub const PROTOCOL_RETRY: Duration = Duration::from_secs(3600);

    /// Builds a refusal from a code of a later server, which this version does not know. Only a
    /// known code can end an agent for good.
    pub(crate) fn of_later_version(number: u16, retry: Retry, detail: Option<&str>) -> Self {
        let retry = match retry {
            Retry::After(wait) => Retry::After(wait),
            Retry::Never => Retry::After(Self::PROTOCOL_RETRY),
        };
        let words = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        let detail =
            format!("the server gave reason number {number}, which this version does not know{words}");
        Self { code: RefusalCode::ProtocolError, retry, detail: Some(detail), advice: None }
    }

    /// Adds the details of this case.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Sets the advice for this case.
    #[must_use]
    pub fn advising(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// The advice for people.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        self.advice.unwrap_or_else(|| self.code.next_step())
    }
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        let retry = match code {
            RefusalCode::CloudConnectivityError
            | RefusalCode::CloudTargetNotFound
            | RefusalCode::PeerBusy => Retry::After(Self::FIRST_RETRY),
            RefusalCode::Superseded => Retry::After(Self::SUPERSEDED_RETRY),
            RefusalCode::ConnectionIntercepted => Retry::After(Self::INTERCEPTED_RETRY),
            RefusalCode::ProtocolError => Retry::After(Self::PROTOCOL_RETRY),
            _ => Retry::Never,
        };
        Self { code, retry, detail: None, advice: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_number_and_an_exit_code_of_its_own() {
        let all: Vec<_> = RefusalCode::all().collect();
        for (index, code) in all.iter().enumerate() {
            assert_eq!(usize::from(*code as u16), index + 1);
            assert_eq!(RefusalCode::from_number(*code as u16), Some(*code));
            assert_eq!(code.name(), format!("{code:?}"));
            assert!((10..20).contains(&code.exit_code()));
            assert!(all.iter().skip(index + 1).all(|other| other.exit_code() != code.exit_code()));
        }
        assert_eq!(RefusalCode::from_number(0), None);
    }
}
