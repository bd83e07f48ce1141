//! `transom audit`

use std::time::Duration;

use transom_model::EndReason;
use transom_model::api::{AuditBody, List};

use crate::args::{Audit, Common};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

/// People who follow want to see it soon; the server does not notice one question a second.
const FOLLOW: Duration = Duration::from_secs(1);

pub(crate) async fn run(common: &Common, command: Audit) -> Result<(), Failure> {
    let client = Client::new(common)?;
    // Who asks for one call wants to know what to do about it.
    let advise = command.request.is_some();
    let mut filter = format!("?limit={}", command.limit);
    for (name, value) in [
        ("project", command.project),
        ("grant", command.grant.map(|id| id.to_string())),
        ("session", command.session.map(|id| id.to_string())),
        ("request", command.request),
        ("source", command.source.map(|source| source.to_string())),
    ] {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", escape(&value)));
        }
    }
    let mut list: List<AuditBody> = client.read(&format!("/api/v1/audit{filter}")).await?;
    if !command.follow {
        return if common.json { output::json(&list.items) } else { show_all(&list.items, advise) };
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

fn show_all(records: &[AuditBody], advise: bool) -> Result<(), Failure> {
    if records.is_empty() {
        output::say("Nothing is on record.");
    }
    for record in records {
        show(record)?;
        if advise && let Ok(reason) = record.outcome.parse::<EndReason>() {
            output::say(reason.sentence());
            output::say(reason.remedy().unwrap_or(reason.next_step()));
        }
    }
    Ok(())
}

fn show(record: &AuditBody) -> Result<(), Failure> {
    let mut line = format!(
        "{} {:<8} {} {} {} by {}",
        record.at, record.dialect, record.action, record.target, record.outcome, record.actor
    );
    for (name, value) in [
        ("grant", &record.grant),
        ("session", &record.session),
        ("request", &record.request_id),
        ("source", &record.source),
        ("detail", &record.detail),
        // Anybody's own words, and so last: nothing of them reads as another member.
        ("user_agent", &record.user_agent),
    ] {
        if let Some(value) = value {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    output::line(line)
}
