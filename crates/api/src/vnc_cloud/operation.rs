//! The seven operations.

use axum::body::Body;
use axum::response::Response;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use transom_model::cloud::{AddressRecord, CloudAddress, CloudPassword};

use super::answer::{Code, Refusal, empty, json, with_etag};
use super::body::{self, Details, NewAddress, WholeAddress};
use super::credentials::Authenticated;
use super::entity_tag::if_match;
use super::listing;
use super::negotiation::{demand_json_accepted, demand_json_body};
use super::route::{Route, Version};
use transom_app::devices::cloud_addresses::Precondition;
use transom_app::{App, Error};

/// An operation. Its address is not parsed yet.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Create(Version),
    List,
    Ready(String),
    Get(String),
    Change(String),
    Reset(String),
    Delete(String),
}

impl Operation {
    /// Returns the operation of a method on a resource. An unsupported method is 405.
    pub(super) fn of(route: Route, method: &Method) -> Result<Self, Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Ok(match (route, method.as_str()) {
            (Route::Collection(Version::V1_1), _) if reads => Self::List,
            // Listing came with 1.1. In 1.0 the resource was missing, so it is 404 instead of 405.
            (Route::Collection(Version::V1_0), _) if reads => return Err(Refusal::of(StatusCode::NOT_FOUND)),
            (Route::Collection(version), "POST") => Self::Create(version),
            (Route::Collection(Version::V1_1), _) => return Err(Refusal::method("GET, HEAD, POST")),
            (Route::Collection(Version::V1_0), _) => return Err(Refusal::method("POST")),
            (Route::Ready(address), _) if reads => Self::Ready(address),
            (Route::Ready(_), _) => return Err(Refusal::method("GET, HEAD")),
            (Route::Address(_, address), _) if reads => Self::Get(address),
            (Route::Address(_, address), "PUT") => Self::Change(address),
            (Route::Address(_, address), "POST") => Self::Reset(address),
            (Route::Address(_, address), "DELETE") => Self::Delete(address),
            (Route::Address(..), _) => return Err(Refusal::method("GET, HEAD, PUT, POST, DELETE")),
        })
    }

    /// Tells whether the operation changes data, which a reader may not do.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Ready(_) | Self::Get(_))
    }

    /// Runs the operation.
    pub(super) async fn run(
        self,
        app: &App,
        auth: &Authenticated,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        if let Self::Create(_) | Self::Change(_) = self {
            demand_json_body(&parts.headers)?;
        }
        // The answer to a change or a deletion has no body, so any `Accept` will do.
        if !matches!(self, Self::Change(_) | Self::Delete(_)) {
            demand_json_accepted(&parts.headers)?;
        }
        match self {
            Self::Create(version) => create(app, auth, version, body).await,
            Self::List => listing::page(app, auth, parts.uri.query().unwrap_or_default()).await,
            Self::Ready(address) => ready(app, auth, &parsed(&address)?).await,
            Self::Get(address) => {
                let record = app.devices.address(&auth.call, &parsed(&address)?).await?;
                let response = json(StatusCode::OK, &Details::from(record.clone()));
                Ok(with_etag(response, &record))
            }
            Self::Change(address) => {
                change(app, auth, &parsed(&address)?, if_match(&parts.headers), body).await
            }
            Self::Reset(address) => {
                let address = parsed(&address)?;
                let (record, password) =
                    app.devices.reset_address(&auth.call, &address, if_match(&parts.headers)).await?;
                Ok(issued(StatusCode::OK, &record, &password))
            }
            Self::Delete(address) => {
                app.devices.remove_address(&auth.call, &parsed(&address)?, if_match(&parts.headers)).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
        }
    }
}

async fn create(app: &App, auth: &Authenticated, version: Version, body: Body) -> Result<Response, Refusal> {
    let reach = body::read::<NewAddress>(body).await?.draft().check().map_err(Code::from)?;
    let (record, password) = app.devices.issue_address(&auth.call, &auth.key, reach).await?;
    let mut response = issued(StatusCode::CREATED, &record, &password);
    let base = app.public_url().as_str().trim_end_matches('/');
    let location = format!("{base}/cloud/{}/static-address/{}", version.as_str(), record.address);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn ready(app: &App, auth: &Authenticated, address: &CloudAddress) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Changes {
        changes: &'static str,
    }
    let in_force = app.devices.address_in_force(&auth.call, address).await?;
    Ok(json(StatusCode::OK, &Changes { changes: if in_force { "none" } else { "pending" } }))
}

async fn change(
    app: &App,
    auth: &Authenticated,
    address: &CloudAddress,
    condition: Precondition,
    body: Body,
) -> Result<Response, Refusal> {
    // The condition is judged before the content (RFC 9110 §13.2.1). The change checks it once
    // more.
    let record = app.devices.address(&auth.call, address).await?;
    if !condition.holds(record.version) {
        return Err(Error::Stale.into());
    }
    let whole = body::read::<WholeAddress>(body).await?;
    let same = whole.cloud_address == address.as_str();
    let reach = whole.draft().check().map_err(Code::from)?;
    if !same {
        return Err(Refusal::of(StatusCode::CONFLICT));
    }
    let record = app.devices.change_address(&auth.call, address, reach, condition).await?;
    Ok(with_etag(empty(StatusCode::OK), &record))
}

fn parsed(address: &str) -> Result<CloudAddress, Refusal> {
    address.parse().map_err(|_| Code::Address.into())
}

/// Builds the answer that shows a password.
fn issued(status: StatusCode, record: &AddressRecord, password: &CloudPassword) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Issued<'a> {
        cloud_address: &'a CloudAddress,
        cloud_password: &'a str,
    }
    let body = Issued { cloud_address: &record.address, cloud_password: password.expose() };
    with_etag(json(status, &body), record)
}
