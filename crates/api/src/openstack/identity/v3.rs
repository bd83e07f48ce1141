//! Keystone v3: `/v3/auth/tokens`, `/v3/auth/projects`, `/v3/auth/catalog`

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::VARY;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::api_token::ApiToken;
use transom_model::project::Project;
use transom_model::secret::Secret;

use super::catalog as services;
use super::credentials::{self, Credential, TokenRequest};
use super::domain::{DOMAIN_ID, DOMAIN_NAME};
use crate::openstack::fault::{About, Fault};
use crate::openstack::reply::json as answer;
use crate::openstack::request::ApiRequest;
use crate::openstack::{access, body};
use transom_app::access::caller::Proof;
use transom_app::{Call, Error, Page};
use transom_http::limits::PROOF_BODY;

pub(super) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// The reason in the log. The caller gets Keystone's own answer, which does not name it.
const NOT_ITS_PROJECT: &str = "the access key does not belong to the requested project";
const ABOUT: About<'static> = About { policy: "identity:validate_token", server: "", operation: "show" };

/// `POST /v3/auth/tokens`
pub(super) async fn issue(request: &ApiRequest<'_>, body: Body) -> Result<Response, Fault> {
    let TokenRequest { credential, method, project } =
        credentials::read(body::read(&request.headers, body, PROOF_BODY).await?)?;
    let fault = |error| Fault::of(error, ABOUT);
    let call = match &credential {
        Credential::Key { id, secret, .. } => {
            let proof = Proof::KeySecret(id.clone(), secret.clone());
            access::identify(request, &proof).await.map_err(fault)?
        }
        Credential::Token(token) => {
            let call = access::identify(request, &Proof::Token(token.clone())).await.map_err(fault)?;
            // The operator's token belongs to no user, so no token can be issued for it.
            request.app.access.token(&call, token.expose()).await.map_err(|_| Fault::unauthorized())?;
            call
        }
    };
    let project = project_of(request, &call, project).await?;
    let ttl = request.app.config().openstack.token_ttl.0;
    let issued = request.app.access.issue_token(&call, ttl).await;
    let (issued, token) = issued.map_err(fault)?;
    if let Credential::Key { name: Some(name), .. } = &credential
        && *name != issued.key.name
    {
        request.app.access.revoke_token(&call, token.expose()).await.map_err(fault)?;
        return Err(Fault::unauthorized());
    }
    Ok(token_answer(request, StatusCode::CREATED, &issued, &project, &[method], &token))
}

/// `GET` and `HEAD /v3/auth/tokens`
pub(super) async fn show(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    let call = access::caller(request, ABOUT.policy).await?;
    let subject = subject(request)?;
    let found = request.app.access.token(&call, subject.expose()).await.map_err(of_subject)?;
    let project = project_of(request, &call, Some(found.key.project.to_string())).await?;
    Ok(token_answer(request, StatusCode::OK, &found, &project, &["password"], &subject))
}

