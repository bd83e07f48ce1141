//! The native API's bodies for projects.

use serde::{Deserialize, Serialize};

use crate::project::{Project, ProjectName};

bodies! {
    /// A request for a new project.
    question NewProjectBody {
        /// The unique name.
        name: ProjectName,
    }
    /// A project.
    answer ProjectBody {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        id: String,
        /// Its name.
        name: String,
        /// The time of creation.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
    }
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.to_string(),
            created_at: project.created_at.to_string(),
        }
    }
}
