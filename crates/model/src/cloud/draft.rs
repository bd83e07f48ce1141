//! Requested settings of an address and their validation.

use std::collections::HashSet;
use std::hash::Hash;

use super::{AccessControl, Action, CloudAddress, GroupName, Reach};

/// The maximum number of groups of a connect address.
pub const CONNECT_GROUPS: usize = 16;
/// The maximum number of groups that a listen address lets in.
pub const LISTEN_GROUPS: usize = 24;
/// The maximum number of individual addresses that a listen address lets in.
pub const LISTEN_ADDRESSES: usize = 8;

/// The requested settings of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The actions. Exactly one is valid.
    pub actions: Vec<String>,
    /// The groups of a connect address.
    pub groups: Option<Vec<String>>,
    /// The permitted connectors of a listen address.
    pub access: Option<DraftAccessControl>,
}

/// The requested connectors of a listen address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftAccessControl {
    /// Groups.
    pub groups: Option<Vec<String>>,
    /// Individual addresses.
    pub addresses: Option<Vec<CloudAddress>>,
}

/// A violation in a draft. The caller is told of the first one in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum DraftError {
    /// The list of actions does not consist of one known action.
    #[error("the action must be either connect or listen")]
    Action,
    /// Too many groups or addresses.
    #[error(
        "a connect address can be a member of {CONNECT_GROUPS} groups; a listen address can let in {LISTEN_GROUPS} \
         groups and {LISTEN_ADDRESSES} individual addresses"
    )]
    TooMany,
    /// A list is present but empty.
    #[error("a list must not be empty")]
    EmptyList,
    /// A group's name is empty or too long.
    #[error("a group name must be 1 to {} characters", GroupName::MAX)]
    GroupName,
    /// Access control names no connector.
    #[error("access control must name groups or individual addresses")]
    EmptyAccessControl,
    /// A connect address has access control, or a listen address has groups.
    #[error("groups belong to a connect address, and access control to a listen address")]
    Misplaced,
}

impl DraftError {
    /// Every violation, in the order in which they are reported.
    pub const ALL: [Self; 6] = [
        Self::Action,
        Self::TooMany,
        Self::EmptyList,
        Self::GroupName,
        Self::EmptyAccessControl,
        Self::Misplaced,
    ];
}

impl Draft {
    /// Validates the draft and returns the address's reach. Lists retain their order and lose their
    /// duplicates.
    pub fn check(&self) -> Result<Reach, DraftError> {
        if let Some(error) = DraftError::ALL.into_iter().find(|error| self.has(*error)) {
            return Err(error);
        }
        let named = |names: &Option<Vec<String>>| {
            let names = names.iter().flatten().map(|name| name.parse());
            names.collect::<Result<Vec<GroupName>, _>>().map(once_each).map_err(|_| DraftError::GroupName)
        };
        match self.action() {
            None => Err(DraftError::Action),
            Some(Action::Connect) => Ok(Reach::Connect { groups: named(&self.groups)? }),
            Some(Action::Listen) => {
                let access = match &self.access {
                    None => None,
                    Some(access) => Some(AccessControl {
                        groups: named(&access.groups)?,
                        addresses: once_each(access.addresses.clone().unwrap_or_default()),
                    }),
                };
                Ok(Reach::Listen { access })
            }
        }
    }

    fn action(&self) -> Option<Action> {
        match self.actions.as_slice() {
            [only] => only.parse().ok(),
            _ => None,
        }
    }

    /// Returns whether the draft has this violation, independently of others.
    fn has(&self, error: DraftError) -> bool {
        let access = self.access.as_ref();
        match error {
            // The variant `EmptyList` reports an empty list.
            DraftError::Action => !self.actions.is_empty() && self.action().is_none(),
            // The action determines the limit, even if the groups are in the wrong place.
            DraftError::TooMany => match self.action() {
                Some(Action::Connect) => self.groups_lists().any(|groups| groups.len() > CONNECT_GROUPS),
                Some(Action::Listen) => {
                    let addresses = access.and_then(|access| access.addresses.as_ref());
                    self.groups_lists().any(|groups| groups.len() > LISTEN_GROUPS)
                        || addresses.is_some_and(|addresses| addresses.len() > LISTEN_ADDRESSES)
                }
                None => false,
            },
            DraftError::EmptyList => {
                let addresses = access.and_then(|access| access.addresses.as_ref());
                self.actions.is_empty()
                    || self.groups_lists().any(Vec::is_empty)
                    || addresses.is_some_and(Vec::is_empty)
            }
            DraftError::GroupName => {
                self.groups_lists().flatten().any(|name| name.parse::<GroupName>().is_err())
            }
            DraftError::EmptyAccessControl => {
                self.action() == Some(Action::Listen)
                    && access.is_some_and(|access| access.groups.is_none() && access.addresses.is_none())
            }
            DraftError::Misplaced => match self.action() {
                Some(Action::Connect) => self.access.is_some(),
                Some(Action::Listen) => self.groups.is_some(),
                None => false,
            },
        }
    }

