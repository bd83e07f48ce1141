//! A call as the operations get it.

use transom_model::project::Project;

use super::operation::Operation;
use super::parameters::Parameters;
use transom_app::Call;

/// An authenticated call to an operation that there is, by somebody who may.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) project: Project,
    pub(super) operation: Operation,
    pub(super) parameters: Parameters,
}
