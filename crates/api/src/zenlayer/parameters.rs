//! The members of a request's body, each read as its required type.
//!
//! A member that is null, an empty string or an empty list counts as missing. Unknown members are
//! ignored, since Zenlayer's newer SDKs send more than its older services read.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::error::{ApiError, Code};

/// 2⁶³. The JSON parser reads larger integers as floating point.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

#[derive(Debug)]
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        // This also refuses invalid UTF-8 and more than 128 levels of nesting.
        let wrong = |_| ApiError::new(Code::ParameterType, "The body must be a JSON object.");
        serde_json::from_slice(body).map(Self).map_err(wrong)
    }

    /// Reads a required string.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, ApiError> {
        let missing = || ApiError::new(Code::MissingParameter, format!("{name} is missing."));
        self.text(name)?.ok_or_else(missing)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// Reads a whole number between two bounds.
    pub(super) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(wrong_type(name, "an integer")),
        };
        let too_large =
            || ApiError::new(Code::ParameterExceedMaximum, format!("{name} must be at most {most}."));
        let too_small =
            || ApiError::new(Code::ParameterLessMinimum, format!("{name} must be at least {least}."));
        match (number.as_u64(), number.as_i64()) {
            (Some(number), _) if number > most => Err(too_large()),
            (Some(number), _) if number >= least => Ok(Some(number)),
            (None, None) => match number.as_f64() {
                // Beyond the range of an integer.
                Some(huge) if huge >= BEYOND => Err(too_large()),
                Some(huge) if huge <= -BEYOND => Err(too_small()),
                _ => Err(wrong_type(name, "an integer")),
            },
            _ => Err(too_small()),
        }
    }

    /// Reads a list of at most `most` strings.
    pub(super) fn texts(&self, name: &str, most: usize) -> Result<Option<Vec<&str>>, ApiError> {
        let Some(list) = self.list(name, most)? else { return Ok(None) };
        let texts: Option<_> = list.iter().map(Value::as_str).collect();
        texts.map(Some).ok_or_else(|| wrong_type(name, "an array of strings"))
    }

    /// Tells whether a list of at most `most` objects is given.
    pub(super) fn objects(&self, name: &str, most: usize) -> Result<bool, ApiError> {
        match self.list(name, most)? {
            None => Ok(false),
            Some(list) if list.iter().all(Value::is_object) => Ok(true),
            Some(_) => Err(wrong_type(name, "an array of objects")),
        }
    }

    fn list(&self, name: &str, most: usize) -> Result<Option<&[Value]>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) if list.len() > most => Err(ApiError::new(
                Code::ParameterExceedLength,
                format!("{name} must have at most {most} members."),
            )),
            Some(Value::Array(list)) => Ok(Some(list.as_slice()).filter(|list| !list.is_empty())),
            Some(_) => Err(wrong_type(name, "an array")),
        }
    }
}

fn wrong_type(name: &str, wanted: impl Display) -> ApiError {
    ApiError::new(Code::ParameterType, format!("{name} must be {wanted}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Parameters {
        Parameters::parse(body.as_bytes()).expect("an object")
    }

    #[test]
    fn a_body_that_is_no_object_is_the_wrong_type() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [&b""[..], b"[]", b"null", b"{", b"{\"a\":\"\xff\"}", b"{} {}", deep.as_bytes()] {
            let error = Parameters::parse(body).expect_err("no object");
            assert_eq!(error.code, Code::ParameterType);
        }
    }

    #[test]
    fn a_number_is_whole_and_within_its_bounds() {
        let number = |text: &str| {
            parsed(&format!("{{\"n\":{text}}}")).number("n", 1, 1000).map_err(|error| error.code)
        };
        assert_eq!(number("1"), Ok(Some(1)));
        assert_eq!(number("1000"), Ok(Some(1000)));
        assert_eq!(number("null"), Ok(None));
        assert_eq!(number("0"), Err(Code::ParameterLessMinimum));
        assert_eq!(number("-1"), Err(Code::ParameterLessMinimum));
        assert_eq!(number("1001"), Err(Code::ParameterExceedMaximum));
        assert_eq!(number("99999999999999999999"), Err(Code::ParameterExceedMaximum));
        assert_eq!(number("-99999999999999999999"), Err(Code::ParameterLessMinimum));
        for wrong in ["2.0", "\"2\"", "[2]", "true", "1e2"] {
            assert_eq!(number(wrong), Err(Code::ParameterType), "{wrong}");
        }
    }

    #[test]
    fn null_and_empty_count_as_not_given() {
        let parameters = parsed("{\"a\":null,\"b\":\"\",\"c\":[],\"d\":[\"x\"],\"e\":[1],\"f\":{}}");
        for name in ["a", "b", "z"] {
            assert_eq!(parameters.text(name).map_err(|error| error.code), Ok(None));
            assert_eq!(parameters.required("a").map_err(|error| error.code), Err(Code::MissingParameter));
        }
        assert_eq!(parameters.texts("c", 1).map_err(|error| error.code), Ok(None));
        assert_eq!(parameters.texts("d", 1).map_err(|error| error.code), Ok(Some(vec!["x"])));
        assert_eq!(parameters.texts("d", 0).map_err(|error| error.code), Err(Code::ParameterExceedLength));
        for name in ["b", "e", "f"] {
            assert_eq!(parameters.texts(name, 9).map_err(|error| error.code), Err(Code::ParameterType));
        }
    }
}
