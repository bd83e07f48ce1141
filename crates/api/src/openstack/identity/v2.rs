//! Keystone v2.0: `POST /v2.0/tokens`, with a password or with Rackspace's API key.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use transom_model::access_key::Role;
use transom_model::secret::Secret;

use super::catalog::{self, Names};
use super::v3::project_of;
use crate::openstack::fault::{About, Fault};
use crate::openstack::reply::json as answer;
use crate::openstack::request::ApiRequest;
use crate::openstack::{access, body};
use transom_app::access::caller::Proof;
use transom_http::limits::PROOF_BODY;
use transom_http::misfit::misfit;

#[derive(Deserialize)]
struct Document {
    auth: Auth,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    password_credentials: Option<Password>,
    #[serde(rename = "RAX-KSKEY:apiKeyCredentials")]
    api_key_credentials: Option<ApiKey>,
    token: Option<Token>,
    tenant_name: Option<String>,
    tenant_id: Option<String>,
}

#[derive(Deserialize)]
struct Password {
    username: String,
    password: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKey {
    username: String,
    api_key: Secret,
}

#[derive(Deserialize)]
struct Token {
    id: Secret,
}

/// A request for a token.
pub(super) struct TokenRequest {
    proof: Proof,
    /// The project that the token is scoped to; `None` for the key's own.
    tenant: Option<String>,
    /// The names of services that this client expects.
    names: Names,
}

/// Reads the body of `POST /v2.0/tokens`.
pub(super) fn read(body: Value) -> Result<TokenRequest, Fault> {
    let malformed = || Fault::bad_request("Invalid request body: unable to parse Auth data.");
    let read = serde_path_to_error::deserialize(body);
    let Document { auth } =
        read.map_err(|error| malformed().because(misfit(&error.to_string()).to_string()))?;
    if auth.tenant_name.is_some() && auth.tenant_id.is_some() {
        return Err(Fault::bad_request("Give either the tenant's name or its id, not both."));
    }
    let (proof, names) = match (auth.password_credentials, auth.api_key_credentials, auth.token) {
        (Some(Password { username, password }), None, None) => {
            (Proof::KeySecret(username, password), Names::Openstack)
        }
        (None, Some(ApiKey { username, api_key }), None) => {
            (Proof::KeySecret(username, api_key), Names::Rackspace)
        }
        (None, None, Some(token)) => (Proof::Token(token.id), Names::Openstack),
        _ => {
            let reason =
                "auth: must hold exactly one of passwordCredentials, RAX-KSKEY:apiKeyCredentials and token";
            return Err(malformed().because(reason));
        }
    };
    Ok(TokenRequest { proof, tenant: auth.tenant_name.or(auth.tenant_id), names })
}

/// `POST /v2.0/tokens`
pub(super) async fn issue(request: &ApiRequest<'_>, body: Body) -> Result<Response, Fault> {
    let TokenRequest { proof, tenant, names } = read(body::read(&request.headers, body, PROOF_BODY).await?)?;
    let fault = |error| {
        Fault::of(error, About { policy: "identity:validate_token", server: "", operation: "authenticate" })
    };
    let call = access::identify(request, &proof).await.map_err(fault)?;
    if let Proof::Token(token) = &proof {
        // The operator's token belongs to no user, so no token can be issued for it.
        request.app.access.token(&call, token.expose()).await.map_err(|_| Fault::unauthorized())?;
    }
    let project = project_of(request, &call, tenant).await?;
    let ttl = request.app.config().openstack.token_ttl.0;
    let issued = request.app.access.issue_token(&call, ttl).await;
    let (issued, token) = issued.map_err(fault)?;
    let (key, region) = (&issued.key, &request.app.config().openstack.region);
    let tenant = json!({ "id": project.id.to_string(), "name": project.name });
    let roles: Vec<Value> = Role::ALL
        .into_iter()
        .filter(|role| *role <= key.role)
        .map(|role| json!({ "id": role.as_str(), "name": role.as_str() }))
        .collect();
    let body = json!({
        "access": {
            "token": { "id": token.expose(), "expires": issued.expires_at, "tenant": tenant },
            "serviceCatalog": catalog::v2(request.app, &project, names),
            "user": {
                "id": key.id, "name": key.id, "username": key.id, "roles": roles,
                "RAX-AUTH:defaultRegion": region,
            },
        }
    });
    Ok(answer(StatusCode::OK, &body))
}
