//! Members of a JSON object that need not be there.
//!
//! Typed clients send `null` for what they do not set. That is as if the member were missing, except where a missing member
//! lets in, lasts or shows more than its caller may have meant.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A member that is told apart from `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Member<T> {
    /// It is not there.
    #[default]
    Missing,
    /// It is there, and says nothing.
    Null,
    /// It is there.
    Given(T),
}

impl<T> Member<T> {
    /// What it says, where it says something.
    #[must_use]
    pub fn given(self) -> Option<T> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Given(value) => Some(value),
        }
    }

    /// Whether it is there and says nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// With `#[serde(default)]`, by which it is [`Member::Missing`].
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Given))
    }
}

/// Reads what may be missing and must not be `null`, with `#[serde(default)]`.
pub(crate) fn never_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    // An enumeration by itself would call `null` no JSON at all.
    match Option::deserialize(deserializer)? {
        Some(value) => Ok(Some(value)),
        None => Err(D::Error::custom("must not be null")),
    }
}

/// Reads `null` as if nothing were there, with `#[serde(default)]`.
pub(crate) fn null_as_missing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a whole number, which JSON may also write with a point and zeros behind it.
fn whole<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    /// Floating point has every whole number up to here.
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

/// The same where it may be missing and must not be `null`, with `#[serde(default)]`.
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
    fn a_whole_number_is_one_however_it_is_written() {
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
    fn null_is_told_apart_refused_or_as_if_missing() {
        let read = |text: &str| serde_json::from_str::<Body>(text).ok();
        let body = |told_apart, never_null, as_missing| Some(Body { told_apart, never_null, as_missing });
        assert_eq!(read("{}"), body(Member::Missing, None, 0));
        assert_eq!(read(r#"{"told_apart": null, "as_missing": null}"#), body(Member::Null, None, 0));
        let given = r#"{"told_apart": 1, "never_null": 2, "as_missing": 3}"#;
        assert_eq!(read(given), body(Member::Given(1), Some(2), 3));
        assert_eq!(read(r#"{"never_null": null}"#), None);
    }
}
