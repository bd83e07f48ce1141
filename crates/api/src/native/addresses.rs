//! `/api/v1/addresses`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use transom_model::api::{
    AcceptKeyBody, AddressBody, AddressChangeBody, AddressMoveBody, AddressSecretBody, ErrorBody, List,
    NewAddressBody, NewTicketBody, TicketBody, ViewerIdBody,
};
use transom_model::cloud::{AddressRecord, Amendment, CloudAddress, CloudPassword, Draft, GroupName, Reach};
use utoipa::IntoParams;

use super::access::{Caller, id, key_id};
use super::filters::{KeyFilter, ProjectFilter};
use super::input::{Body, Path, Query};
use super::paging::Paging;
use transom_app::devices::cloud_addresses::{AddressCall, AddressChange, AddressQuery, Precondition};
use transom_app::{App, Error};
use transom_http::error::Failure;

/// A query of the list of addresses.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct AddressFilter {
    /// Limits the answer to addresses under which a device is joined.
    #[param(required = false)]
    online: bool,
    /// Limits the answer to addresses whose names contain this text, ignoring ASCII case.
    #[param(required = false)]
    name: Option<String>,
    /// Limits the answer to addresses that are members of this group, or let it in.
    #[param(required = false, value_type = GroupName)]
    group: Option<String>,
}

/// Lists cloud addresses.
#[utoipa::path(get, operation_id = "list_addresses", path = "/api/v1/addresses", tag = "addresses", params(ProjectFilter, KeyFilter, AddressFilter, Paging), responses(
    (status = 200, body = List<AddressBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(project): Query<ProjectFilter>,
    Query(key): Query<KeyFilter>,
    Query(filter): Query<AddressFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<AddressBody>>, Failure> {
    let found = async {
        let project = project.id(&app, &caller).await?;
        let key = key.id()?;
        let group = filter.group.as_deref().map(str::parse).transpose();
        let group = group.map_err(|error| Error::invalid("group", error))?;
        let name = filter.name.filter(|name| !name.is_empty());
        let query = AddressQuery { project, key, online: filter.online, name, group };
        app.devices.addresses(&address_call(&caller), query, paging.page()).await
    };
    let records = found.await.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(records, |record| record.address.to_string())))
}

/// Issues a cloud address (member). Its password is shown only once.
#[utoipa::path(post, operation_id = "create_address", path = "/api/v1/addresses", tag = "addresses", request_body = NewAddressBody, responses(
    (status = 201, body = AddressSecretBody), (status = "default", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<NewAddressBody>,
) -> Result<(StatusCode, Json<AddressSecretBody>), Failure> {
    let made = async {
        let key = key_id(&body.key)?;
        let amendment = Amendment {
            name: None,
            action: Some(body.action),
            groups: Some(body.groups),
            allow_groups: Some(body.allow_groups),
            allow_addresses: Some(addresses(body.allow_addresses)?),
        };
        let reach = reach(&amendment.apply(&Reach::Listen { access: None }))?;
        app.devices
            .issue_address(&address_call(&caller), &key, AddressChange { reach, name: body.name })
            .await
    };
    let made = made.await.map_err(|error| caller.failed(error))?;
    Ok((StatusCode::CREATED, Json(secret_body(made))))
}

/// Shows a cloud address.
#[utoipa::path(get, operation_id = "show_address", path = "/api/v1/addresses/{address}", tag = "addresses",
    params(("address" = CloudAddress, Path)), responses(
    (status = 200, body = AddressBody), (status = "default", body = ErrorBody)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
) -> Result<Json<AddressBody>, Failure> {
    let found = async { app.devices.address(&address_call(&caller), &id(&address, ADDRESS)?).await };
    found.await.map(|record| Json(record.into())).map_err(|error| caller.failed(error))
}

/// Changes the given members of a cloud address (member).
///
/// Connections that are no longer allowed end.
#[utoipa::path(patch, operation_id = "change_address", path = "/api/v1/addresses/{address}", tag = "addresses",
    params(("address" = CloudAddress, Path)), request_body = AddressChangeBody, responses(
    (status = 200, body = AddressBody), (status = "default", body = ErrorBody)))]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
    Body(body): Body<AddressChangeBody>,
) -> Result<Json<AddressBody>, Failure> {
    let changed = async {
        let amendment = Amendment {
            name: body.name,
            action: body.action,
            groups: body.groups,
            allow_groups: body.allow_groups,
            allow_addresses: body.allow_addresses.map(addresses).transpose()?,
        };
        app.devices.amend_address(&address_call(&caller), &id(&address, ADDRESS)?, amendment).await
    };
    changed.await.map(|record| Json(record.into())).map_err(|error| caller.failed(error))
}

/// Resets the password of a cloud address (member). The new one is shown only once.
#[utoipa::path(post, operation_id = "reset_address", path = "/api/v1/addresses/{address}/reset", tag = "addresses",
    params(("address" = CloudAddress, Path)), responses(
    (status = 200, body = AddressSecretBody), (status = "default", body = ErrorBody)))]
pub(super) async fn reset(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
) -> Result<Json<AddressSecretBody>, Failure> {
    let reset = async {
        app.devices.reset_address(&address_call(&caller), &id(&address, ADDRESS)?, Precondition::Any).await
    };
    reset.await.map(|made| Json(secret_body(made))).map_err(|error| caller.failed(error))
}

