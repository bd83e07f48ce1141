//! The native API's bodies for a test of an instance's endpoint.

use serde::{Deserialize, Serialize};

use crate::dial_step::DialStep;

bodies! {
    /// The result of a test of an instance's endpoint.
    answer InstanceTestBody {
        /// The instance's id.
        instance: String,
        /// `opens` or `fails`.
        result: TestResult,
        /// The end reason that a viewer would get. Null if the console opens.
        #[cfg_attr(feature = "openapi", schema(required))]
        reason: Option<String>,
        /// The reason's sentence and its details. Null if the console opens.
        #[cfg_attr(feature = "openapi", schema(required))]
        message: Option<String>,
        /// The operator's next step. Null if the console opens.
        #[cfg_attr(feature = "openapi", schema(required))]
        next_step: Option<String>,
        /// The screen that the VNC server announced. Null if the console does not open.
        #[cfg_attr(feature = "openapi", schema(required))]
        screen: Option<ScreenBody>,
        /// The call's id, which the audit also contains.
        request_id: String,
        /// The steps in their order, up to the first that failed.
        steps: Vec<TestStepBody>,
    }
    /// A step on the way to a VNC server's screen.
    answer TestStepBody {
        /// The step.
        name: DialStep,
        /// Its duration in milliseconds.
        ms: f64,
        /// False if the step failed.
        ok: bool,
    }
    /// A VNC server's announcement of its screen (RFC 6143 §7.3.2).
    answer ScreenBody {
        /// The width in pixels.
        width: u16,
        /// The height in pixels.
        height: u16,
        /// The desktop's name.
        name: String,
    }
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TestResult {
    /// The console opens.
    Opens,
    /// The console does not open.
    Fails,
}
