//! `transom audit`

use std::time::Duration;

use transom_model::EndReason;
use transom_model::api::{AuditBody, List};
use transom_model::id::RequestId;

use crate::args::{Audit, Common};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

/// The pause between queries while following. New records should appear soon, and one query a
/// second costs the server next to nothing.
const FOLLOW: Duration = Duration::from_secs(1);

pub(crate) async fn run(common: &Common, command: Audit) -> Result<(), Failure> {
    let client = Client::new(common)?;
    let request = command.request.map(|id| id.to_string());
    let mut filter = format!("?limit={}", command.limit);
    for (name, value) in [
        ("project", command.project),
        ("link", command.link.map(|id| id.to_string())),
        ("session", command.session.map(|id| id.to_string())),
        ("request", request.clone()),
        ("source", command.source.map(|source| source.to_string())),
    ] {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", escape(&value)));
        }
    }
    let mut list: List<AuditBody> = client.read(&format!("/api/v1/audit{filter}")).await?;
    if !command.follow {
        return if common.json {
            output::json(&list.items)
        } else {
            show_all(&list.items, request.as_deref())
        };
    }
    let mut after = 0;
    loop {
        for record in &list.items {
            if common.json {
                output::json_line(record)?
            } else {
                show(record)?
            }
            after = record.seq;
        }
        if list.items.is_empty() {
            tokio::time::sleep(FOLLOW).await;
        }
        list = client.read(&format!("/api/v1/audit{filter}&after={after}")).await?;
    }
}

/// Prints the records. If a request has none, tells where else to look.
fn show_all(records: &[AuditBody], request: Option<&str>) -> Result<(), Failure> {
    match request {
        _ if !records.is_empty() => {}
        Some(id) => {
            output::say(format_args!("There is no audit entry. Search the server's log for {id}"));
        }
        None => output::say("No events were found."),
    }
    for record in records {
        show(record)?;
        if request.is_some()
            && let Ok(reason) = record.outcome.parse::<EndReason>()
        {
            output::say(reason.sentence());
            output::say(reason.remedy().unwrap_or_else(|| reason.next_step()));
        }
    }
    Ok(())
}

/// The longest line, unless a single member is longer.
const WIDTH: usize = 120;
const INDENT: &str = "    ";

/// Prints one record: its event on the first line, and its details below.
fn show(record: &AuditBody) -> Result<(), Failure> {
    let mut line = format!(
        "{} {:<8} {} {} {} by {}",
        record.at, record.dialect, record.action, record.target, record.outcome, record.actor
    );
    // The short form, by which a request can be found as well.
    let request = record.request_id.as_deref().and_then(|id| id.parse::<RequestId>().ok());
    let request = request.map(|id| id.short().to_owned());
    for (name, value) in [
        ("source", &record.source),
        ("request", &request),
        ("link", &record.link),
        ("session", &record.session),
        ("detail", &record.detail),
        // A client chooses this text freely, so it comes last: no part of it can pass for another
        // member.
        ("user_agent", &record.user_agent),
    ] {
        let Some(value) = value else { continue };
        let member = format!("{name}={}", value.replace(['\n', '\t'], " "));
        if line.chars().count() + 1 + member.chars().count() > WIDTH {
            output::line(std::mem::replace(&mut line, format!("{INDENT}{member}")))?;
        } else {
            line.push(' ');
            line.push_str(&member);
        }
    }
    output::line(line)
}
