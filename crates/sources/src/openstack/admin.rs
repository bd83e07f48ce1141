//! Transom's own token in the existing cloud. It is requested when first needed, and again shortly
//! before it expires.

use std::io;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use transom_model::secret::Secret;
use url::Url;

use super::answer::{self, LookupError, Question};
use super::urls::{below, v3};
use transom_config::{CloudAdmin, Openstack};

pub(super) const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
pub(super) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// The environment variable with the secret, unless a file holds it.
const SECRET_VARIABLE: &str = "TRANSOM_OPENSTACK_SECRET";
/// The remaining lifetime below which a token is replaced. It is longer than a lookup, and than the
/// difference between two clocks in one cloud.
const BEFORE_EXPIRY: SignedDuration = SignedDuration::from_secs(60);
/// The hint for a login that is denied.
const CREDENTIALS: &str = "check the login in [openstack.admin] and its secret";

/// Transom's account in the existing cloud.
pub(super) struct Admin {
    login: Url,
    /// The configuration key of the URL.
    key: &'static str,
    identity: Identity,
    secret: SecretSource,
    /// Locked during a login, so that other lookups wait for the same token.
    token: Mutex<Option<(Secret, Timestamp)>>,
}

enum Identity {
    ApplicationCredential(String),
    User { name: String, domain: String, project: String, project_domain: String },
}

enum SecretSource {
    File(PathBuf),
    Environment(Secret),
}

impl Admin {
    pub(super) fn new(config: &Openstack) -> Result<Self, String> {
        let admin = &config.admin;
        let keystone = admin.auth_url.as_ref().or(config.keystone_url.as_ref());
        let keystone = keystone.ok_or("admin.auth_url: set the URL of Keystone, or set keystone_url")?;
        let secret = match (&admin.secret_file, std::env::var(SECRET_VARIABLE)) {
            (Some(path), _) => {
                // The file is read at each login. A file that cannot be read is reported at the
                // start.
                let text = std::fs::read_to_string(path);
                secret_of(path, text).map_err(|why| format!("admin.secret_file: {why}"))?;
                SecretSource::File(path.clone())
            }
            (None, Ok(secret)) => SecretSource::Environment(Secret::new(secret)),
            (None, Err(_)) => {
                return Err(format!(
                    "admin.secret_file: set the path of the file, or set the environment variable {SECRET_VARIABLE}"
                ));
            }
        };
        let key = if admin.auth_url.is_some() { "admin.auth_url" } else { "keystone_url" };
        let login = below(&v3(keystone), &["auth", "tokens"]);
        Ok(Self { login, key, identity: Identity::read(admin)?, secret, token: Mutex::default() })
    }

    /// Returns a token that is valid for at least [`BEFORE_EXPIRY`].
    pub(super) async fn token(&self, http: &Client) -> Result<Secret, LookupError> {
        let mut known = self.token.lock().await;
        match &*known {
            Some((token, until)) if Timestamp::now() + BEFORE_EXPIRY < *until => Ok(token.clone()),
            _ => {
                let (token, until) = self.log_in(http).await?;
                *known = Some((token.clone(), until));
                Ok(token)
            }
        }
    }

    /// Discards a refused token.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut known = self.token.lock().await;
        if known.as_ref().is_some_and(|(token, _)| token.matches(refused.expose())) {
            *known = None;
        }
    }

    async fn log_in(&self, http: &Client) -> Result<(Secret, Timestamp), LookupError> {
        let question =
            Question { what: "login at Keystone", at: &self.login, key: self.key, denied: CREDENTIALS };
        let secret = self.secret.read().await.map_err(|why| LookupError::unavailable(&question, why))?;
        let mut login = self.login.clone();
        // The service catalogue is long and not needed: the configuration names the services.
        login.set_query(Some("nocatalog"));
        let auth = json!({ "auth": self.identity.authentication(secret.expose()) });
        let answer = answer::send(&question, http.post(login).json(&auth)).await?;
        if answer.status != StatusCode::CREATED {
            return Err(answer.unexpected(&question));
        }
        let token = answer.headers.get(SUBJECT_TOKEN).and_then(|token| token.to_str().ok());
        let until = answer.body["token"]["expires_at"].as_str().and_then(|at| at.parse().ok());
        match (token, until) {
            (Some(token), Some(until)) => Ok((Secret::new(token), until)),
            _ => Err(LookupError::unavailable(&question, "the answer contains no token")),
        }
    }
}

impl Identity {
    fn read(admin: &CloudAdmin) -> Result<Self, String> {
        match (&admin.application_credential_id, &admin.username, &admin.project) {
            (Some(id), None, None) => Ok(Self::ApplicationCredential(id.clone())),
            (None, Some(name), Some(project)) => Ok(Self::User {
                name: name.clone(),
                domain: admin.user_domain.clone(),
                project: project.clone(),
                project_domain: admin.project_domain.clone(),
            }),
            _ => Err("admin: set application_credential_id, or username and project".to_owned()),
        }
    }

    fn authentication(&self, secret: &str) -> Value {
        match self {
            Self::ApplicationCredential(id) => json!({ "identity": {
                "methods": ["application_credential"],
                "application_credential": { "id": id, "secret": secret },
            } }),
            Self::User { name, domain, project, project_domain } => json!({
                "identity": {
                    "methods": ["password"],
                    "password": { "user": { "name": name, "domain": { "name": domain }, "password": secret } },
                },
                "scope": { "project": { "name": project, "domain": { "name": project_domain } } },
            }),
        }
    }
}

impl SecretSource {
    async fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Environment(secret) => Ok(secret.clone()),
            Self::File(path) => secret_of(path, tokio::fs::read_to_string(path).await),
        }
    }
}

/// Returns the content of the file, without one newline at its end.
fn secret_of(path: &Path, text: io::Result<String>) -> Result<Secret, String> {
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match text.strip_suffix('\n').unwrap_or(&text) {
        "" => Err(format!("{} is empty", path.display())),
        secret => Ok(Secret::new(secret)),
    }
}

/// Returns a token as a header value that is not shown in logs.
pub(super) fn value(token: &Secret) -> Result<HeaderValue, LookupError> {
    let mut value = HeaderValue::from_str(token.expose()).map_err(|_| LookupError::Unknown)?;
    value.set_sensitive(true);
    Ok(value)
}