    fn groups_lists(&self) -> impl Iterator<Item = &Vec<String>> {
        self.groups.iter().chain(self.access.iter().filter_map(|access| access.groups.as_ref()))
    }
}

/// A change of an address. Absent members stay unchanged; an empty list clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// The new name. An empty name clears it.
    pub name: Option<String>,
    /// The new action.
    pub action: Option<Action>,
    /// The new groups of a connect address.
    pub groups: Option<Vec<String>>,
    /// The new groups that a listen address lets in.
    pub allow_groups: Option<Vec<String>>,
    /// The new individual addresses that a listen address lets in.
    pub allow_addresses: Option<Vec<CloudAddress>>,
}

impl Amendment {
    /// Applies the change to an address's present reach. A different action discards the lists of
    /// the previous one.
    #[must_use]
    pub fn apply(self, reach: &Reach) -> Draft {
        let action = self.action.unwrap_or_else(|| reach.action());
        let stays = if action == reach.action() { Draft::from(reach) } else { Draft::default() };
        let access = stays.access.unwrap_or_default();
        let access = DraftAccessControl {
            groups: filled(self.allow_groups.or(access.groups)),
            addresses: filled(self.allow_addresses.or(access.addresses)),
        };
        Draft {
            actions: vec![action.to_string()],
            groups: filled(self.groups.or(stays.groups)),
            access: Some(access).filter(|access| *access != DraftAccessControl::default()),
        }
    }

    /// Returns whether the change is valid for some address.
    #[must_use]
    pub fn fits_any(&self) -> bool {
        let nothing = Reach::Listen { access: None };
        let by = |action| Self { action: Some(action), ..self.clone() }.apply(&nothing).check().is_ok();
        self.action.map_or_else(|| by(Action::Connect) || by(Action::Listen), by)
    }
}

fn filled<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|list| !list.is_empty())
}

impl From<&Reach> for Draft {
    fn from(reach: &Reach) -> Self {
        let names = |groups: &[GroupName]| {
            Some(groups.iter().map(ToString::to_string).collect::<Vec<_>>()).filter(|names| !names.is_empty())
        };
        let actions = vec![reach.action().to_string()];
        match reach {
            Reach::Connect { groups } => Self { actions, groups: names(groups), access: None },
            Reach::Listen { access } => Self {
                actions,
                groups: None,
                access: access.as_ref().map(|access| DraftAccessControl {
                    groups: names(&access.groups),
                    addresses: Some(access.addresses.clone()).filter(|addresses| !addresses.is_empty()),
                }),
            },
        }
    }
}

