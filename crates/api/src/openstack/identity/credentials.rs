//! The credentials of a login, in Keystone v3's form.

use serde::Deserialize;
use serde_json::Value;
use transom_model::secret::Secret;

use super::domain::{DOMAIN_ID, DOMAIN_NAME};
use crate::openstack::fault::Fault;
use transom_http::misfit::misfit;

#[derive(Deserialize)]
struct Body {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    scope: Option<Value>,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<Password>,
    token: Option<Token>,
    application_credential: Option<ApplicationCredential>,
}

#[derive(Deserialize)]
struct Password {
    user: User,
}

#[derive(Deserialize)]
struct Token {
    id: Secret,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    id: Option<String>,
    name: Option<String>,
    secret: Secret,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Named>,
    password: Option<Secret>,
}

/// An object named by its id or its name.
#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Box<Self>>,
}

/// The credential that a client presents.
pub(super) enum Credential {
    /// An access key. `name` is the name of an application credential, if it came by name.
    Key { id: String, secret: Secret, name: Option<String> },
    /// A token that was issued before.
    Token(Secret),
}

/// A request for a token.
pub(super) struct TokenRequest {
    pub(super) credential: Credential,
    /// The name of the authentication method.
    pub(super) method: &'static str,
    /// The project that the token is scoped to, by id or name; `None` for the key's own.
    pub(super) project: Option<String>,
}

/// Reads the body of `POST /v3/auth/tokens`.
pub(super) fn read(body: Value) -> Result<TokenRequest, Fault> {
    let read = serde_path_to_error::deserialize(body);
    let Body { auth } = read.map_err(|error| malformed().because(misfit(&error.to_string()).to_string()))?;
    let project = auth.scope.map(scope).transpose()?.flatten();
    let Identity { methods, password, token, application_credential } = auth.identity;
    let [method] = methods.as_slice() else {
        return Err(malformed().because("auth.identity.methods: must have one member"));
    };
    let (method, credential) = match method.as_str() {
        "password" => {
            let password = password.ok_or_else(|| missing("auth.identity.password"))?;
            ("password", by_password(password)?)
        }
        "token" => ("token", Credential::Token(token.ok_or_else(|| missing("auth.identity.token"))?.id)),
        "application_credential" => {
            let credential =
                application_credential.ok_or_else(|| missing("auth.identity.application_credential"))?;
            ("application_credential", by_credential(credential)?)
        }
        _ => return Err(Fault::unauthorized()),
    };
    Ok(TokenRequest { credential, method, project })
}

fn by_password(Password { user }: Password) -> Result<Credential, Fault> {
    let (id, password) = user.take()?;
    Ok(Credential::Key {
        id,
        secret: password.ok_or_else(|| missing("auth.identity.password.user.password"))?,
        name: None,
    })
}

fn by_credential(credential: ApplicationCredential) -> Result<Credential, Fault> {
    let ApplicationCredential { id, name, secret, user } = credential;
    match (id, name, user) {
        (Some(id), _, _) => Ok(Credential::Key { id, secret, name: None }),
        (None, Some(name), Some(user)) => {
            Ok(Credential::Key { id: user.take()?.0, secret, name: Some(name) })
        }
        _ => Err(missing("auth.identity.application_credential.id")),
    }
}

impl User {
    fn take(self) -> Result<(String, Option<Secret>), Fault> {
        match (self.id, self.name) {
            (Some(id), _) => Ok((id, self.password)),
            (None, Some(name)) => in_our_domain(self.domain.as_ref()).map(|()| (name, self.password)),
            (None, None) => Err(missing("user.id")),
        }
    }
}

/// The project of a scope. Other scopes than projects are unauthorized.
fn scope(scope: Value) -> Result<Option<String>, Fault> {
    // Typed clients send every other scope as `null`.
    let named = |name: &str| scope.get(name).filter(|value| !value.is_null());
    if scope == "unscoped" || named("unscoped").is_some() {
        return Ok(None);
    }
    let Some(project) = named("project") else { return Err(Fault::unauthorized()) };
    let read = serde_path_to_error::deserialize(project.clone());
    let project: Named = read.map_err(|error| {
        malformed().because(format!("auth.scope.project: {}", misfit(&error.to_string())))
    })?;
    match (project.id, project.name) {
        (Some(id), _) => Ok(Some(id)),
        (None, Some(name)) => in_our_domain(project.domain.as_deref()).map(|()| Some(name)),
        (None, None) => Err(missing("auth.scope.project.id")),
    }
}

/// Accepts only the single domain. A user of another domain is unknown.
fn in_our_domain(domain: Option<&Named>) -> Result<(), Fault> {
    let Some(domain) = domain else { return Ok(()) };
    let by_id = domain.id.as_ref().is_none_or(|id| id == DOMAIN_ID);
    let by_name = domain.name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(DOMAIN_NAME));
    if by_id && by_name { Ok(()) } else { Err(Fault::unauthorized()) }
}

fn missing(member: &str) -> Fault {
    malformed().because(format!("{member}: is missing"))
}

fn malformed() -> Fault {
    Fault::bad_request(
        "Expecting to find auth with identity, one method and its credentials in the request body. The server could \
         not comply with the request since it is either malformed or otherwise incorrect.",
    )
}
