//! Query parameters that several lists have in common.

use serde::Deserialize;
use transom_model::access_key::AccessKeyId;
use transom_model::id::ProjectId;
use transom_model::schema;
use utoipa::IntoParams;

use super::access::{Caller, key_id};
use transom_app::{App, Error};

/// Limits a list to a project.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ProjectFilter {
    /// Limits the answer to this project, by name or id.
    #[param(required = false, value_type = schema::ProjectWord)]
    pub(super) project: Option<String>,
}

impl ProjectFilter {
    /// The id of the project; `None` if the list is not limited to one.
    pub(super) async fn id(&self, app: &App, caller: &Caller) -> Result<Option<ProjectId>, Error> {
        match &self.project {
            Some(project) => Ok(Some(app.access.project(&caller.0, project).await?.id)),
            None => Ok(None),
        }
    }
}

/// Limits a list to an access key.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyFilter {
    /// Limits the answer to this access key.
    #[param(required = false, value_type = AccessKeyId)]
    key: Option<String>,
}

impl KeyFilter {
    /// The id of the key; `None` if the list is not limited to one.
    pub(super) fn id(&self) -> Result<Option<AccessKeyId>, Error> {
        self.key.as_deref().map(key_id).transpose()
    }
}
