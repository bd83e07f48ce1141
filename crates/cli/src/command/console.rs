//! `transom console`

use reqwest::Method;
use serde_json::{Map, Value};
use transom_config::HumanDuration;
use transom_model::api::ConsoleBody;

use crate::args::{Common, Console};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::{browser, output};

pub(crate) async fn run(common: &Common, command: Console) -> Result<(), Failure> {
    let client = Client::new(common)?;
    let Console { id, project, kind, view_only, ttl, uses, ends_after, open } = command;
    let mut body = Map::new();
    body.insert("kind".into(), kind.as_str().into());
    body.insert("view_only".into(), view_only.into());
    // A fraction of a second counts as a whole one.
    let seconds = |span: HumanDuration| Value::from(span.0.as_millis().div_ceil(1000) as u64);
    if let Some(ttl) = ttl {
        body.insert("ttl_seconds".into(), seconds(ttl));
    }
    if let Some(end) = ends_after {
        body.insert("ends_after_seconds".into(), seconds(end));
    }
    if let Some(uses) = uses {
        body.insert("uses".into(), uses.into());
    }
    let path = format!("/api/v1/projects/{}/instances/{}/console", escape(&project), escape(id.as_str()));
    let console: ConsoleBody = client.send(Method::POST, &path, &Value::Object(body)).await?;
    if common.json {
        output::json(&console)?;
    } else {
        output::line(&console.url)?;
        let ends = console.ends_at.map(|at| format!(", and its sessions end at {at}"));
        let ends = ends.unwrap_or_default();
        output::say(format_args!("opens until {}{ends} (link {})", console.expires_at, console.link));
    }
    if open && !browser::open(&console.url) {
        output::say("No browser was found. Copy the URL.");
    }
    Ok(())
}
