//! `transom link`

use std::path::Path;

use reqwest::{Method, Url};
use serde_json::json;
use transom_model::EndReason;
use transom_model::api::{LinkBody, LinkReportBody, LinkUseBody, OriginBody};
use transom_model::id::GrantId;
use transom_model::secret::TokenDigest;

use super::columns::{by, bytes};
use super::{file, project};
use crate::args::{Common, Link};
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

/// The length of the shortest token: a UUID, with 122 random bits, takes at least 22 characters.
const SHORTEST_TOKEN: usize = 22;

pub(crate) async fn run(common: &Common, command: Link) -> Result<(), Failure> {
    match command {
        Link::Show { link } => {
            let path = format!("/api/v1/links/{}/report", reference(&link)?);
            tell(common, &Client::new(common)?.read(&path).await?)
        }
        Link::Revoke { link } => {
            let path = format!("/api/v1/links/{}/revoke", reference(&link)?);
            tell(common, &Client::new(common)?.send(Method::POST, &path, &json!({})).await?)
        }
        Link::List { all } => list(common, &Client::new(common)?, all).await,
    }
}

async fn list(common: &Common, client: &Client, all: bool) -> Result<(), Failure> {
    let links: Vec<LinkBody> = client.list(&format!("/api/v1/links?live={}", !all)).await?;
    if common.json {
        return output::json(&links);
    }
    let names = if links.is_empty() { project::Names::default() } else { project::names(client).await? };
    let rows: Vec<_> = links
        .iter()
        .map(|link| {
            vec![
                link.id.clone(),
                names.of(&link.project),
                link.instance.clone(),
                state(link),
                link.rights.to_string(),
                uses(link),
                link.expires_at.clone(),
                link.kind.to_string(),
                link.dialect.to_string(),
                by(link.key.as_ref()),
            ]
        })
        .collect();
    let header = [
        "ID",
        "PROJECT",
        "INSTANCE",
        "STATE",
        "RIGHTS",
        "USES LEFT",
        "EXPIRES",
        "KIND",
        "DIALECT",
        "MADE BY",
    ];
    let empty = match all {
        true => "There are no links.",
        false => "No link can open a session or has one open. To list all links: transom link list --all",
    };
    output::table(&header, &rows, empty)
}

fn uses(link: &LinkBody) -> String {
    match (link.uses_left, link.uses) {
        (Some(left), Some(uses)) => format!("{left}/{uses}"),
        _ => "unlimited".to_owned(),
    }
}

/// Returns the state of a link: whether it opens or why it does not, and whether it is in use.
fn state(link: &LinkBody) -> String {
    let reason = link.refusal.as_ref().map(|code| code.parse::<EndReason>());
    let word = match reason {
        _ if link.revoked_at.is_some() => "revoked",
        None => "opens",
        Some(Ok(EndReason::TokenSpent)) => "used up",
        Some(Ok(EndReason::TokenExpired | EndReason::LinkEnded)) => "expired",
        Some(Ok(EndReason::InstanceRemoved)) => "instance removed",
        // A reason that only later servers know.
        Some(_) => link.refusal.as_deref().unwrap_or_default(),
    };
    if link.open_sessions == 0 { word.to_owned() } else { format!("{word}, in use") }
}

/// Returns the reference for the API: the link's id, or the digest of its token. The token itself
/// is not sent.
fn reference(text: &str) -> Result<String, Failure> {
    let read = if text == "-" { file::read(Path::new("-"))? } else { text.to_owned() };
    let text = read.trim().trim_matches(['<', '>', '"', '\'']);
    // Ids are UUIDs of version 7, which rise with time. Tokens that are UUIDs are random ones.
    if let Ok(id) = text.parse::<GrantId>()
        && text.as_bytes().get(14) == Some(&b'7')
    {
        return Ok(id.to_string());
    }
    let token = token_in(text).ok_or_else(|| {
        Failure::theirs("this is neither a console URL with a token, nor a token, nor a link's id")
            .with_next_step("Copy the whole URL, up to its last character, or see transom link list --all.")
    })?;
    let digest: String = TokenDigest::of(&token).0.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{digest}"))
}

