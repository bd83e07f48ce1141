//! `DescribeInstances` and `DescribeInstancesStatus`

use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};
use transom_model::Timestamp;
use transom_model::instance::Instance;
use transom_model::project::Project;

use super::error::{ApiError, Code};
use super::operation::Service;
use super::parameters::Parameters;
use super::reply::reply;
use super::request::ActionRequest;
use super::status;
use transom_app::{App, FoundInstances, InstanceQuery, NameMatch};

/// Zenlayer's limits.
const PAGE_SIZE: u64 = 20;
const MAX_PAGE_SIZE: u64 = 1000;
const MAX_IDS: usize = 100;
const MAX_TAGS: usize = 20;

/// Properties of Zenlayer's machines that Transom's do not have. A filter by one of them selects no
/// instance.
const FOREIGN_TEXTS: &[&str] = &[
    "zoneId",
    "imageId",
    "instanceType",
    "instanceTypeSeries",
    "ipv4Address",
    "ipv6Address",
    "keyId",
    "subnetId",
    "securityGroupId",
    "internetChargeType",
];
const FOREIGN_LISTS: &[&str] = &["publicIpAddresses", "privateIpAddresses"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    total_count: u64,
    data_set: Vec<Value>,
}

/// Answers with the selected instances, in the service's form.
pub(super) async fn describe_instances(app: &App, request: &ActionRequest) -> Result<Response, ApiError> {
    let service = request.operation.service;
    let found = find(app, request, filter(service, &request.parameters)?).await?;
    let item = |instance: &Instance| item(service, &request.project, instance);
    Ok(listed(request, &found, item))
}

/// Answers with the states of instances.
pub(super) async fn describe_instances_status(
    app: &App,
    request: &ActionRequest,
) -> Result<Response, ApiError> {
    let service = request.operation.service;
    let query = InstanceQuery { ids: ids(&request.parameters)?, ..InstanceQuery::default() };
    let found = find(app, request, Some(query)).await?;
    let item = |instance: &Instance| json!({ "instanceId": instance.id, "instanceStatus": status::word(service, instance.status) });
    Ok(listed(request, &found, item))
}

fn listed(request: &ActionRequest, found: &FoundInstances, item: impl Fn(&Instance) -> Value) -> Response {
    let data_set = found.instances.iter().map(item).collect();
    reply(&request.call.request, &Listed { total_count: found.total, data_set })
}

/// Finds the page of instances that the query selects. Without a query, the page is empty.
async fn find(
    app: &App,
    request: &ActionRequest,
    query: Option<InstanceQuery>,
) -> Result<FoundInstances, ApiError> {
    let parameters = &request.parameters;
    let size = parameters.number("pageSize", 1, MAX_PAGE_SIZE)?.unwrap_or(PAGE_SIZE);
    let number = parameters.number("pageNum", 1, u64::MAX)?.unwrap_or(1);
    // A project is the resource group of its instances.
    let group = parameters.text("resourceGroupId")?;
    let ours = group.is_none_or(|group| group == request.project.id.to_string());
    let Some(query) = query.filter(|_| ours) else { return Ok(FoundInstances::default()) };
    let limit = u32::try_from(size).unwrap_or(u32::MAX);
    Ok(app
        .inventory
        .find_instances(&request.project, &query, (number - 1).saturating_mul(size), limit)
        .await?)
}

fn filter(service: Service, parameters: &Parameters) -> Result<Option<InstanceQuery>, ApiError> {
    let (name, status) = match service {
        Service::Zec => ("name", "status"),
        Service::Vm => ("instanceName", "instanceStatus"),
    };
    let mut foreign = false;
    for name in FOREIGN_TEXTS {
        foreign |= parameters.text(name)?.is_some();
    }
    for name in FOREIGN_LISTS {
        foreign |= parameters.texts(name, MAX_IDS)?.is_some();
    }
    foreign |= parameters.texts("tagKeys", MAX_TAGS)?.is_some();
    foreign |= parameters.objects("tags", MAX_TAGS)?;
    let statuses =
        match parameters.text(status)? {
            None => None,
            Some(wanted) => Some(status::meant(service, wanted).ok_or_else(|| {
                ApiError::new(Code::ParameterValue, format!("{status} is not a known state."))
            })?),
        };
    let query = InstanceQuery {
        ids: ids(parameters)?,
        statuses,
        name: parameters.text(name)?.map(|text| name_match(service, text)),
    };
    Ok(Some(query).filter(|_| !foreign))
}

/// Returns the condition on a name. In zec the name contains the text. In vm it equals the text, or
/// contains the text before a final asterisk.
fn name_match(service: Service, text: &str) -> NameMatch {
    match (service, text.strip_suffix('*')) {
        (Service::Zec, _) => NameMatch::Holds(text.to_owned()),
        (Service::Vm, Some(beginning)) => NameMatch::Holds(beginning.to_owned()),
        (Service::Vm, None) => NameMatch::Is(text.to_owned()),
    }
}

/// Returns the ids of the filter. A malformed id selects no instance and is no error in a list.
fn ids(parameters: &Parameters) -> Result<Option<Vec<transom_model::id::InstanceId>>, ApiError> {
    let ids = parameters.texts("instanceIds", MAX_IDS)?;
    Ok(ids.map(|ids| ids.into_iter().filter_map(|id| id.parse().ok()).collect()))
}

/// Describes an instance. Members about hardware and network, which Transom does not know, are left
/// out or empty, never null.
fn item(service: Service, project: &Project, instance: &Instance) -> Value {
    let status = status::word(service, instance.status);
    let mut item = Map::new();
    let mut set = |name: &str, value: Value| item.insert(name.to_owned(), value);
    set("instanceId", json!(instance.id));
    set("instanceName", json!(instance.name));
    set("createTime", json!(second(instance.created_at)));
    set("resourceGroupId", json!(project.id.to_string()));
    set("resourceGroupName", json!(project.name));
    set("tags", json!({ "tags": [] }));
    let lists: &[&str] = match service {
        Service::Zec => {
            set("status", json!(status));
            &["publicIpAddresses", "privateIpAddresses", "dataDisks", "nics", "loadBalancerIds"]
        }
        Service::Vm => {
            set("instanceStatus", json!(status));
            &[
                "publicIpAddresses",
                "publicIpv6Addresses",
                "privateIpAddresses",
                "securityGroupIds",
                "dataDisks",
            ]
        }
    };
    for list in lists {
        set(list, json!([]));
    }
    Value::Object(item)
}

/// Writes a time as `YYYY-MM-ddTHH:mm:ssZ`.
fn second(at: Timestamp) -> String {
    let second = jiff::Timestamp::from_second(at.0.div_euclid(1_000_000));
    second.map_or_else(|_| at.to_string(), |second| second.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_second() {
        assert_eq!(second(Timestamp(1_795_256_100_923_456)), "2026-11-21T10:15:00Z");
    }
}
