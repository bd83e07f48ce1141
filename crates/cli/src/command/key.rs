//! `transom key`

use std::fmt::Display;

use reqwest::Method;
use serde_json::json;
use transom_model::api::{EndedBody, KeyBody, KeySecretBody, TokenBody};

use crate::args::{Common, Key};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, command: Key) -> Result<(), Failure> {
    let client = Client::new(common)?;
    let at = |id: &str, action: &str| format!("/api/v1/keys/{}{action}", escape(id));
    match command {
        Key::Add { project, name, role } => {
            let body = json!({ "project": project, "name": name, "role": role });
            show(common, &client.send(Method::POST, "/api/v1/keys", &body).await?)
        }
        Key::Rotate { id } => {
            show(common, &client.send(Method::POST, &at(&id, "/rotate"), &json!({})).await?)?;
            output::say(format_args!(
                "The old secret stays valid until transom key retire {id}, which also ends the sessions opened with it."
            ));
            Ok(())
        }
        Key::Retire { id } => {
            let done: EndedBody = client.send(Method::POST, &at(&id, "/retire"), &json!({})).await?;
            ended(common, &done, format_args!("retired the older secret of key {id}"))
        }
        Key::Token { id, ttl } => {
            let body = json!({ "ttl_seconds": ttl.0.as_secs() });
            let made: TokenBody = client.send(Method::POST, &at(&id, "/token"), &body).await?;
            if common.json {
                return output::json(&made);
            }
            output::line(&made.token)?;
            output::say(format_args!(
                "valid until {}. To revoke it: transom token revoke {}",
                made.expires_at, made.id
            ));
            Ok(())
        }
        Key::Revoke { id } => {
            let done: EndedBody = client.remove(&at(&id, "")).await?;
            ended(common, &done, format_args!("revoked key {id}"))
        }
        Key::List { project } => {
            let filter = project.map(|project| format!("?project={}", escape(&project))).unwrap_or_default();
            let keys: Vec<KeyBody> = client.list(&format!("/api/v1/keys{filter}")).await?;
            if common.json {
                return output::json(&keys);
            }
            let rows: Vec<_> = keys
                .into_iter()
                .map(|key| {
                    let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
                    let secrets = key.active_secrets.to_string();
                    vec![
                        key.id,
                        key.name,
                        key.role.to_string(),
                        state.to_owned(),
                        secrets,
                        key.project,
                        key.created_at,
                    ]
                })
                .collect();
            let header = ["ID", "NAME", "ROLE", "STATE", "SECRETS", "PROJECT", "CREATED"];
            output::table(
                &header,
                &rows,
                "There are no access keys. To create one: transom key add --project P",
            )
        }
    }
}

fn show(common: &Common, key: &KeySecretBody) -> Result<(), Failure> {
    if common.json {
        return output::json(key);
    }
    output::line(format_args!("id      {}", key.id))?;
    output::line(format_args!("secret  {}", key.secret))?;
    output::line(format_args!("project {}", key.project))?;
    output::say("Save the secret now. It is not shown again.");
    Ok(())
}

/// Reports a change, and the numbers of links and sessions that ended with it.
pub(super) fn ended(common: &Common, done: &EndedBody, what: impl Display) -> Result<(), Failure> {
    let (links, sessions) = (output::counted(done.links, "link"), output::counted(done.sessions, "session"));
    output::done(common.json, done, format_args!("{what}: {links} and {sessions} ended"))
}
