//! `GET /limits`: the quotas of a project. Transom sets no quotas for machines, which Nova writes
//! as -1.

use axum::response::Response;
use serde_json::{Map, Value, json};
use transom_model::metadata::Metadata;

use super::context::{Context, ok};
use super::microversion::Microversion;
use crate::openstack::fault::{About, Fault};
use transom_app::InstanceQuery;

const UNLIMITED: i64 = -1;

pub(super) async fn show(context: &Context<'_>) -> Result<Response, Fault> {
    let about = About { policy: "os_compute_api:limits", server: "", operation: "index" };
    let found = async {
        let app = context.request.app;
        let project = app.access.project(&context.call, &context.project).await?;
        app.inventory.find_instances(&project, &InstanceQuery::default(), 0, 1).await
    };
    let found = found.await.map_err(|error| Fault::of(error, about))?;
    let body = json!({ "limits": { "rate": [], "absolute": absolute(context.microversion, found.total) } });
    Ok(ok(&body))
}

fn absolute(at: Microversion, instances: u64) -> Map<String, Value> {
    // Each limit with the microversion that removed it, if one did.
    let limits = [
        (None, "maxTotalInstances", json!(UNLIMITED)),
        (None, "totalInstancesUsed", json!(instances)),
        (None, "maxTotalCores", json!(UNLIMITED)),
        (None, "totalCoresUsed", json!(0)),
        (None, "maxTotalRAMSize", json!(UNLIMITED)),
        (None, "totalRAMUsed", json!(0)),
        (None, "maxTotalKeypairs", json!(0)),
        (None, "maxServerMeta", json!(Metadata::ITEMS)),
        (None, "maxServerGroups", json!(0)),
        (None, "maxServerGroupMembers", json!(0)),
        (None, "totalServerGroupsUsed", json!(0)),
        (Some(36), "maxTotalFloatingIps", json!(0)),
        (Some(36), "totalFloatingIpsUsed", json!(0)),
        (Some(36), "maxSecurityGroups", json!(0)),
        (Some(36), "totalSecurityGroupsUsed", json!(0)),
        (Some(36), "maxSecurityGroupRules", json!(0)),
        (Some(39), "maxImageMeta", json!(0)),
        (Some(57), "maxPersonality", json!(0)),
        (Some(57), "maxPersonalitySize", json!(0)),
    ];
    let there = limits.into_iter().filter(|(gone, ..)| gone.is_none_or(|gone| at < Microversion(gone)));
    there.map(|(_, name, value)| (name.to_owned(), value)).collect()
}