fn once_each<T: Clone + Eq + Hash>(list: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    list.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn many(count: usize) -> Option<Vec<String>> {
        Some((0..count).map(|n| format!("g{n}")).collect())
    }

    fn address(n: u8) -> CloudAddress {
        format!("{n:016}.{n:016}.{n:016}.{n:016}").parse().expect("an address")
    }

    fn draft(action: &str) -> Draft {
        Draft { actions: vec![action.to_owned()], ..Draft::default() }
    }

    fn listening(groups: Option<Vec<String>>, addresses: Option<Vec<CloudAddress>>) -> Draft {
        Draft { access: Some(DraftAccessControl { groups, addresses }), ..draft("listen") }
    }

    #[test]
    fn c5_c6_c7_an_address_has_exactly_one_action() {
        assert_eq!(draft("connect").check(), Ok(Reach::Connect { groups: Vec::new() }));
        assert_eq!(draft("listen").check(), Ok(Reach::Listen { access: None }));
        for wrong in
            [&["view"][..], &["Connect"], &["connect", "x"], &["connect", "listen"], &["listen", "listen"]]
        {
            let draft = Draft { actions: texts(wrong), ..Draft::default() };
            assert_eq!(draft.check(), Err(DraftError::Action), "{wrong:?}");
        }
        assert_eq!(Draft::default().check(), Err(DraftError::EmptyList));
    }

    #[test]
    fn c8_c11_c12_limits_apply_to_lists_before_duplicates_are_dropped() {
        let connect = |groups| Draft { groups, ..draft("connect") }.check().map(drop);
        assert_eq!(connect(many(16)), Ok(()));
        assert_eq!(connect(many(17)), Err(DraftError::TooMany));
        assert_eq!(connect(Some(texts(&["a"; 17]))), Err(DraftError::TooMany));
        let listen = |groups, addresses| listening(groups, addresses).check().map(drop);
        let addresses = |count| Some((0..count).map(address).collect::<Vec<_>>());
        assert_eq!(listen(many(24), addresses(8)), Ok(()));
        assert_eq!(listen(many(25), None), Err(DraftError::TooMany));
        assert_eq!(listen(None, addresses(9)), Err(DraftError::TooMany));
    }

    #[test]
    fn lists_retain_their_order_and_lose_their_duplicates() {
        let draft = Draft { groups: Some(texts(&["b", "a", "b", "A"])), ..draft("connect") };
        let Ok(Reach::Connect { groups }) = draft.check() else { panic!("a connect address") };
        assert_eq!(groups.iter().map(GroupName::as_str).collect::<Vec<_>>(), ["b", "a", "A"]);
    }

    #[test]
    fn the_first_violation_in_order_is_reported() {
        let with = |actions: &[&str], groups: Option<Vec<String>>, access| {
            Draft { actions: texts(actions), groups, access }.check().expect_err("a fault")
        };
        let empty = Some(DraftAccessControl::default());
        assert_eq!(with(&["x"], Some(vec![]), None), DraftError::Action);
        let mut one_empty = many(17);
        one_empty.as_mut().expect("a list")[3].clear();
        assert_eq!(with(&["connect"], one_empty, None), DraftError::TooMany);
        assert_eq!(with(&["listen"], Some(texts(&[""])), None), DraftError::GroupName);
        assert_eq!(with(&["listen"], Some(texts(&["a"])), None), DraftError::Misplaced);
        assert_eq!(with(&["listen"], None, empty.clone()), DraftError::EmptyAccessControl);
        assert_eq!(with(&["connect"], None, empty), DraftError::Misplaced);
        let some = listening(Some(vec![]), Some(vec![address(1)]));
        assert_eq!(some.check(), Err(DraftError::EmptyList));
    }

    #[test]
    fn an_amendment_changes_only_its_own_members() {
        let listening = listening(many(2), Some(vec![address(1)])).check().expect("no fault");
        let amended = |amendment: Amendment| amendment.apply(&listening).check();
        assert_eq!(amended(Amendment::default()), Ok(listening.clone()));
        let others = Amendment { allow_groups: Some(vec![]), ..Amendment::default() };
        let access = AccessControl { groups: Vec::new(), addresses: vec![address(1)] };
        assert_eq!(amended(others), Ok(Reach::Listen { access: Some(access) }));
        let open =
            Amendment { allow_groups: Some(vec![]), allow_addresses: Some(vec![]), ..Amendment::default() };
        assert_eq!(amended(open), Ok(Reach::Listen { access: None }));
        let connect = Amendment { action: Some(Action::Connect), ..Amendment::default() };
        assert_eq!(amended(connect), Ok(Reach::Connect { groups: Vec::new() }));
        let misplaced = Amendment { groups: many(1), ..Amendment::default() };
        assert_eq!(amended(misplaced), Err(DraftError::Misplaced));
    }

    #[test]
    fn an_amendment_is_checked_against_every_possible_address() {
        let groups = |groups, allow_groups| Amendment { groups, allow_groups, ..Amendment::default() };
        for fits in [
            Amendment::default(),
            groups(many(16), None),
            groups(None, many(24)),
            groups(many(1), Some(vec![])),
            Amendment { action: Some(Action::Listen), ..groups(None, many(24)) },
        ] {
            assert!(fits.fits_any(), "{fits:?}");
        }
        for none in [
            groups(many(17), None),
            groups(None, many(25)),
            groups(many(1), many(1)),
            groups(Some(texts(&[""])), None),
            Amendment { action: Some(Action::Connect), ..groups(None, many(1)) },
        ] {
            assert!(!none.fits_any(), "{none:?}");
        }
    }

    #[test]
    fn a_reach_survives_the_conversion_to_a_draft_and_back() {
        for draft in [
            draft("connect"),
            draft("listen"),
            Draft { groups: many(3), ..draft("connect") },
            listening(many(2), Some(vec![address(1)])),
            listening(None, Some(vec![address(1)])),
        ] {
            assert_eq!(Draft::from(&draft.check().expect("no fault")), draft);
        }
    }
}
