//! `transom instance import`

mod json;
mod list;
mod row;
mod table;

use std::io::{self, IsTerminal as _};
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use transom_model::api::{ImportBody, WrongRowBody};
use transom_model::id::InstanceId;

use crate::args::{Common, Import};
use crate::client::{Client, escape};
use crate::failure::{Document, Failure};
use crate::output;
use list::List;

pub(super) async fn run(common: &Common, client: &Client, arguments: &Import) -> Result<(), Failure> {
    output::progress(format_args!("reading {}", arguments.file.display()));
    let list = List::of(&arguments.file);
    output::progress_done();
    let call = Call { client, arguments, list: list? };
    if arguments.prune && !arguments.yes && !arguments.dry_run {
        call.confirm().await?;
    }
    let effect = call.send(arguments.dry_run).await?;
    if common.json {
        return output::json(&effect);
    }
    if arguments.dry_run {
        tell_changes(&effect)?;
        output::say(format_args!("The import would report: {}. Nothing was changed.", summary(&effect)));
        return Ok(());
    }
    if arguments.yes {
        tell_all("removed", &effect.removed);
    }
    output::say(summary(&effect));
    Ok(())
}

/// The import of one list.
struct Call<'a> {
    client: &'a Client,
    arguments: &'a Import,
    list: List,
}

impl Call<'_> {
    async fn send(&self, dry_run: bool) -> Result<ImportBody, Failure> {
        let Import { project, name, prune, .. } = self.arguments;
        let instances: Vec<_> = self.list.rows.iter().map(|row| &row.body).collect();
        output::progress(format_args!(
            "{} {} instances",
            if dry_run { "comparing" } else { "importing" },
            instances.len()
        ));
        let body = json!({ "instances": instances, "name": name, "prune": prune, "dry_run": dry_run });
        let path = format!("/api/v1/projects/{}/import", escape(project));
        let answer = self.client.send(Method::POST, &path, &body).await;
        output::progress_done();
        answer.map_err(|failure| self.located(failure))
    }

    /// Prints the wrong rows that the server names.
    fn located(&self, failure: Failure) -> Failure {
        let Document::Error(error) = &failure.document else { return failure };
        let rows = error.get("rows").cloned().unwrap_or_default();
        let wrong: Vec<WrongRowBody> = serde_json::from_value(rows).unwrap_or_default();
        self.list.tell_wrong(&wrong);
        if error.get("code") == Some(&Value::from("too-large")) {
            return failure.with_next_step(
                "An import may have 8 MiB. Split the file, and give each part its own --name.",
            );
        }
        failure
    }

    /// Shows the instances that the import would remove, and asks.
    async fn confirm(&self) -> Result<(), Failure> {
        let planned = self.send(true).await?;
        tell_all("remove", &planned.removed);
        let count = planned.removed.len();
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !is_terminal || self.arguments.file == Path::new("-") {
            return Err(Failure::theirs("--prune cannot ask without a terminal, so nothing was changed")
                .with_next_step(
                    "To remove these instances without a question, add --yes. To see the changes: --dry-run.",
                ));
        }
        if count == 0 {
            return Ok(());
        }
        let what = match count {
            1 => "1 instance and end its consoles".to_owned(),
            _ => format!("{count} instances and end their consoles"),
        };
        output::say(format_args!("Remove {what}? yes or no:"));
        let read = || {
            let mut answer = String::new();
            // If standard input has ended, the answer is no.
            let _ = io::stdin().read_line(&mut answer);
            answer.trim() == "yes"
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(true) => Ok(()),
            _ => Err(Failure::theirs("the answer was not yes, so nothing was changed")),
        }
    }
}

fn tell_all(word: &str, ids: &[InstanceId]) {
    for id in ids {
        output::say(format_args!("{word} {id}"));
    }
}

/// Prints each change of a dry run on stdout.
fn tell_changes(effect: &ImportBody) -> Result<(), Failure> {
    for id in &effect.added {
        output::line(format_args!("add {id}"))?;
    }
    for id in &effect.changed {
        let detail = effect.details.get(id.as_str()).map(|detail| format!(": {detail}"));
        output::line(format_args!("change {id}{}", detail.unwrap_or_default()))?;
    }
    for id in &effect.removed {
        output::line(format_args!("remove {id}"))?;
    }
    Ok(())
}

/// Returns the counts, such as `12 added, 3 changed, 285 unchanged`.
fn summary(effect: &ImportBody) -> String {
    let counts = &effect.counts;
    let all = [
        (counts.added, "added"),
        (counts.changed, "changed"),
        (counts.unchanged, "unchanged"),
        (counts.removed, "removed"),
    ];
    let told = all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    told.collect::<Vec<_>>().join(", ")
}
