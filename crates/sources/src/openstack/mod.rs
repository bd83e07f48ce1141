//! An existing OpenStack cloud behind Transom: the tokens that its Nova and its Keystone issued.
//!
//! ```text
//! nova      GET …/os-console-auth-tokens/{token}     the location of a console
//! keystone  GET …/auth/tokens                        the user and project of a token
//! admin     POST …/auth/tokens                       Transom's own token for both
//! ```
//! Each answer is used once and not cached: a token may be revoked, and a console may move, at any
//! moment.

mod admin;
mod answer;
mod keystone;
mod nova;
mod urls;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, RequestBuilder, redirect};
use rustls_platform_verifier::Verifier;
use tokio::sync::Semaphore;
use transom_tunnel::trust::{self, NamedCertificates};

use admin::Admin;
pub use answer::LookupError;
use answer::{Answer, Question};
pub use keystone::Guest;
pub use nova::Located;
use transom_config::Openstack;
use url::Url;
use urls::v3;

/// The time limit of a connection. The cloud is near, so a connection takes milliseconds or fails.
const CONNECT: Duration = Duration::from_secs(3);
/// The time limit of a whole lookup. Nova asks the database of one cell after the other, while a
/// viewer waits.
const ANSWER: Duration = Duration::from_secs(8);
/// The hint for a lookup that is denied.
const ADMINISTRATOR: &str = "the login in [openstack.admin] must belong to an administrator";
/// The maximum number of concurrent lookups. A slow cloud must not delay every caller with a token.
const AT_ONCE: usize = 64;

/// The existing cloud.
pub struct Upstream {
    http: Client,
    admin: Admin,
    nova: Option<Url>,
    keystone: Option<Url>,
    slots: Semaphore,
}

impl Upstream {
    /// Creates the client of the configured cloud. Returns `None` if the configuration names no
    /// service. The error says what is missing.
    pub fn new(config: &Openstack) -> Result<Option<Self>, String> {
        if config.nova_url.is_none() && config.keystone_url.is_none() {
            return Ok(None);
        }
        let mut http = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // Transom's token is sent only to the URLs in the configuration.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &config.admin.ca_file {
            let wrong = |error: &dyn std::fmt::Display| format!("admin.ca_file: {}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
            let certificates = trust::certificates(&pem).map_err(|error| wrong(&error))?;
            let named = NamedCertificates::new(certificates).map_err(|error| wrong(&error))?;
            // One of the two services may have a certificate that this machine already trusts.
            let machine = Verifier::new(transom_net::provider()).map_err(|error| wrong(&error))?;
            let tls = trust::client_config(named.beside(Arc::new(machine))).map_err(|error| wrong(&error))?;
            http = http.tls_backend_preconfigured(tls);
        }
        Ok(Some(Self {
            http: http.build().map_err(|error| error.to_string())?,
            admin: Admin::new(config)?,
            nova: config.nova_url.clone(),
            keystone: config.keystone_url.as_ref().map(v3),
            slots: Semaphore::new(AT_ONCE),
        }))
    }

    /// Sends a request with Transom's own token. If the cloud refuses the token, sends the request
    /// once more with a new one. The time limit covers both attempts.
    async fn ask(
        &self,
        question: &Question<'_>,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, LookupError> {
        let answer = tokio::time::timeout(ANSWER, self.ask_patiently(question, request)).await;
        answer.unwrap_or_else(|_| Err(LookupError::unavailable(question, "no answer in time")))
    }

    async fn ask_patiently(
        &self,
        question: &Question<'_>,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, LookupError> {
        let slot = self.slots.acquire().await;
        let _slot = slot.map_err(|closed| LookupError::unavailable(question, closed))?;
        let token = self.admin.token(&self.http).await?;
        let first =
            answer::send(question, request(&self.http).header(admin::AUTH_TOKEN, admin::value(&token)?))
                .await?;
        if first.status != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        self.admin.forget(&token).await;
        let token = self.admin.token(&self.http).await?;
        answer::send(question, request(&self.http).header(admin::AUTH_TOKEN, admin::value(&token)?)).await
    }
}
