//! Details of a refused request for the log and the audit: the reason and the caller.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use http::Extensions;

use transom_app::Call;

/// The reason of a 400, as an extension of the answer. It holds no value that was sent, since one
/// may be a secret.
#[derive(Clone, Debug)]
pub struct Reason(pub Cow<'static, str>);

/// The caller of a request, as an extension of it. It is filled in once the caller is
/// authenticated.
#[derive(Clone, Debug, Default)]
pub struct CallSlot(Arc<OnceLock<Call>>);

impl CallSlot {
    /// The call; `None` if the caller is not authenticated.
    pub fn get(&self) -> Option<&Call> {
        self.0.get()
    }
}

/// Records the authenticated caller of a request.
pub fn set_call(extensions: &Extensions, call: &Call) {
    if let Some(asker) = extensions.get::<CallSlot>() {
        // The first proof is the one that admitted the request.
        let _ = asker.0.set(call.clone());
    }
}
