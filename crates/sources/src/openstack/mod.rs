//! An existing OpenStack cloud that we stand in front of: what its Nova and its Keystone say of tokens that are not ours.
//!
//! ```text
//! nova      GET …/os-console-auth-tokens/{token}     where a console is
//! keystone  GET …/auth/tokens                        whose token it is
//! admin     POST …/auth/tokens                       our own token for both
//! ```
//! What they answer is used once and never kept: a token may be revoked, and a console may move, at any moment.

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
pub use answer::Fault;
use answer::{Answer, Question};
pub use keystone::Guest;
pub use nova::Located;
use transom_config::Openstack;
use url::Url;
use urls::v3;

/// The cloud is near: a connection stands in milliseconds, or not at all.
const CONNECT: Duration = Duration::from_secs(3);
/// For all that a lookup needs. Nova asks its database in one cell after the other; a viewer waits meanwhile.
const ANSWER: Duration = Duration::from_secs(8);
/// What a lookup that is denied wants.
const ADMINISTRATOR: &str = "the login of [openstack.admin] must be an administrator's there";
/// How many lookups may be on their way: a slow cloud must not hold up everybody who shows a token.
const AT_ONCE: usize = 64;

/// The existing cloud.
pub struct Upstream {
    http: Client,
    admin: Admin,
    nova: Option<Url>,
    keystone: Option<Url>,
    places: Semaphore,
}

impl Upstream {
    /// The cloud of the configuration; none where it names none. An error says what is missing.
    pub fn new(config: &Openstack) -> Result<Option<Self>, String> {
        if config.nova_url.is_none() && config.keystone_url.is_none() {
            return Ok(None);
        }
        let mut http = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // Our token goes where the configuration says, and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &config.admin.ca_file {
            let wrong = |error: &dyn std::fmt::Display| format!("admin.ca_file: {}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
            let certificates = trust::certificates(&pem).map_err(|error| wrong(&error))?;
            let named = NamedCertificates::new(certificates).map_err(|error| wrong(&error))?;
            // What this machine trusts may stand before one of the two services.
            let machine = Verifier::new(transom_net::provider()).map_err(|error| wrong(&error))?;
            let tls = trust::client_config(named.beside(Arc::new(machine))).map_err(|error| wrong(&error))?;
            http = http.tls_backend_preconfigured(tls);
        }
        Ok(Some(Self {
            http: http.build().map_err(|error| error.to_string())?,
            admin: Admin::new(config)?,
            nova: config.nova_url.clone(),
            keystone: config.keystone_url.as_ref().map(v3),
            places: Semaphore::new(AT_ONCE),
        }))
    }

    /// Asks as the administrator; where our token is refused, with a new one, once. Whatever it waits for, it has an answer
    /// in time.
    async fn ask(
        &self,
        question: &Question<'_>,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, Fault> {
        let answer = tokio::time::timeout(ANSWER, self.ask_patiently(question, request)).await;
        answer.unwrap_or_else(|_| Err(Fault::unavailable(question, "no answer in time")))
    }

    async fn ask_patiently(
        &self,
        question: &Question<'_>,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, Fault> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|closed| Fault::unavailable(question, closed))?;
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
