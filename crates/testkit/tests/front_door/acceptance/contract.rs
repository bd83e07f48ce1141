//! The OpenAPI document's links: each call uses the result of the previous one.

use crate::contract::{Caller, Contract};

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_links_hold_for_the_operator() {
    Contract::of(Caller::Operator).await.follow(18).await;
}

/// A member cannot create projects, instances or access keys, with which eleven of the links begin.
#[tokio::test(flavor = "multi_thread")]
async fn the_documents_links_hold_for_a_member() {
    Contract::of(Caller::Member).await.follow(10).await;
}
