//! The body for fuzzing, as a plain function: whatever a client sends as JSON, it is read or refused in a sentence.

use serde_json::Value;

use super::fault::Fault;
use super::{compute, identity};

/// No sentence of ours repeats more of a body than this: a value in it is cut, and so is a list of them.
const SENTENCE: usize = 8 * 1024;

/// A request's body, at each place that takes one.
pub fn body(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    for refused in identity::read_anywhere(&body).into_iter().chain(compute::read_anywhere(&body)) {
        assert!(sentence(&refused).len() <= SENTENCE, "a refusal repeats the whole body");
    }
}

fn sentence(fault: &Fault) -> String {
    format!("{fault:?}")
}
