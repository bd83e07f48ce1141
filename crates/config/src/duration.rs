//! Durations in the configuration's notation.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A duration such as `60s`, `10m`, `1h 30m` or `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl FromStr for HumanDuration {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a duration such as 60s, 10m, 12h or 30d");
        let span: jiff::Span = text.parse().map_err(|_| wrong())?;
        // A day is 24 hours here; months and years have no fixed length and are refused.
        let marker = jiff::SpanRelativeTo::days_are_24_hours();
        let seconds = span.total((jiff::Unit::Second, marker)).map_err(|_| wrong())?;
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A duration, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse::<HumanDuration>().map(|duration| Self(Some(duration.0))).map_err(serde::de::Error::custom)
    }
}
