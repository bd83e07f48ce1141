//! Searches for instances.

use transom_model::audit_action::AuditAction;
use transom_model::instance::InstanceStatus;
use transom_store::{FoundInstances, InstanceQuery, NameMatch, NewInstance};

use crate::lab::{Lab, entry, instance, new_instance, project};

on_both_databases! {
    each_condition_narrows_the_list_of_instances,
    a_search_treats_special_characters_literally,
    a_page_of_matches_includes_the_total,
}

fn ids(found: &FoundInstances) -> Vec<&str> {
    found.instances.iter().map(|instance| instance.id.as_str()).collect()
}

/// The ids of all matches.
async fn fits(lab: &Lab, query: InstanceQuery) -> Vec<String> {
    let found = lab.store.find_instances(lab.project.id, &query, 0, 100).await.unwrap();
    assert_eq!(found.total, found.instances.len() as u64);
    ids(&found).into_iter().map(str::to_owned).collect()
}

async fn add(lab: &Lab, id: &str, name: &str, status: InstanceStatus) {
    let new = NewInstance { name: name.to_owned(), status, ..new_instance(lab.project.id, id) };
    lab.store.create_instance(new, &entry(AuditAction::InstanceCreate)).await.unwrap();
}

async fn each_condition_narrows_the_list_of_instances(lab: Lab) {
    add(&lab, "db", "Database", InstanceStatus::Stopped).await;
    add(&lab, "web", "Web", InstanceStatus::Failed).await;
    let other = project(&lab.store, "other").await;
    instance(&lab.store, other.id, "theirs").await;

    let all = InstanceQuery::default();
    assert_eq!(fits(&lab, all.clone()).await, ["db", "vm1", "web"]);
    let named = |ids: &[&str]| Some(ids.iter().map(|id| id.parse().unwrap()).collect());
    let query = InstanceQuery { ids: named(&["web", "db", "theirs", "nowhere"]), ..all.clone() };
    assert_eq!(fits(&lab, query.clone()).await, ["db", "web"]);
    let stopped = vec![InstanceStatus::Stopped, InstanceStatus::Running];
    assert_eq!(fits(&lab, InstanceQuery { statuses: Some(stopped), ..query }).await, ["db"]);
    assert!(fits(&lab, InstanceQuery { ids: named(&[]), ..all.clone() }).await.is_empty());
    assert!(fits(&lab, InstanceQuery { statuses: Some(Vec::new()), ..all }).await.is_empty());
}

async fn a_search_treats_special_characters_literally(lab: Lab) {
    add(&lab, "a", "100% of_it", InstanceStatus::Running).await;
    add(&lab, "b", "100! off it \\", InstanceStatus::Running).await;
    for (text, expected) in [
        ("100", &["a", "b"][..]),
        ("%", &["a"]),
        ("OF_", &["a"]),
        ("0!", &["b"]),
        ("\\", &["b"]),
        ("'", &[]),
        ("", &["a", "b", "vm1"]),
        ("of it", &[]),
    ] {
        let name = Some(NameMatch::Holds(text.to_owned()));
        assert_eq!(fits(&lab, InstanceQuery { name, ..InstanceQuery::default() }).await, expected, "{text}");
    }
    for (text, expected) in [("100% of_it", &["a"][..]), ("100% OF_IT", &[]), ("100%", &[])] {
        let name = Some(NameMatch::Is(text.to_owned()));
        assert_eq!(fits(&lab, InstanceQuery { name, ..InstanceQuery::default() }).await, expected, "{text}");
    }
    let name = Some(NameMatch::Holds("x".repeat(1_000_000)));
    assert!(fits(&lab, InstanceQuery { name, ..InstanceQuery::default() }).await.is_empty());
}

async fn a_page_of_matches_includes_the_total(lab: Lab) {
    for number in 0..6 {
        add(&lab, &format!("m{number}"), "Machine", InstanceStatus::Running).await;
    }
    let machines = InstanceQuery { name: Some(NameMatch::Holds("mach".to_owned())), ..Default::default() };
    for (offset, expected) in
        [(0, &["m0", "m1", "m2", "m3"][..]), (4, &["m4", "m5", "vm1"]), (7, &[]), (u64::MAX, &[])]
    {
        let found = lab.store.find_instances(lab.project.id, &machines, offset, 4).await.unwrap();
        assert_eq!((found.total, ids(&found)), (7, expected.to_vec()), "from {offset} on");
    }
}
