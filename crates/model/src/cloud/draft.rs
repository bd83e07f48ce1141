//! What a caller says an address should be, and what may be wrong with that.

use std::collections::HashSet;
use std::hash::Hash;

use super::{AccessControl, Action, CloudAddress, GroupName, Reach};

/// The most groups that a connect address can be a member of.
pub const CONNECT_GROUPS: usize = 16;
/// The most groups that a listen address can let in.
pub const LISTEN_GROUPS: usize = 24;
/// The most individual addresses that a listen address can let in.
pub const LISTEN_ADDRESSES: usize = 8;

/// What a caller says an address should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The action; a list of exactly one.
    pub actions: Vec<String>,
    /// The groups of a connect address.
    pub groups: Option<Vec<String>>,
    /// Who may connect to a listen address.
    pub access: Option<DraftAccessControl>,
}

/// What a caller says of who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftAccessControl {
    /// Groups.
    pub groups: Option<Vec<String>>,
    /// Individual addresses.
    pub addresses: Option<Vec<CloudAddress>>,
}

/// What is wrong with a draft. Where several things are, the first of this list is what its caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum DraftFault {
    /// Not exactly one action, or none that there is.
    #[error("the action must be either connect or listen")]
    Action,
    /// Too many groups or addresses.
    #[error(
        "a connect address can be a member of {CONNECT_GROUPS} groups; a listen address can let in {LISTEN_GROUPS} \
         groups and {LISTEN_ADDRESSES} individual addresses"
    )]
    TooMany,
    /// A list without anything in it.
    #[error("a list that is given must not be empty")]
    EmptyList,
    /// A group's name is empty or too long.
    #[error("a group name must be 1 to {} characters", GroupName::MAX)]
    GroupName,
    /// Access control that lets nobody in.
    #[error("access control must name groups or individual addresses")]
    EmptyAccessControl,
    /// Groups at a listen address, or access control at a connect address.
    #[error("groups belong to a connect address, and access control to a listen address")]
    Misplaced,
}

impl DraftFault {
    /// Every fault, the first to be told first.
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
    /// The address's reach; the order of lists is kept, what stands twice is kept once.
    pub fn check(&self) -> Result<Reach, DraftFault> {
        if let Some(fault) = DraftFault::ALL.into_iter().find(|fault| self.has(*fault)) {
            return Err(fault);
        }
        let named = |names: &Option<Vec<String>>| {
            let names = names.iter().flatten().map(|name| name.parse());
            names.collect::<Result<Vec<GroupName>, _>>().map(once_each).map_err(|_| DraftFault::GroupName)
        };
        match self.action() {
            None => Err(DraftFault::Action),
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

    /// Whether this is wrong with it, whatever else is.
    fn has(&self, fault: DraftFault) -> bool {
        let access = self.access.as_ref();
        match fault {
            // An empty list is the next but one's.
            DraftFault::Action => !self.actions.is_empty() && self.action().is_none(),
            // The limit of groups is the action's, wherever the groups stand.
            DraftFault::TooMany => match self.action() {
                Some(Action::Connect) => self.groups_lists().any(|groups| groups.len() > CONNECT_GROUPS),
                Some(Action::Listen) => {
                    let addresses = access.and_then(|access| access.addresses.as_ref());
                    self.groups_lists().any(|groups| groups.len() > LISTEN_GROUPS)
                        || addresses.is_some_and(|addresses| addresses.len() > LISTEN_ADDRESSES)
                }
                None => false,
            },
            DraftFault::EmptyList => {
                let addresses = access.and_then(|access| access.addresses.as_ref());
                self.actions.is_empty()
                    || self.groups_lists().any(Vec::is_empty)
                    || addresses.is_some_and(Vec::is_empty)
            }
            DraftFault::GroupName => {
                self.groups_lists().flatten().any(|name| name.parse::<GroupName>().is_err())
            }
            DraftFault::EmptyAccessControl => {
                self.action() == Some(Action::Listen)
                    && access.is_some_and(|access| access.groups.is_none() && access.addresses.is_none())
            }
            DraftFault::Misplaced => match self.action() {
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

/// What to change about an address: only what is named changes, an empty list clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Another name; an empty one clears it.
    pub name: Option<String>,
    /// Another action.
    pub action: Option<Action>,
    /// Other groups of a connect address.
    pub groups: Option<Vec<String>>,
    /// Other groups that a listen address lets in.
    pub allow_groups: Option<Vec<String>>,
    /// Other individual addresses that a listen address lets in.
    pub allow_addresses: Option<Vec<CloudAddress>>,
}

impl Amendment {
    /// What the address should be then. With another action it loses the lists of the one before.
    #[must_use]
    pub fn apply(self, reach: &Reach) -> Draft {
        let action = self.action.unwrap_or(reach.action());
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
            assert_eq!(draft.check(), Err(DraftFault::Action), "{wrong:?}");
        }
        assert_eq!(Draft::default().check(), Err(DraftFault::EmptyList));
    }

    #[test]
    fn c8_c11_c12_lists_have_limits_before_what_stands_twice_is_dropped() {
        let connect = |groups| Draft { groups, ..draft("connect") }.check().map(drop);
        assert_eq!(connect(many(16)), Ok(()));
        assert_eq!(connect(many(17)), Err(DraftFault::TooMany));
        assert_eq!(connect(Some(texts(&["a"; 17]))), Err(DraftFault::TooMany));
        let listen = |groups, addresses| listening(groups, addresses).check().map(drop);
        let addresses = |count| Some((0..count).map(address).collect::<Vec<_>>());
        assert_eq!(listen(many(24), addresses(8)), Ok(()));
        assert_eq!(listen(many(25), None), Err(DraftFault::TooMany));
        assert_eq!(listen(None, addresses(9)), Err(DraftFault::TooMany));
    }

    #[test]
    fn order_is_kept_and_what_stands_twice_is_kept_once() {
        let draft = Draft { groups: Some(texts(&["b", "a", "b", "A"])), ..draft("connect") };
        let Ok(Reach::Connect { groups }) = draft.check() else { panic!("a connect address") };
        assert_eq!(groups.iter().map(GroupName::as_str).collect::<Vec<_>>(), ["b", "a", "A"]);
    }

    #[test]
    fn the_lowest_fault_that_applies_is_told() {
        let with = |actions: &[&str], groups: Option<Vec<String>>, access| {
            Draft { actions: texts(actions), groups, access }.check().expect_err("a fault")
        };
        let empty = Some(DraftAccessControl::default());
        assert_eq!(with(&["x"], Some(vec![]), None), DraftFault::Action);
        let mut one_empty = many(17);
        one_empty.as_mut().expect("a list")[3].clear();
        assert_eq!(with(&["connect"], one_empty, None), DraftFault::TooMany);
        assert_eq!(with(&["listen"], Some(texts(&[""])), None), DraftFault::GroupName);
        assert_eq!(with(&["listen"], Some(texts(&["a"])), None), DraftFault::Misplaced);
        assert_eq!(with(&["listen"], None, empty.clone()), DraftFault::EmptyAccessControl);
        assert_eq!(with(&["connect"], None, empty), DraftFault::Misplaced);
        let some = listening(Some(vec![]), Some(vec![address(1)]));
        assert_eq!(some.check(), Err(DraftFault::EmptyList));
    }

    #[test]
    fn an_amendment_changes_only_what_it_names() {
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
        assert_eq!(amended(misplaced), Err(DraftFault::Misplaced));
    }

    #[test]
    fn a_reach_makes_the_draft_that_makes_it() {
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
