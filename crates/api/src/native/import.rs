//! `/api/v1/projects/{project}/import`

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use transom_model::api::{ErrorBody, ImportBody, ImportCountsBody, ImportedInstanceBody};
use transom_model::id::{ImportName, InstanceId};
use transom_model::member::null_as_missing;
use transom_model::schema;
use utoipa::ToSchema;

use super::access::Caller;
use super::input::{Body, Path};
use transom_app::error::WrongRow;
use transom_app::inventory::import::{ImportInput, ImportRow, Imported};
use transom_app::inventory::instances::InstanceInput;
use transom_app::{App, Error};
use transom_http::misfit::misfit;
use transom_http::object::Object;

/// A list of instances that the project has afterwards.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewImportBody {
    /// The instances: at most 10,000, each id once, in a body of at most 8 MiB.
    #[schema(value_type = Vec<ImportedInstanceBody>)]
    instances: Vec<Row>,
    /// A name that marks the instances which this import adds. Instances that exist already keep
    /// their mark, or stay without one.
    #[serde(default)]
    name: Option<ImportName>,
    /// Tells what would change and changes nothing. An access key's dry run does not compare
    /// passwords and keys, but counts them as different.
    #[serde(default, deserialize_with = "null_as_missing")]
    #[schema(value_type = Option<bool>)]
    dry_run: bool,
    /// Removes the instances that are not listed and that imports of the same `name` added. It
    /// requires `name`.
    #[serde(default, deserialize_with = "null_as_missing")]
    #[schema(value_type = Option<bool>)]
    prune: bool,
}

/// A listed instance, or the reason why it cannot be read. So one answer names all wrong rows.
struct Row(Result<ImportedInstanceBody, String>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let mut reader = serde_json::Deserializer::from_str(text.get());
        let read = serde_path_to_error::deserialize::<_, Object<ImportedInstanceBody>>(&mut reader);
        Ok(Self(read.map(|Object(body)| body).map_err(|error| error.to_string())))
    }
}

/// Adds the listed instances and changes those that differ: all of them, or none (admin).
///
/// A repeated import of the same list changes nothing. If rows are wrong, the error names each of
/// them, at most 100.
#[utoipa::path(post, operation_id = "import_instances", path = "/api/v1/projects/{project}/import", tag = "instances",
    params(("project" = schema::ProjectWord, Path)), request_body = NewImportBody, responses(
    (status = 200, body = ImportBody), (status = "default", body = ErrorBody)))]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(project): Path<String>,
    request: Request,
) -> Result<Json<ImportBody>, Response> {
    let failed = |error: Error| caller.failed(error).into_response();
    // Only a caller who may import sends a large body.
    let turn = app.inventory.import_turn(&caller.0, &project).await.map_err(failed)?;
    let Body(NewImportBody { instances, name, dry_run, prune }) = Body::from_request(request, &app).await?;
    let rows = instances.into_iter().enumerate().map(|(number, row)| listed(number + 1, row));
    let rows = rows.collect::<Result<_, _>>().map_err(failed)?;
    let input = ImportInput { rows, name, dry_run, prune };
    let imported = turn.import(&caller.0, &input).await.map_err(failed)?;
    Ok(Json(answer(dry_run, imported)))
}

fn listed(number: usize, Row(row): Row) -> Result<Result<ImportRow, WrongRow>, Error> {
    let body = match row {
        Ok(body) => body,
        Err(cause) => {
            let wrong = WrongRow::new(number, misfit(&cause))?;
            // The row is not the whole body.
            let problem = wrong.problem.strip_prefix("the body ").map(str::to_owned);
            return Ok(Err(WrongRow { problem: problem.unwrap_or(wrong.problem), ..wrong }));
        }
    };
    let ImportedInstanceBody {
        id,
        name,
        endpoint,
        status,
        username,
        password,
        ca,
        certificate,
        key,
        fingerprint,
        headers,
        for_ticket_holder,
    } = body;
    let input = InstanceInput {
        name,
        status,
        endpoint: Some(endpoint),
        username,
        password,
        ca,
        certificate,
        key,
        fingerprint,
        headers,
        moved: false,
        for_ticket_holder,
    };
    Ok(Ok(ImportRow { id, input }))
}

fn answer(dry_run: bool, imported: Imported) -> ImportBody {
    let Imported { added, changed, unchanged, removed } = imported;
    let counts = ImportCountsBody {
        added: added.len() as u64,
        changed: changed.len() as u64,
        unchanged: unchanged.len() as u64,
        removed: removed.len() as u64,
    };
    let details = changed.iter().map(|(id, detail)| (id.to_string(), detail.clone())).collect();
    let changed: Vec<InstanceId> = changed.into_iter().map(|(id, _)| id).collect();
    ImportBody { dry_run, counts, added, changed, unchanged, removed, details }
}
