//! The native API's error body.

use serde::{Deserialize, Serialize};

use crate::end_reason::{End, Side};
use crate::id::RequestId;

bodies! {
    /// The body of every error response.
    answer ErrorBody {
        /// The error.
        error: ErrorDetail,
    }
    /// An error and its remedy.
    answer ErrorDetail {
        /// The error's code, for programs.
        code: String,
        /// The error's message, for people.
        message: String,
        /// The WebSocket close code of the same reason, if a console did not open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        close_code: Option<u16>,
        /// The side on which the cause lies: `viewer`, `instance`, `operator` or `transom`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        side: Option<String>,
        /// The caller's next step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_step: Option<String>,
        /// The machine's display name, if the caller presented a valid link or ticket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
        /// The wrong rows of an import, at most 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<Vec<WrongRowBody>>,
        /// The call's id, which the audit and the log also contain. Its last eight characters
        /// identify the call as well.
        request_id: String,
    }
    /// A row of an import that cannot be imported.
    answer WrongRowBody {
        /// The row's number in `instances`. The first one has the number 1.
        row: u64,
        /// The wrong member. Absent if the row as a whole is wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<String>,
        /// The fault, for people.
        message: String,
    }
}

impl ErrorDetail {
    /// A failure with an end reason and its complete detail, for the people who manage the machine.
    #[must_use]
    pub fn for_manager(end: &End, request: &RequestId) -> Self {
        Self {
            message: end.manager_sentence(),
            next_step: Some(end.reason.manager_step().to_owned()),
            ..Self::of_end(end, request)
        }
    }

    /// A failure with an end reason, for every caller.
    #[must_use]
    pub fn of_end(end: &End, request: &RequestId) -> Self {
        let side = match end.reason.side() {
            Side::Viewer => "viewer",
            Side::Instance => "instance",
            Side::Operator => "operator",
            Side::Transom => "transom",
        };
        Self {
            code: end.reason.code().to_owned(),
            message: end.sentence(),
            close_code: Some(end.reason.close_code()),
            side: Some(side.to_owned()),
            next_step: Some(end.reason.next_step().to_owned()),
            instance: end.machine().map(str::to_owned),
            rows: None,
            request_id: request.to_string(),
        }
    }

    /// A failure without an end reason.
    #[must_use]
    pub fn plain(code: &str, message: String, request: &RequestId) -> Self {
        Self {
            code: code.to_owned(),
            message,
            close_code: None,
            side: None,
            next_step: None,
            instance: None,
            rows: None,
            request_id: request.to_string(),
        }
    }
}
