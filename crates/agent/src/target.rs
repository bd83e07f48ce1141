//! Targets: the only places to which an agent forwards.

use std::fmt;

use crate::error::SetupError;

/// The allow-list, `[NAME=]HOST:PORT` each. A connector that names no target gets the first one.
#[derive(Clone, Debug)]
pub struct Targets(Vec<Target>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Targets {
    /// Reads the list. A connector can ask by name only for targets that have one.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, SetupError> {
        let targets = texts.iter().map(|text| Target::parse(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err(SetupError::new("give at least one target: --to HOST:PORT"));
        }
        for (index, target) in targets.iter().enumerate() {
            if !target.name.is_empty() && targets[index + 1..].iter().any(|other| other.name == target.name) {
                return Err(SetupError::new(format_args!("two targets have the name {}", target.name)));
            }
        }
        Ok(Self(targets))
    }

    /// The targets as they were given.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Target> {
        if name.is_empty() { self.0.first() } else { self.0.iter().find(|target| target.name == name) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host, port } = self;
        let named = if name.is_empty() { String::new() } else { format!("{name}=") };
        if host.contains(':') {
            write!(f, "{named}[{host}]:{port}")
        } else {
            write!(f, "{named}{host}:{port}")
        }
    }
}

impl Target {
    fn parse(text: &str) -> Result<Self, SetupError> {
        let wrong = || SetupError::new(format_args!("{text}: a target is HOST:PORT or NAME=HOST:PORT"));
        let (name, place) = text.split_once('=').unwrap_or(("", text));
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let well_named =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if host.is_empty() || !well_named || name.len() > 64 || (name.is_empty() && text.contains('=')) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_target_is_used_without_a_name() {
        let targets =
            Targets::parse(&["127.0.0.1:5900", "plc=10.0.0.7:5901", "v6=[fd00::7]:5900"]).expect("targets");
        assert_eq!(targets.find("").map(|target| target.port), Some(5900));
        assert_eq!(targets.find("plc").map(|target| target.host.as_str()), Some("10.0.0.7"));
        assert_eq!(targets.find("v6").map(|target| target.host.as_str()), Some("fd00::7"));
        assert_eq!(targets.find("other"), None);
        let given: Vec<_> = targets.texts().collect();
        assert_eq!(given, ["127.0.0.1:5900", "plc=10.0.0.7:5901", "v6=[fd00::7]:5900"]);
    }

    #[test]
    fn a_malformed_target_is_refused() {
        for bad in ["", "5900", "host", "host:0", "host:70000", ":5900", "=host:5900", "a b=host:5900"] {
            assert!(Targets::parse(&[bad]).is_err(), "{bad}");
        }
        assert!(Targets::parse(&["a=h:1", "a=h:2"]).is_err());
        assert!(Targets::parse::<&str>(&[]).is_err());
    }
}
