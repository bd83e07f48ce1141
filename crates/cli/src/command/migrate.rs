//! `transom migrate`

use std::time::Instant;

use serde_json::json;
use transom_server::config::Config;
use transom_server::migration::{self, SchemaPlan};

use super::serve::start_log;
use crate::args::{Common, Migrate};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, migrate: Migrate) -> Result<(), Failure> {
    start_log("warn");
    if let Some(path) = &migrate.config {
        // What the server would refuse is to be known before it is stopped for an update.
        Config::read(path).map_err(Failure::theirs)?;
    }
    let database = migrate.database.url()?;
    let (place, plan) =
        migration::examine(&common.data, database.as_deref()).await.map_err(Failure::theirs)?;
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
    migration::apply(&common.data, database.as_deref()).await.map_err(Failure::theirs)?;
    let (_, done) = migration::examine(&common.data, database.as_deref()).await.map_err(Failure::theirs)?;
    output::say(format_args!("Done in {:.1} s.", began.elapsed().as_secs_f64()));
    if common.json { output::json(&document(&place.to_string(), &done)) } else { Ok(()) }
}

/// What would happen, for people.
fn sentence(plan: &SchemaPlan) -> String {
    let has = match plan.has {
        None => "it has no schema yet".to_owned(),
        Some(has) => format!("its schema has version {has}"),
    };
    let adds: Vec<_> = plan.adds.iter().map(|(version, name)| format!("{version} ({name})")).collect();
    if !adds.is_empty() {
        return format!("{has}, and this program adds {}", adds.join(", "));
    }
    match plan.has {
        Some(newer) if newer > plan.knows => {
            format!("{has}, and this program, which knows {}, may run on it", plan.knows)
        }
        _ => format!("{has}, and this program adds nothing"),
    }
}

fn document(place: &str, plan: &SchemaPlan) -> serde_json::Value {
    let adds: Vec<_> =
        plan.adds.iter().map(|(version, name)| json!({ "version": version, "name": name })).collect();
    json!({ "database": place, "program": env!("CARGO_PKG_VERSION"), "has": plan.has, "knows": plan.knows, "adds": adds })
}