/// Makes consoles trust the key that the device presents now (member).
///
/// Use it after a device was reinstalled. The address's password stays.
#[utoipa::path(post, operation_id = "accept_key", path = "/api/v1/addresses/{address}/accept-key", tag = "addresses",
    params(("address" = CloudAddress, Path)), request_body = AcceptKeyBody, responses(
    (status = 200, body = AddressBody), (status = "default", body = ErrorBody)))]
pub(super) async fn accept_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
    Body(body): Body<AcceptKeyBody>,
) -> Result<Json<AddressBody>, Failure> {
    let accepted = async {
        let key = body.key.as_deref().map(str::parse).transpose();
        let key = key.map_err(|error| Error::invalid("key", error))?;
        app.devices.accept_device_key(&address_call(&caller), &id(&address, ADDRESS)?, key).await
    };
    accepted.await.map(|record| Json(record.into())).map_err(|error| caller.failed(error))
}

/// Moves a cloud address to another access key, for example when its own was lost (admin).
#[utoipa::path(post, operation_id = "move_address", path = "/api/v1/addresses/{address}/move", tag = "addresses",
    params(("address" = CloudAddress, Path)), request_body = AddressMoveBody, responses(
    (status = 200, body = AddressBody), (status = "default", body = ErrorBody)))]
pub(super) async fn relocate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
    Body(body): Body<AddressMoveBody>,
) -> Result<Json<AddressBody>, Failure> {
    let moved = async {
        let to = key_id(&body.to_key)?;
        app.devices.move_address(&address_call(&caller), &id(&address, ADDRESS)?, &to).await
    };
    moved.await.map(|record| Json(record.into())).map_err(|error| caller.failed(error))
}

/// Removes a cloud address permanently (member).
#[utoipa::path(delete, operation_id = "remove_address", path = "/api/v1/addresses/{address}", tag = "addresses",
    params(("address" = CloudAddress, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
) -> Result<StatusCode, Failure> {
    let removed = async {
        app.devices.remove_address(&address_call(&caller), &id(&address, ADDRESS)?, Precondition::Any).await
    };
    removed.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}

/// Creates a repeater ticket for a cloud address (member).
///
/// A device that speaks the UltraVNC repeater's protocol joins with it. It replaces the previous
/// ticket, and is shown only once.
#[utoipa::path(post, operation_id = "give_ticket", path = "/api/v1/addresses/{address}/repeater-ticket", tag = "addresses",
    params(("address" = CloudAddress, Path)), request_body = NewTicketBody, responses(
    (status = 201, body = TicketBody), (status = "default", body = ErrorBody)))]
pub(super) async fn ticket(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
    Body(body): Body<NewTicketBody>,
) -> Result<(StatusCode, Json<TicketBody>), Failure> {
    let issued = async {
        app.devices.issue_repeater_ticket(&address_call(&caller), &id(&address, ADDRESS)?, body.numeric).await
    };
    let ticket = issued.await.map_err(|error| caller.failed(error))?.expose().to_owned();
    Ok((StatusCode::CREATED, Json(TicketBody { address, ticket })))
}

/// Revokes the repeater ticket of a cloud address (member).
///
/// The server disconnects the device that waits under it.
#[utoipa::path(delete, operation_id = "revoke_ticket", path = "/api/v1/addresses/{address}/repeater-ticket", tag = "addresses",
    params(("address" = CloudAddress, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke_ticket(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
) -> Result<StatusCode, Failure> {
    let revoked =
        async { app.devices.revoke_repeater_ticket(&address_call(&caller), &id(&address, ADDRESS)?).await };
    revoked.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}

/// Creates an ID with which a viewer opens the device once within 5 minutes (member).
///
/// The viewer must speak the UltraVNC repeater's protocol.
#[utoipa::path(post, operation_id = "give_viewer_id", path = "/api/v1/addresses/{address}/repeater-viewer", tag = "addresses",
    params(("address" = CloudAddress, Path)), responses(
    (status = 201, body = ViewerIdBody), (status = "default", body = ErrorBody)))]
pub(super) async fn viewer_id(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(address): Path<String>,
) -> Result<(StatusCode, Json<ViewerIdBody>), Failure> {
    let issued = async { app.devices.issue_viewer_id(&address_call(&caller), &id(&address, ADDRESS)?).await };
    let (number, until) = issued.await.map_err(|error| caller.failed(error))?;
    let body = ViewerIdBody { address, id: number.expose().to_owned(), expires_at: until.to_string() };
    Ok((StatusCode::CREATED, Json(body)))
}

const ADDRESS: &str = "cloud address";

fn address_call(caller: &Caller) -> AddressCall {
    AddressCall::native(caller.0.clone())
}

fn reach(draft: &Draft) -> Result<Reach, Error> {
    draft.check().map_err(|fault| Error::invalid("address", fault))
}

fn addresses(texts: Vec<String>) -> Result<Vec<CloudAddress>, Error> {
    let parsed = texts.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().map_err(|error| Error::invalid("allow_addresses", error))
}

fn secret_body((record, password): (AddressRecord, CloudPassword)) -> AddressSecretBody {
    AddressSecretBody {
        cloud_address: record.address.to_string(),
        cloud_password: password.expose().to_owned(),
    }
}
