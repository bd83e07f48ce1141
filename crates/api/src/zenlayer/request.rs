//! A request to an action.

use transom_model::project::Project;

use super::operation::Operation;
use super::parameters::Parameters;
use transom_app::Call;

/// An authenticated and authorized call to an existing operation.
pub(super) struct ActionRequest {
    pub(super) call: Call,
    pub(super) project: Project,
    pub(super) operation: Operation,
    pub(super) parameters: Parameters,
}
