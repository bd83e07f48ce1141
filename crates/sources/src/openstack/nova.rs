//! Resolves console tokens that the existing Nova issued.

use http::StatusCode;
use transom_model::id::InstanceId;
use transom_model::secret::Secret;

use super::answer::{LookupError, Question};
use super::urls::below;
use super::{ADMINISTRATOR, Upstream};

/// The first microversion that covers every type of console.
const MICROVERSION: &str = "2.31";
/// The longest access path. XenServer's paths hold two references, and this is many times their
/// length.
const MAX_PATH: usize = 2048;

/// The location of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The machine's id.
    pub instance: InstanceId,
    /// The name or address of the host.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The path to request there by `CONNECT` before RFB. `None` if there is none.
    pub access_path: Option<String>,
}

impl Upstream {
    /// Tells whether Nova could have made this token: a UUID, as text.
    pub fn resolves(&self, token: &str) -> bool {
        self.nova.is_some() && token.len() == 36 && uuid::Uuid::try_parse(token).is_ok()
    }

    /// Asks Nova for the location of the console behind a token.
    pub async fn locate(&self, token: &Secret) -> Result<Located, LookupError> {
        let Some(nova) = self.nova.as_ref().filter(|_| self.resolves(token.expose())) else {
            return Err(LookupError::Unknown);
        };
        let what = "lookup of a console token at Nova";
        let question = Question { what, at: nova, key: "nova_url", denied: ADMINISTRATOR };
        let url = below(nova, &["os-console-auth-tokens", token.expose()]);
        let answer = self
            .ask(&question, |http| {
                let request = http.get(url.clone());
                let request = request.header("openstack-api-version", format!("compute {MICROVERSION}"));
                request.header("x-openstack-nova-api-version", MICROVERSION)
            })
            .await?;
        match answer.status {
            StatusCode::OK => located(&answer.body["console"])
                .ok_or_else(|| LookupError::unavailable(&question, "the answer is not what Nova documents")),
            // A 404 without `itemNotFound` comes from a service other than Nova, so the URL is
            // wrong.
            StatusCode::NOT_FOUND if answer.body.get("itemNotFound").is_some() => Err(LookupError::Unknown),
            _ => Err(answer.unexpected(&question)),
        }
    }
}

fn located(console: &serde_json::Value) -> Option<Located> {
    let port = &console["port"];
    let port = port.as_u64().or_else(|| port.as_str()?.parse().ok())?;
    let access_path = match &console["internal_access_path"] {
        serde_json::Value::Null => None,
        path => Some(path.as_str()?).filter(|path| !path.is_empty()),
    };
    // The path becomes part of a request line, so it must not be able to end that line.
    if access_path
        .is_some_and(|path| path.len() > MAX_PATH || !path.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return None;
    }
    Some(Located {
        instance: console["instance_uuid"].as_str()?.parse().ok()?,
        host: console["host"].as_str()?.to_owned(),
        port: u16::try_from(port).ok().filter(|port| *port != 0)?,
        access_path: access_path.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_an_answer_as_nova_documents_it_is_a_place() {
        let console = |port, path| json!({"instance_uuid": "7c8b", "host": "10.0.0.1", "port": port, "internal_access_path": path});
        let place = located(&console(json!(5900), json!(null))).expect("a place");
        assert_eq!((place.host.as_str(), place.port, place.access_path), ("10.0.0.1", 5900, None));
        assert_eq!(located(&console(json!("5901"), json!(""))).expect("a place").port, 5901);
        let path = "/console?ref=OpaqueRef:1&session_id=OpaqueRef:2";
        let place = located(&console(json!(80), json!(path))).expect("a place");
        assert_eq!(place.access_path.as_deref(), Some(path));
        for (port, path) in [
            (json!(0), json!(null)),
            (json!(65536), json!(null)),
            (json!(null), json!(null)),
            (json!(5900), json!("/x HTTP/1.1\r\nHost: evil")),
            (json!(5900), json!(7)),
            (json!(5900), json!("/".repeat(3000))),
        ] {
            assert_eq!(located(&console(port.clone(), path.clone())), None, "{port} {path}");
        }
        assert_eq!(located(&json!({})), None);
    }
}
