//! The operations: service, version and action.

use http::request::Parts;
use transom_model::access_key::Role;

/// The root of Zenlayer's paths.
pub(super) const ROOT: &str = "/api/v2";

/// A product. Each has its own words for the same things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Elastic compute.
    Zec,
    /// Virtual machines.
    Vm,
}

/// An action.
#[expect(clippy::enum_variant_names, reason = "the vendor's names; the others do not describe")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    DescribeVncUrl,
    DescribeInstances,
    DescribeInstancesStatus,
}

/// An action of a service. All supported versions of a service have the same actions, in the same
/// form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) action: Action,
}

impl Operation {
    /// Returns the operation that the path, `X-ZC-Version` and `X-ZC-Action` name. `None` if one of
    /// the three is missing, repeated or unknown.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        if parts.method != http::Method::POST {
            return None;
        }
        let path = parts.uri.path().strip_prefix(ROOT)?.strip_prefix('/')?;
        let service = match (path, only(parts, "x-zc-version")?) {
            ("zec", "2025-09-01" | "2024-04-01") => Service::Zec,
            ("vm", "2026-04-01") => Service::Vm,
            _ => return None,
        };
        let action = match only(parts, "x-zc-action")? {
            "DescribeVncUrl" => Action::DescribeVncUrl,
            "DescribeInstances" => Action::DescribeInstances,
            "DescribeInstancesStatus" => Action::DescribeInstancesStatus,
            _ => return None,
        };
        Some(Self { service, action })
    }
}

impl Action {
    /// The weakest role that may call the action.
    pub(super) fn role(self) -> Role {
        match self {
            Self::DescribeVncUrl => Role::Member,
            Self::DescribeInstances | Self::DescribeInstancesStatus => Role::Reader,
        }
    }
}

/// Returns the value of a header that occurs exactly once.
pub(super) fn only<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}
