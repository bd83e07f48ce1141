//! Keystone v3: `/v3/auth/tokens`, `/v3/auth/projects`, `/v3/auth/catalog`

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::VARY;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::api_token::ApiToken;
use transom_model::grant::Dialect;
use transom_model::project::Project;
use transom_model::secret::Secret;

use super::catalog as services;
use super::credentials::{self, Credentials, Shown};
use super::domain::{DOMAIN_ID, DOMAIN_NAME};
use crate::openstack::asked::Asked;
use crate::openstack::fault::{About, Fault};
use crate::openstack::reply::json as answer;
use crate::openstack::{access, body};
use transom_app::access::caller::Proof;
use transom_app::{Call, Error, Page};
use transom_http::body::PROOF;

pub(super) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// For the log alone: the caller is told what Keystone tells it.
const NOT_ITS_PROJECT: &str = "the access key is not of the project that was asked for";
const ABOUT: About<'static> = About { policy: "identity:validate_token", server: "", operation: "show" };

/// `POST /v3/auth/tokens`
pub(super) async fn issue(asked: &Asked<'_>, body: Body) -> Result<Response, Fault> {
    let Credentials { shown, method, project } =
        credentials::read(body::read(&asked.headers, body, PROOF).await?)?;
    let fault = |error| Fault::of(error, ABOUT);
    let call = match &shown {
        Shown::Key { id, secret, .. } => {
            let proof = Proof::KeySecret(id.clone(), secret.clone());
            access::identify(asked, &proof).await.map_err(fault)?
        }
        Shown::Token(token) => {
            let call = access::identify(asked, &Proof::Token(token.clone())).await.map_err(fault)?;
            // The operator's token is no user's: there is nobody to give another to.
            asked.app.access.token(&call, token.expose()).await.map_err(|_| Fault::unauthorized())?;
            call
        }
    };
    let project = project_of(asked, &call, project).await?;
    let ttl = asked.app.config().openstack.token_ttl.0;
    let issued = asked.app.access.issue_token(&call, Dialect::Openstack, ttl).await;
    let (issued, token) = issued.map_err(fault)?;
    if let Shown::Key { name: Some(name), .. } = &shown
        && *name != issued.key.name
    {
        asked.app.access.revoke_token(&call, Dialect::Openstack, token.expose()).await.map_err(fault)?;
        return Err(Fault::unauthorized());
    }
    Ok(shown_token(asked, StatusCode::CREATED, &issued, &project, &[method], &token))
}

/// `GET` and `HEAD /v3/auth/tokens`
pub(super) async fn show(asked: &Asked<'_>) -> Result<Response, Fault> {
    let call = access::caller(asked, ABOUT.policy).await?;
    let subject = subject(asked)?;
    let found = asked.app.access.token(&call, subject.expose()).await.map_err(of_subject)?;
    let project = project_of(asked, &call, Some(found.key.project.to_string())).await?;
    Ok(shown_token(asked, StatusCode::OK, &found, &project, &["password"], &subject))
}

/// `DELETE /v3/auth/tokens`
pub(super) async fn revoke(asked: &Asked<'_>) -> Result<Response, Fault> {
    let call = access::caller(asked, ABOUT.policy).await?;
    let subject = subject(asked)?;
    let revoked = asked.app.access.revoke_token(&call, Dialect::Openstack, subject.expose()).await;
    revoked.map_err(of_subject)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v3/auth/projects`
pub(super) async fn projects(asked: &Asked<'_>) -> Result<Response, Fault> {
    let call = access::caller(asked, ABOUT.policy).await?;
    let found = asked.app.access.projects(&call, Page::first(Page::MAX)).await;
    let found = found.map_err(|error| Fault::of(error, ABOUT))?;
    let link = |path: &str| format!("{}{}{path}", base(asked), asked.place.root);
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

/// `GET /v3/auth/domains`: the one that everything is in.
pub(super) async fn domains(asked: &Asked<'_>) -> Result<Response, Fault> {
    access::caller(asked, ABOUT.policy).await?;
    let link = |path: &str| format!("{}{}{path}", base(asked), asked.place.root);
    let domain = json!({
        "id": DOMAIN_ID, "name": DOMAIN_NAME, "description": "", "enabled": true,
        "links": { "self": link(&format!("/domains/{DOMAIN_ID}")) },
    });
    let links = json!({ "self": link("/auth/domains"), "previous": null, "next": null });
    Ok(answer(StatusCode::OK, &json!({ "domains": [domain], "links": links })))
}

/// `GET /v3/auth/catalog`
pub(super) async fn catalog(asked: &Asked<'_>) -> Result<Response, Fault> {
    access::caller(asked, ABOUT.policy).await?;
    let itself = format!("{}{}/auth/catalog", base(asked), asked.place.root);
    let links = json!({ "self": itself, "previous": null, "next": null });
    Ok(answer(StatusCode::OK, &json!({ "catalog": services::v3(asked.app), "links": links })))
}

/// The project that a token is for. One that is not the key's own is nobody's here: 401, as Keystone says it.
pub(super) async fn project_of(
    asked: &Asked<'_>,
    call: &Call,
    wanted: Option<String>,
) -> Result<Project, Fault> {
    let own = call.caller.project().map(|own| own.to_string());
    let wanted = wanted.or(own).ok_or_else(Fault::unauthorized)?;
    asked.app.access.project(call, &wanted).await.map_err(|error| match error {
        Error::NotFound(_) => {
            let key = call.caller.key().map(AccessKeyId::as_str);
            Fault::of(
                asked.app.access.failed_proof(asked.attempt(), key, Error::Unauthenticated(NOT_ITS_PROJECT)),
                ABOUT,
            )
        }
        other => Fault::of(other, ABOUT),
    })
}

fn subject(asked: &Asked<'_>) -> Result<Secret, Fault> {
    let subject = access::single(&asked.headers, SUBJECT_TOKEN.as_str()).flatten();
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

fn shown_token(
    asked: &Asked<'_>,
    status: StatusCode,
    issued: &ApiToken,
    project: &Project,
    methods: &[&str],
    token: &Secret,
) -> Response {
    let key = &issued.key;
    let domain = json!({ "id": DOMAIN_ID, "name": DOMAIN_NAME });
    // A stronger role is all the weaker ones too.
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
    let query = url::form_urlencoded::parse(asked.query.as_bytes());
    if !query.into_iter().any(|(name, _)| name == "nocatalog") {
        body["catalog"] = services::v3(asked.app);
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

fn base<'a>(asked: &'a Asked<'_>) -> &'a str {
    asked.app.public_url().as_str().trim_end_matches('/')
}
