use proptest::prelude::*;

use super::*;
use crate::id::ProjectId;

fn key(n: u8) -> AccessKeyId {
    AccessKeyId::from_random([n; 22])
}

fn address(n: u8) -> CloudAddress {
    CloudAddress::issue(ProjectId(uuid::Uuid::nil()), &key(n), [n; 32])
}

fn groups(names: &[&str]) -> Vec<GroupName> {
    names.iter().map(|name| name.parse().expect("a group name")).collect()
}

fn connect(names: &[&str]) -> Reach {
    Reach::Connect { groups: groups(names) }
}

fn listen(names: &[&str], addresses: &[CloudAddress]) -> Reach {
    Reach::Listen { access: Some(AccessControl { groups: groups(names), addresses: addresses.to_vec() }) }
}

const EVERYBODY: Reach = Reach::Listen { access: None };

/// The connector is address 1 of key 1; the listener is address 2 of `listener_key`.
fn verdict(connector: &Reach, listener_key: u8, listener: &Reach) -> Verdict {
    judged(connector, listener_key, listener, CrossKey::Deny)
}

fn judged(connector: &Reach, listener_key: u8, listener: &Reach, cross_key: CrossKey) -> Verdict {
    let (one, two) = (address(1), address(2));
    judge(
        Party { address: &one, key: &key(1), reach: connector },
        Party { address: &two, key: &key(listener_key), reach: listener },
        cross_key,
    )
}

#[test]
fn acl1_acl2_without_access_control_only_the_same_key_may_connect() {
    assert_eq!(verdict(&connect(&[]), 1, &EVERYBODY), Verdict::Allowed);
    assert_eq!(verdict(&connect(&["sales"]), 1, &EVERYBODY), Verdict::Allowed);
    assert_eq!(verdict(&connect(&[]), 9, &EVERYBODY), Verdict::NotFound);
}

#[test]
fn acl3_acl4_a_shared_group_opens_within_one_key_only() {
    let listener = listen(&["sales", "support"], &[]);
    assert_eq!(verdict(&connect(&["developers", "support"]), 1, &listener), Verdict::Allowed);
    assert_eq!(verdict(&connect(&["support"]), 9, &listener), Verdict::NotFound);
}

#[test]
fn acl5_acl6_a_named_address_of_another_key_may_connect_only_if_configured() {
    let listener = listen(&[], &[address(1)]);
    assert_eq!(verdict(&connect(&[]), 1, &listener), Verdict::Allowed);
    assert_eq!(verdict(&connect(&[]), 9, &listener), Verdict::NotFound);
    assert_eq!(judged(&connect(&[]), 9, &listener, CrossKey::AllowIndividuals), Verdict::Allowed);
    // The setting applies only to individually named addresses.
    let by_group = listen(&["sales"], &[]);
    let cross_key = CrossKey::AllowIndividuals;
    assert_eq!(judged(&connect(&["sales"]), 9, &by_group, cross_key), Verdict::NotFound);
    assert_eq!(judged(&connect(&[]), 9, &EVERYBODY, cross_key), Verdict::NotFound);
}

#[test]
fn acl7_a_connector_that_is_not_listed_is_refused() {
    let listener = listen(&["sales"], &[address(3)]);
    assert_eq!(verdict(&connect(&["developers"]), 1, &listener), Verdict::Refused);
    assert_eq!(verdict(&connect(&[]), 1, &listener), Verdict::Refused);
}

#[test]
fn acl8_only_a_connect_address_connects_and_only_to_a_listen_address() {
    assert_eq!(verdict(&EVERYBODY, 1, &EVERYBODY), Verdict::Refused);
    assert_eq!(verdict(&connect(&["a"]), 1, &connect(&["a"])), Verdict::Refused);
    assert_eq!(verdict(&listen(&[], &[]), 1, &listen(&[], &[address(1)])), Verdict::Refused);
    assert_eq!(verdict(&EVERYBODY, 9, &EVERYBODY), Verdict::NotFound);
    assert_eq!(verdict(&connect(&[]), 9, &connect(&[])), Verdict::NotFound);
}

#[test]
fn c9_c27_a_group_name_has_1_to_256_characters_of_any_kind() {
    for good in [" ", "a", "\0", &"x".repeat(256), &"😀".repeat(256)] {
        assert_eq!(good.parse::<GroupName>().map(|name| name.to_string()).as_deref(), Ok(good));
    }
    for bad in ["", &"x".repeat(257), &"😀".repeat(257)] {
        assert!(bad.parse::<GroupName>().is_err());
    }
}

proptest! {
    #[test]
    fn acl10_groups_are_compared_by_exact_code_points(
        one in "(caf(é|e\u{301})|Sales|sales| sales|sales |[a-zé\u{301} ]{1,4})",
        two in "(caf(é|e\u{301})|Sales|sales| sales|sales |[a-zé\u{301} ]{1,4})",
    ) {
        let expected = if one == two { Verdict::Allowed } else { Verdict::Refused };
        prop_assert_eq!(verdict(&connect(&[&one]), 1, &listen(&[&two], &[])), expected);
    }
}
