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
use super::credentials::Asked;
use super::entity_tag::if_match;
use super::listing;
use super::negotiation::{demand_json_accepted, demand_json_body};
use super::route::{Route, Version};
use transom_app::devices::cloud_addresses::Precondition;
use transom_app::{App, Error};

/// One of the seven; an address is still as the path has it.
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
    /// What a method does to a resource; one that does nothing there is 405.
    pub(super) fn of(route: Route, method: &Method) -> Result<Self, Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Ok(match (route, method.as_str()) {
            (Route::Collection(Version::V1_1), _) if reads => Self::List,
            // Listing came with 1.1; in 1.0 it was not there, rather than not allowed.
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

    /// Whether it changes something, which a reader may not.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Ready(_) | Self::Get(_))
    }

    /// Does it.
    pub(super) async fn run(
        self,
        app: &App,
        asked: &Asked,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        if let Self::Create(_) | Self::Change(_) = self {
            demand_json_body(&parts.headers)?;
        }
        // What a change or a deletion answers has no body, so nothing is asked about it.
        if !matches!(self, Self::Change(_) | Self::Delete(_)) {
            demand_json_accepted(&parts.headers)?;
        }
        match self {
            Self::Create(version) => create(app, asked, version, body).await,
            Self::List => listing::page(app, asked, parts.uri.query().unwrap_or_default()).await,
            Self::Ready(address) => ready(app, asked, &parsed(&address)?).await,
            Self::Get(address) => {
                let record = app.devices.address(&asked.call, &parsed(&address)?).await?;
                let response = json(StatusCode::OK, &Details::from(record.clone()));
                Ok(with_etag(response, &record))
            }
            Self::Change(address) => {
                change(app, asked, &parsed(&address)?, if_match(&parts.headers), body).await
            }
            Self::Reset(address) => {
                let address = parsed(&address)?;
                let (record, password) =
                    app.devices.reset_address(&asked.call, &address, if_match(&parts.headers)).await?;
                Ok(issued(StatusCode::OK, &record, &password))
            }
            Self::Delete(address) => {
                app.devices.remove_address(&asked.call, &parsed(&address)?, if_match(&parts.headers)).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
        }
    }
}

async fn create(app: &App, asked: &Asked, version: Version, body: Body) -> Result<Response, Refusal> {
    let reach = body::read::<NewAddress>(body).await?.draft().check().map_err(Code::from)?;
    let (record, password) = app.devices.issue_address(&asked.call, &asked.key, reach).await?;
    let mut response = issued(StatusCode::CREATED, &record, &password);
    let base = app.public_url().as_str().trim_end_matches('/');
    let location = format!("{base}/cloud/{}/static-address/{}", version.as_str(), record.address);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn ready(app: &App, asked: &Asked, address: &CloudAddress) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Changes {
        changes: &'static str,
    }
    let in_force = app.devices.address_in_force(&asked.call, address).await?;
    Ok(json(StatusCode::OK, &Changes { changes: if in_force { "none" } else { "pending" } }))
}

async fn change(
    app: &App,
    asked: &Asked,
    address: &CloudAddress,
    condition: Precondition,
    body: Body,
) -> Result<Response, Refusal> {
    // RFC 9110 §13.2.1: the condition is judged before the content. The change itself judges it once more.
    let record = app.devices.address(&asked.call, address).await?;
    if !condition.holds(record.version) {
        return Err(Error::Stale.into());
    }
    let whole = body::read::<WholeAddress>(body).await?;
    let same = whole.cloud_address == address.as_str();
    let reach = whole.draft().check().map_err(Code::from)?;
    if !same {
        return Err(Refusal::of(StatusCode::CONFLICT));
    }
    let record = app.devices.change_address(&asked.call, address, reach, condition).await?;
    Ok(with_etag(empty(StatusCode::OK), &record))
}

fn parsed(address: &str) -> Result<CloudAddress, Refusal> {
    address.parse().map_err(|_| Code::Address.into())
}

/// The one answer that shows a password.
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
