//! `[openstack]`: the OpenStack and Rackspace front door, and an existing cloud behind it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use transom_model::api_token::MAX_TOKEN_TTL;
use transom_model::endpoint::EndpointPolicy;
use url::Url;

use crate::duration::HumanDuration;
use crate::http::TlsFiles;
use crate::web;

/// The OpenStack and Rackspace front door.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Openstack {
    /// The region that the catalogue names.
    pub region: String,
    /// The lifetime of a token of the identity service.
    pub token_ttl: HumanDuration,
    /// The form of `novnc` URLs.
    pub novnc: NovncForm,
    /// The base of `xvpvnc` URLs, for a Java viewer whose `CONNECT` requests need a route of their
    /// own. `None` to use the base of all other console URLs.
    #[serde(deserialize_with = "web::service")]
    pub xvpvnc_url: Option<Url>,
    /// The existing cloud's Nova, which knows the console tokens that Transom did not issue, such
    /// as `https://nova.example.com:8774/v2.1`.
    #[serde(deserialize_with = "web::service")]
    pub nova_url: Option<Url>,
    /// The addresses that the consoles of that Nova may have; empty by default.
    #[serde(deserialize_with = "networks")]
    pub nova_targets: EndpointPolicy,
    /// The TLS settings for those consoles' VNC servers. `None` if they require neither TLS nor a
    /// password.
    pub nova_vencrypt: Option<Vencrypt>,
    /// The Transom project that those consoles belong to. The server creates it if it does not
    /// exist.
    pub nova_project: String,
    /// The existing cloud's Keystone, which validates the tokens that Transom did not issue, such
    /// as `https://keystone.example.com:5000/v3`.
    #[serde(deserialize_with = "web::service")]
    pub keystone_url: Option<Url>,
    /// The id of the only domain of that Keystone whose projects callers can refer to by name.
    pub keystone_domain: String,
    /// The server's login at that Keystone.
    pub admin: CloudAdmin,
}

impl Default for Openstack {
    fn default() -> Self {
        Self {
            region: "RegionOne".to_owned(),
            token_ttl: HumanDuration(Duration::from_secs(3600)),
            novnc: NovncForm::Path,
            xvpvnc_url: None,
            nova_url: None,
            nova_targets: EndpointPolicy::default(),
            nova_vencrypt: None,
            nova_project: "nova".to_owned(),
            keystone_url: None,
            keystone_domain: "default".to_owned(),
            admin: CloudAdmin::default(),
        }
    }
}

impl Openstack {
    pub(crate) fn check(&self) -> Result<(), String> {
        let ttl = self.token_ttl.0;
        if ttl.is_zero() || ttl > MAX_TOKEN_TTL {
            return Err("openstack.token_ttl: must be more than 0 and at most 30d".to_owned());
        }
        if self.nova_url.is_none() {
            let alone = "has no effect without nova_url, whose consoles it describes";
            if !self.nova_targets.allow.is_empty() {
                return Err(format!("openstack.nova_targets: {alone}"));
            }
            if self.nova_vencrypt.is_some() {
                return Err(format!("openstack.nova_vencrypt: {alone}"));
            }
        }
        Ok(())
    }
}

/// VeNCrypt X509 with the existing cloud's VNC servers, like `[vnc] vencrypt_…` of Nova's own
/// gateway.
///
/// The files are PEM. The server reads them at every connection, so a renewed certificate needs no
/// restart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vencrypt {
    /// The CA certificates for the VNC servers, whose certificates must contain the name or address
    /// that Nova returns.
    pub ca: PathBuf,
    /// The certificate chain that the gateway presents, and its key. `None` to present no
    /// certificate.
    pub client: Option<TlsFiles>,
}

/// An administrator of the existing cloud: an application credential, or a user with a password.
/// The secret itself is in `secret_file`, or in the environment variable
/// `TRANSOM_OPENSTACK_SECRET`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudAdmin {
    /// The Keystone to log in at; `None` for `keystone_url`.
    #[serde(deserialize_with = "web::service")]
    pub auth_url: Option<Url>,
    /// The application credential's id.
    pub application_credential_id: Option<String>,
    /// The user name, if there is no application credential.
    pub username: Option<String>,
    /// The name of the user's domain.
    pub user_domain: String,
    /// The project in which that user is an administrator, by name.
    pub project: Option<String>,
    /// The name of that project's domain.
    pub project_domain: String,
    /// The file that holds the secret or the password. The server reads it at every login and
    /// strips one newline at its end.
    pub secret_file: Option<PathBuf>,
    /// PEM certificates of CAs that are trusted for this login, in addition to the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for CloudAdmin {
    fn default() -> Self {
        Self {
            auth_url: None,
            application_credential_id: None,
            username: None,
            user_domain: "Default".to_owned(),
            project: None,
            project_domain: "Default".to_owned(),
            secret_file: None,
            ca_file: None,
        }
    }
}

/// The two forms of `novnc` URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NovncForm {
    /// `vnc_auto.html?path=%3Ftoken%3D…`, for noVNC 1.1 and newer.
    Path,
    /// `vnc_auto.html?token=…`, for older versions.
    Token,
}

/// Reads a list of networks with ports, without unix sockets.
fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<EndpointPolicy, D::Error> {
    Ok(EndpointPolicy { allow: Vec::deserialize(deserializer)?, allow_unix: Vec::new() })
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn an_existing_cloud_is_described_by_its_urls_its_networks_and_who_we_are_there() {
        let config = Config::parse(
            "[openstack]\nnova_url = \"https://nova.example:8774/v2.1\"\n\
             nova_targets = [\"10.20.0.0/16:5900-5999\"]\n\
             [openstack.admin]\nauth_url = \"https://keystone.example:5000/v3\"\n\
             application_credential_id = \"7c8b\"\nsecret_file = \"/etc/transom/openstack.secret\"",
        )
        .expect("configuration");
        let openstack = config.openstack;
        assert!(openstack.nova_targets.allows_address([10, 20, 1, 2].into(), 5901));
        assert!(!openstack.nova_targets.allows_address([10, 21, 1, 2].into(), 5901));
        assert_eq!(openstack.admin.user_domain, "Default");
        let error = Config::parse("[openstack]\nnova_targets = [\"10.20\"]").expect_err("no network");
        assert!(error.starts_with("openstack.nova_targets"), "{error}");
    }
}