/// `DELETE /v3/auth/tokens`
pub(super) async fn revoke(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    let call = access::caller(request, ABOUT.policy).await?;
    let subject = subject(request)?;
    let revoked = request.app.access.revoke_token(&call, subject.expose()).await;
    revoked.map_err(of_subject)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v3/auth/projects`
pub(super) async fn projects(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    let call = access::caller(request, ABOUT.policy).await?;
    let found = request.app.access.projects(&call, Page::first(Page::MAX)).await;
    let found = found.map_err(|error| Fault::of(error, ABOUT))?;
    let link = |path: &str| format!("{}{}{path}", base(request), request.path.root);
    let projects: Vec<Value> = found
        .iter()
        .map(|project| {
            json!({
                "id": project.id.to_string(), "name": project.name, "domain_id": DOMAIN_ID, "enabled": true,
                "is_domain": false, "description": "", "parent_id": DOMAIN_ID,
                "links": { "self": link(&format!("/projects/{}", project.id)) },
            })
        })
        .collect();
    let links = json!({ "self": link("/auth/projects"), "previous": null, "next": null });
    Ok(answer(StatusCode::OK, &json!({ "projects": projects, "links": links })))
}

/// `GET /v3/auth/domains`: the single domain.
pub(super) async fn domains(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    access::caller(request, ABOUT.policy).await?;
    let link = |path: &str| format!("{}{}{path}", base(request), request.path.root);
    let domain = json!({
        "id": DOMAIN_ID, "name": DOMAIN_NAME, "description": "", "enabled": true,
        "links": { "self": link(&format!("/domains/{DOMAIN_ID}")) },
    });
    let links = json!({ "self": link("/auth/domains"), "previous": null, "next": null });
    Ok(answer(StatusCode::OK, &json!({ "domains": [domain], "links": links })))
}

/// `GET /v3/auth/catalog`
pub(super) async fn catalog(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    access::caller(request, ABOUT.policy).await?;
    let itself = format!("{}{}/auth/catalog", base(request), request.path.root);
    let links = json!({ "self": itself, "previous": null, "next": null });
    Ok(answer(StatusCode::OK, &json!({ "catalog": services::v3(request.app), "links": links })))
}

/// Returns the project that a token is scoped to. Another project than the key's own is
/// unauthorized, as in Keystone.
pub(super) async fn project_of(
    request: &ApiRequest<'_>,
    call: &Call,
    wanted: Option<String>,
) -> Result<Project, Fault> {
    let own = call.caller.project().map(|own| own.to_string());
    let wanted = wanted.or(own).ok_or_else(Fault::unauthorized)?;
    request.app.access.project(call, &wanted).await.map_err(|error| match error {
        Error::NotFound(_) => {
            let key = call.caller.key().map(AccessKeyId::as_str);
            Fault::of(
                request.app.access.failed_proof(
                    request.attempt(),
                    key,
                    Error::Unauthenticated(NOT_ITS_PROJECT),
                ),
                ABOUT,
            )
        }
        other => Fault::of(other, ABOUT),
    })
}

fn subject(request: &ApiRequest<'_>) -> Result<Secret, Fault> {
    let subject = access::single(&request.headers, SUBJECT_TOKEN.as_str()).flatten();
    subject.map(Secret::new).ok_or_else(no_subject)
}

fn no_subject() -> Fault {
    Fault::missing("Could not find token.")
}

fn of_subject(error: Error) -> Fault {
    match error {
        Error::NotFound(_) => no_subject(),
        other => Fault::of(other, ABOUT),
    }
}

fn token_answer(
    request: &ApiRequest<'_>,
    status: StatusCode,
    issued: &ApiToken,
    project: &Project,
    methods: &[&str],
    token: &Secret,
) -> Response {
    let key = &issued.key;
    let domain = json!({ "id": DOMAIN_ID, "name": DOMAIN_NAME });
    // A stronger role includes the weaker ones.
    let roles: Vec<Value> = Role::ALL
        .into_iter()
        .filter(|role| *role <= key.role)
        .map(|role| json!({ "id": role.as_str(), "name": role.as_str() }))
        .collect();
    let mut body = json!({
        "methods": methods,
        "user": { "id": key.id, "name": key.id, "domain": domain, "password_expires_at": null },
        "audit_ids": [issued.created_at.0.to_string()],
        "issued_at": issued.created_at,
        "expires_at": issued.expires_at,
        "project": { "id": project.id.to_string(), "name": project.name, "domain": domain },
        "is_domain": false,
        "roles": roles,
    });
    if methods.contains(&"application_credential") {
        body["application_credential"] = json!({ "id": key.id, "name": key.name, "restricted": true });
    }
    let query = url::form_urlencoded::parse(request.query.as_bytes());
    if !query.into_iter().any(|(name, _)| name == "nocatalog") {
        body["catalog"] = services::v3(request.app);
    }
    let mut response = answer(status, &json!({ "token": body }));
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("X-Auth-Token"));
    headers.extend(HeaderValue::from_str(token.expose()).map(|mut value| {
        value.set_sensitive(true);
        (SUBJECT_TOKEN, value)
    }));
    response
}

fn base<'a>(request: &'a ApiRequest<'_>) -> &'a str {
    request.app.public_url().as_str().trim_end_matches('/')
}
