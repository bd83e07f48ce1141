//! The body of the fuzz target, as a plain function: any JSON from a client must be read, or
//! refused in a sentence.

use serde_json::Value;

use super::fault::Fault;
use super::{compute, identity};

/// The limit on a refusal's text. Its sentences cut long values and long lists.
const SENTENCE: usize = 8 * 1024;

/// Reads a request's body by each operation that takes one.
pub fn body(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    for refused in identity::read_anywhere(&body).into_iter().chain(compute::read_anywhere(&body)) {
        assert!(sentence(&refused).len() <= SENTENCE, "a refusal repeats the whole body");
    }
}

fn sentence(fault: &Fault) -> String {
    format!("{fault:?}")
}
