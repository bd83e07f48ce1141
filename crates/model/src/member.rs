//! Optional members of a JSON object.
//!
//! Typed clients send `null` for members that they do not set. A `null` counts as an absent member,
//! except where an absent member would admit, extend or reveal more than the caller may have
//! intended.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A member that distinguishes absence from `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Member<T> {
    /// The member is absent.
    #[default]
    Missing,
    /// The member is `null`.
    Null,
    /// The member has a value.
    Given(T),
}

impl<T> Member<T> {
    /// The value, if the member has one.
    #[must_use]
    pub fn given(self) -> Option<T> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Given(value) => Some(value),
        }
    }

    /// Returns whether the member is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Requires `#[serde(default)]`, which yields [`Member::Missing`].
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Given))
    }
}

/// Reads a member that may be absent but must not be `null`. Requires `#[serde(default)]`.
pub(crate) fn never_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    // Without `Option`, an enumeration would report `null` as malformed JSON.
    match Option::deserialize(deserializer)? {
        Some(value) => Ok(Some(value)),
        None => Err(D::Error::custom("must not be null")),
    }
}

/// Reads `null` as the default value. Requires `#[serde(default)]`.
pub fn null_as_missing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a whole number. JSON may also write it with a fraction of zero or an exponent.
fn whole<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    /// The largest power of two up to which floating point represents every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number within its bounds")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, and not too large"
        )]
        fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
            let whole = number.fract() == 0.0 && (0.0..=EXACT).contains(&number);
            if whole { Ok(number as u64) } else { Err(E::invalid_value(Unexpected::Float(number), &self)) }
        }
    }

    let number = deserializer.deserialize_u64(Whole)?;
    T::try_from(number).map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(number), &Whole))
}

/// Reads a whole number that may be absent but must not be `null`. Requires `#[serde(default)]`.
pub(crate) fn whole_never_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    whole(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Body {
        #[serde(default)]
        told_apart: Member<u32>,
        #[serde(default, deserialize_with = "never_null")]
        never_null: Option<u32>,
        #[serde(default, deserialize_with = "null_as_missing")]
        as_missing: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Count {
        #[serde(default, deserialize_with = "whole_never_null")]
        count: Option<u32>,
    }

    #[test]
    fn whole_numbers_are_read_in_every_json_notation() {
        let read = |text: &str| serde_json::from_str::<Count>(&format!("{{\"count\": {text}}}")).ok();
        for (text, count) in [("7", 7), ("7.0", 7), ("7e2", 700), ("0", 0), ("4294967295.0", u32::MAX)] {
            assert_eq!(read(text), Some(Count { count: Some(count) }), "{text}");
        }
        for text in
            ["7.5", "-1", "-1.0", "4294967296", "4294967296.0", "1e300", "\"7\"", "null", "true", "[7]"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn null_is_distinguished_refused_or_read_as_absent() {
        let read = |text: &str| serde_json::from_str::<Body>(text).ok();
        let body = |told_apart, never_null, as_missing| Some(Body { told_apart, never_null, as_missing });
        assert_eq!(read("{}"), body(Member::Missing, None, 0));
        assert_eq!(read(r#"{"told_apart": null, "as_missing": null}"#), body(Member::Null, None, 0));
        let given = r#"{"told_apart": 1, "never_null": 2, "as_missing": 3}"#;
        assert_eq!(read(given), body(Member::Given(1), Some(2), 3));
        assert_eq!(read(r#"{"never_null": null}"#), None);
    }
}
