//! Why a request is refused, and who sent it: what an answer carries for the log and the audit.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use http::Extensions;

use transom_app::Call;

/// Why an answer is 400, on the answer itself. It holds no value that was sent: one may be a secret.
#[derive(Clone, Debug)]
pub struct Reason(pub Cow<'static, str>);

/// Who sent a request, put on it beforehand and filled in when that is proved.
#[derive(Clone, Debug, Default)]
pub struct Asker(Arc<OnceLock<Call>>);

impl Asker {
    /// The call, where its caller has proved who it is.
    pub fn get(&self) -> Option<&Call> {
        self.0.get()
    }
}

/// Notes whose request this is.
pub fn asked_by(extensions: &Extensions, call: &Call) {
    if let Some(asker) = extensions.get::<Asker>() {
        // The first proof is the one that the request was let in by.
        let _ = asker.0.set(call.clone());
    }
}
