//! `transom migrate`

use std::time::Instant;

use serde_json::json;
use transom_config::Config;
use transom_server::StartError;
use transom_server::data::DataError;
use transom_server::migration::{self, SchemaPlan};

use super::serve::start_log;
use crate::args::{Common, Migrate};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, migrate: Migrate) -> Result<(), Failure> {
    start_log("warn");
    // The user has to know of settings that the server would refuse before stopping it for an
    // update.
    let config = migrate.config.as_deref().map(Config::read).transpose().map_err(Failure::theirs)?;
    migrate.master_key.read()?;
    let database = migrate.database.url()?;
    if migrate.check {
        let lacks = migration::lacks(&common.data, database.as_deref(), &config.unwrap_or_default());
        if !lacks.is_empty() {
            return Err(incomplete(&lacks));
        }
    }
    let examined = migration::examine(&common.data, database.as_deref()).await;
    let (place, plan) = examined.map_err(stopped)?;
    if migrate.check {
        if common.json {
            return output::json(&document(&place.to_string(), &plan));
        }
        output::line(format_args!("{place}: {}", sentence(&plan)))?;
        return Ok(());
    }
    if !plan.adds.is_empty() {
        output::say(format_args!("{place}: {}", sentence(&plan)));
    }
    let began = Instant::now();
    migration::apply(&common.data, database.as_deref()).await.map_err(stopped)?;
    let (_, done) = migration::examine(&common.data, database.as_deref()).await.map_err(stopped)?;
    output::say(format_args!("Done in {:.1} s.", began.elapsed().as_secs_f64()));
    if common.json { output::json(&document(&place.to_string(), &done)) } else { Ok(()) }
}

/// Reports settings with which a server would not start.
fn incomplete(lacks: &[String]) -> Failure {
    for lack in lacks {
        output::say(format_args!("transom: {lack}"));
    }
    let failure = Failure::theirs("a server with these settings does not start; nothing was changed");
    failure.with_detail(json!({ "message": "a server with these settings does not start", "lacks": lacks }))
}

fn stopped(error: StartError) -> Failure {
    match error {
        StartError::Data(DataError::Held { path }) => Failure::theirs(format_args!(
            "a server is using {}: it updated the database's schema when it started",
            path.display()
        ))
        .with_next_step(
            "To update it, start the server again with this program. To see the changes first: transom migrate --check",
        ),
        error => Failure::of_start(error),
    }
}

/// Describes the pending changes in a sentence.
fn sentence(plan: &SchemaPlan) -> String {
    let has = match plan.has {
        None => "it has no schema yet".to_owned(),
        Some(has) => format!("its schema has version {has}"),
    };
    let adds: Vec<_> = plan.adds.iter().map(|(version, name)| format!("{version} ({name})")).collect();
    if !adds.is_empty() {
        return format!("{has}; this program adds {}", adds.join(", "));
    }
    match plan.has {
        Some(newer) if newer > plan.knows => {
            format!("{has}; this program knows {} and can run on it", plan.knows)
        }
        _ => format!("{has}; this program changes nothing"),
    }
}

fn document(place: &str, plan: &SchemaPlan) -> serde_json::Value {
    let adds: Vec<_> =
        plan.adds.iter().map(|(version, name)| json!({ "version": version, "name": name })).collect();
    json!({ "database": place, "program": env!("CARGO_PKG_VERSION"), "has": plan.has, "knows": plan.knows, "adds": adds })
}
