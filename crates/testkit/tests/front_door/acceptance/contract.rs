//! The document's calls, good and bad ones; and its links: what one call makes, the next one takes.

use crate::contract::{Caller, Contract};

/// A grant that was revoked is still shown, with the time: what became of a link is asked after it was revoked.
const SHOWN_AFTERWARDS: &[&str] = &["--exclude-checks", "use_after_free"];

/// So many calls of each operation are drawn; those that reach each corner of the document are made apart from these.
const CALLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_true_for_the_operator() {
    Contract::of(Caller::Operator).await.hold("examples,coverage,fuzzing", CALLS, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_true_for_a_member() {
    Contract::of(Caller::Member).await.hold("examples,coverage,fuzzing", CALLS, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_links_hold_for_the_operator() {
    Contract::of(Caller::Operator).await.hold("stateful", 60, SHOWN_AFTERWARDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_links_hold_for_a_member() {
    Contract::of(Caller::Member).await.hold("stateful", 60, SHOWN_AFTERWARDS).await;
}