/// Returns the token of a console URL in every form that Transom has issued: in the fragment, in
/// the query, or in the query of noVNC's path. Also accepts a bare token.
fn token_in(text: &str) -> Option<String> {
    for part in text.split(['#', '?']).skip(1) {
        let pairs = Url::parse(&format!("http://localhost/?{part}")).ok()?;
        for (name, value) in pairs.query_pairs() {
            match name.as_ref() {
                "token" if !value.is_empty() => return Some(value.into_owned()),
                "path" if value.contains('?') => return token_in(&value),
                _ => {}
            }
        }
    }
    let is_token = |text: &str| {
        text.len() >= SHORTEST_TOKEN
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    is_token(text).then(|| text.to_owned())
}

fn tell(common: &Common, report: &LinkReportBody) -> Result<(), Failure> {
    if common.json {
        return output::json(report);
    }
    let link = &report.link;
    output::line(format_args!("link      {}", link.id))?;
    output::line(format_args!("instance  {}", link.instance))?;
    output::line(format_args!(
        "created   {} by {} ({})",
        link.created_at,
        by(link.key.as_ref()),
        link.dialect
    ))?;
    output::line(format_args!("rights    {}", link.rights))?;
    output::line(format_args!("opens     until {}, uses left {}", link.expires_at, uses(link)))?;
    if let Some(at) = &link.ends_at {
        output::line(format_args!("ends      {at}"))?;
    }
    if let Some(at) = &link.revoked_at {
        output::line(format_args!("revoked   {at}"))?;
    }
    let rows: Vec<_> = report.uses.iter().flat_map(rows).collect();
    let header = ["SESSION", "SINCE", "SECONDS", "TO VIEWER", "TO INSTANCE", "STATE", "", "FROM", "PROGRAM"];
    output::table(&header, &rows, "It was never used.")
}

/// Returns the rows of a session: the first with its latest origin, and one for each earlier
/// origin.
fn rows(used: &LinkUseBody) -> Vec<Vec<String>> {
    let session = &used.session;
    let state = session.end_reason.clone().unwrap_or_else(|| session.state.as_str().to_owned());
    let mut row = vec![
        session.id.clone(),
        session.created_at.clone(),
        used.duration_seconds.to_string(),
        bytes(session, session.bytes_to_viewer),
        bytes(session, session.bytes_to_instance),
        state,
        if used.ended_now { "ended now".to_owned() } else { String::new() },
    ];
    let mut origins = used.origins.iter().flatten().rev();
    let Some(last) = origins.next() else {
        row.extend([session.viewer.clone(), String::new()]);
        return vec![row];
    };
    let blank = vec![String::new(); row.len()];
    row.extend(words(last));
    let others = origins.map(|origin| blank.iter().cloned().chain(words(origin)).collect());
    std::iter::once(row).chain(others).collect()
}

fn words(origin: &OriginBody) -> [String; 2] {
    [origin.source.clone(), origin.user_agent.clone().unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_every_form_of_a_console_url() {
        let token = "mVJmZ0c1Xy7RkS2b_Ld-9QwErTyUiOp";
        for url in [
            format!("https://console.example.com/console#token={token}"),
            format!("https://console.example.com/console?token={token}"),
            format!("https://console.example.com/console?a=b&token={token}&c=d"),
            format!("wss://console.example.com/websockify?token={token}"),
            format!("https://console.example.com/vnc_auto.html?path=%3Ftoken%3D{token}"),
            format!("https://console.example.com/vnc_lite.html?path=?token={token}"),
            format!("https://console.example.com/vnc.html?autoconnect=1&path=websockify%3Ftoken%3D{token}"),
            format!("console.example.com/console#token={token}"),
            token.to_owned(),
        ] {
            assert_eq!(token_in(&url).as_deref(), Some(token), "{url}");
        }
        for none in ["", "https://console.example.com/console", "short", "https://x/console#token="] {
            assert_eq!(token_in(none), None, "{none}");
        }
    }

    #[test]
    fn an_id_is_told_from_a_token_that_is_a_uuid() {
        let id = "019a3f6e-8c1d-7b7e-9c1f-2f3a4b5c6d7e";
        assert_eq!(reference(id).ok().as_deref(), Some(id));
        let token = "3f2b8c1d-5a7e-4c1f-9f3a-4b5c6d7e8f90";
        assert!(reference(token).is_ok_and(|digest| digest.starts_with("sha256:") && digest.len() == 71));
    }
}
