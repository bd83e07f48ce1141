//! Paging: pages neither skip nor repeat items, whatever is added in the meantime.

use std::collections::HashSet;

use transom_model::grant::Grant;
use transom_store::Page;

use crate::lab::{Lab, instance, project};

on_both_databases! {
    pages_contain_each_instance_once_while_others_are_added,
    lists_of_grants_start_with_the_newest,
    projects_sort_by_the_bytes_of_their_names,
    a_page_never_exceeds_the_maximum,
}

async fn pages_contain_each_instance_once_while_others_are_added(lab: Lab) {
    let mut there = HashSet::from([lab.instance.id.to_string()]);
    for number in 0..20 {
        there.insert(instance(&lab.store, lab.project.id, &format!("m{number}")).await.id.to_string());
    }
    let mut seen: Vec<String> = Vec::new();
    let mut page = Page::first(3);
    loop {
        let items = lab.store.instances(lab.project.id, page).await.unwrap();
        let Some(last) = items.last() else { break };
        page = Page::after(&last.id, 3);
        seen.extend(items.iter().map(|instance| instance.id.to_string()));
        // One item precedes the reader's position, the other follows it.
        let added = seen.len();
        instance(&lab.store, lab.project.id, &format!("a{added:03}")).await;
        if added < 30 {
            there.insert(instance(&lab.store, lab.project.id, &format!("z{added:03}")).await.id.to_string());
        }
    }
    assert_eq!(seen.len(), there.len(), "{seen:?}");
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), there);
}

async fn lists_of_grants_start_with_the_newest(lab: Lab) {
    let mut made: Vec<Grant> = Vec::new();
    for _ in 0..7 {
        made.insert(0, lab.grant(None).await.0);
    }
    let first = lab.store.grants(None, Page::first(4), false).await.unwrap();
    lab.grant(None).await;
    let second = lab.store.grants(None, Page::after(first[3].grant.id, 4), false).await.unwrap();
    let shown = [first, second].concat().into_iter().map(|shown| shown.grant);
    assert_eq!(shown.collect::<Vec<_>>(), made);
}

async fn projects_sort_by_the_bytes_of_their_names(lab: Lab) {
    for name in ["Zebra", "apple", "Ärger", "a-b", "a b"] {
        project(&lab.store, name).await;
    }
    let names = async |page| {
        let projects = lab.store.projects(page).await.unwrap();
        projects.into_iter().map(|project| project.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(Page::first(10)).await, ["Zebra", "a b", "a-b", "apple", "lab", "Ärger"]);
    assert_eq!(names(Page::after("a-b", 2)).await, ["apple", "lab"]);
}

async fn a_page_never_exceeds_the_maximum(lab: Lab) {
    assert_eq!(lab.store.projects(Page::first(0)).await.unwrap(), []);
    assert_eq!(Page::first(u32::MAX), Page::first(Page::MAX));
    assert_eq!(lab.store.projects(Page::first(u32::MAX)).await.unwrap().len(), 1);
}
