//! The filters of a list of servers.

use transom_model::instance::Instance;

use super::microversion::Microversion;
use super::status;
use crate::openstack::{fault::Fault, python};

/// The first microversion that refuses an unknown status. Before it, an unknown status matches no
/// server.
const ONLY_STATUSES: Microversion = Microversion(38);
/// The maximum number of servers in one answer.
const MAX_LIMIT: usize = 1000;

/// The query parameters of `GET /servers` that clients send. Others are ignored.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) limit: usize,
    pub(super) marker: Option<String>,
    name: Option<String>,
    id: Option<String>,
    statuses: Vec<String>,
    deleted: bool,
}

impl Query {
    pub(super) fn read(query: &str, microversion: Microversion) -> Result<Self, Fault> {
        let mut read = Self {
            limit: MAX_LIMIT,
            marker: None,
            name: None,
            id: None,
            statuses: Vec::new(),
            deleted: false,
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "limit" => read.limit = limit(&value)?,
                "marker" => read.marker = Some(value),
                "name" => read.name = Some(value),
                "uuid" => read.id = Some(value),
                "status" => {
                    let status = value.to_ascii_uppercase();
                    if microversion >= ONLY_STATUSES && !status::WORDS.contains(&status.as_str()) {
                        return Err(Fault::bad_request("Invalid status value"));
                    }
                    read.statuses.push(status);
                }
                "deleted" => read.deleted = is_true(&value),
                _ => {}
            }
        }
        Ok(read)
    }

    /// Tells whether the query selects a server. Deleted servers no longer exist here.
    pub(super) fn wants(&self, instance: &Instance) -> bool {
        let word = status::word(instance.status);
        !self.deleted
            && self.name.as_ref().is_none_or(|pattern| matches_name(pattern, &instance.name))
            && self.id.as_ref().is_none_or(|id| id == instance.id.as_str())
            && (self.statuses.is_empty() || self.statuses.iter().any(|status| status == word))
    }
}

/// Tells whether a name matches a pattern. Nova takes the pattern for a regular expression. Here
/// `^` and `$` anchor it, and every other character stands for itself.
pub(super) fn matches_name(pattern: &str, name: &str) -> bool {
    let (begins, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (ends, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |rest| (true, rest));
    // Clients escape the special characters of a regular expression.
    let pattern = pattern.replace('\\', "");
    match (begins, ends) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(&pattern),
        (false, true) => name.ends_with(&pattern),
        (false, false) => name.contains(&pattern),
    }
}

fn limit(value: &str) -> Result<usize, Fault> {
    let wrong = || {
        let value = python::display(&value.into());
        let quoted = python::quoted(&value);
        let message = format!(
            "Invalid input for query parameters limit. Value: {value}. {quoted} does not match '^[0-9]*$'"
        );
        Fault::bad_request(message).because("limit: must be a whole number")
    };
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(value.parse().unwrap_or(MAX_LIMIT).min(MAX_LIMIT))
}

fn is_true(value: &str) -> bool {
    ["1", "t", "true", "on", "y", "yes"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_held_at_its_ends() {
        for (pattern, name, expected) in [
            ("web", "my web 1", true),
            ("^web", "my web", false),
            ("^web$", "web", true),
            ("web$", "web1", false),
            (r"web\-1", "web-1", true),
            ("", "anything", true),
        ] {
            assert_eq!(matches_name(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_limit_is_a_number() {
        assert_eq!(limit("7").map_err(drop), Ok(7));
        assert_eq!(limit("99999999999999999999999").map_err(drop), Ok(MAX_LIMIT));
        for bad in ["-1", "x", "1.5", ""] {
            assert!(limit(bad).is_err(), "{bad:?}");
        }
    }
}
