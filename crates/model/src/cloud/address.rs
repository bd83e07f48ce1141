//! The grammar of cloud addresses and the generation of new ones.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::access_key::{AccessKeyId, base58};
use crate::id::{ParseIdError, ProjectId, text_id};

/// `tca… . tck… . tcr… . tce…`: four parts of 16 to 24 letters and digits. Case matters.
///
/// Transom issues 4 × 19 base58 characters: a mark of the project, a mark of the access key that
/// requested the address, and two random parts. The marks help people who read lists. They decide
/// nothing, because an address may move to another key. Any text of this grammar is an address, so
/// another issuer's address is unknown rather than malformed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudAddress(String);
text_id!(CloudAddress);

const PARTS: usize = 4;
const PART: std::ops::RangeInclusive<usize> = 16..=24;
/// The maximum length: four parts of 24 characters and three dots.
const MAX: usize = 99;

impl CloudAddress {
    /// The number of random bytes in a new address: its last two parts, about 180 bits.
    pub const RANDOM: usize = 32;

    /// A new address, issued under this key.
    #[must_use]
    pub fn issue(project: ProjectId, key: &AccessKeyId, random: [u8; Self::RANDOM]) -> Self {
        let mark = |of: &str| digest::digest(&digest::SHA256, of.as_bytes());
        let (project, key) = (mark(&project.to_string()), mark(key.as_str()));
        let (realm, own) = random.split_at(16);
        let part = |tag: &str, bytes: &[u8]| {
            tag.chars().chain(bytes.iter().take(16).copied().map(base58)).collect::<String>()
        };
        Self(
            [part("tca", project.as_ref()), part("tck", key.as_ref()), part("tcr", realm), part("tce", own)]
                .join("."),
        )
    }
}

impl FromStr for CloudAddress {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = ParseIdError {
            what: "cloud address",
            problem: "must be four parts of 16 to 24 letters and digits, separated by dots",
        };
        let well_formed =
            |part: &str| PART.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if text.len() > MAX || text.split('.').count() != PARTS || !text.split('.').all(well_formed) {
            return Err(wrong);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_the_vendor_prints_are_well_formed() {
        for good in [
            "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M",
            "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRhAHCcvLXdEQogp",
            &["0".repeat(16), "z".repeat(24), "A".repeat(20), "9".repeat(17)].join("."),
        ] {
            assert_eq!(good.parse::<CloudAddress>().map(|a| a.to_string()).as_deref(), Ok(good));
        }
    }

    #[test]
    fn only_four_parts_of_letters_and_digits_are_well_formed() {
        let part = "A".repeat(19);
        let join = |parts: &[&str]| parts.join(".");
        let good = join(&[&part, &part, &part, &part]);
        for bad in [
            String::new(),
            "not-an-address".to_owned(),
            join(&[&part, &part, &part]),
            join(&[&part, &part, &part, &part, &part]),
            join(&[&part, "", &part, &part]),
            format!(".{good}"),
            format!("{good}."),
            format!("{good} "),
            good.replacen('A', "-", 1),
            good.replacen('A', "_", 1),
            good.replacen('A', "\0", 1),
            good.replacen('A', "ä", 1),
            good.replacen('A', "/", 1),
            join(&[&part, &part, &part, &"A".repeat(15)]),
            join(&[&part, &part, &part, &"A".repeat(25)]),
        ] {
            assert!(bad.parse::<CloudAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_issued_address_is_well_formed_and_shows_its_project_and_key() {
        let key = AccessKeyId::from_random([7; 22]);
        let project = ProjectId(uuid::Uuid::nil());
        let one = CloudAddress::issue(project, &key, [1; 32]);
        let two = CloudAddress::issue(project, &key, [2; 32]);
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert_eq!(one.as_str().len(), 79);
        assert_ne!(one, two);
        assert_eq!(
            one.as_str().split('.').take(2).collect::<Vec<_>>(),
            two.as_str().split('.').take(2).collect::<Vec<_>>()
        );
    }
}
