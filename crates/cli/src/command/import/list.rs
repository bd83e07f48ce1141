//! The list of instances in a file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use transom_model::api::WrongRowBody;

use super::row::{Fault, Row};
use super::{json, table};
use crate::command::file::read;
use crate::failure::Failure;
use crate::output;

/// The most faults that the command prints.
const FAULTS: usize = 100;
/// The advice for a file without instances.
const BEGINNING: &str =
    "CSV begins with a line such as id,endpoint,password; JSON is an array of objects with these members.";

/// The instances of a file, and the text to find positions in.
pub(in crate::command) struct List {
    /// The file's name for people.
    file: String,
    text: String,
    pub(in crate::command) rows: Vec<Row>,
}

impl List {
    /// Reads a file, or standard input. Prints every fault that the file itself shows.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let file =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let is = |ending: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending));
        if is("yaml") || is("yml") {
            return Err(Failure::theirs(format_args!("{file} is YAML, which this command does not read"))
                .with_next_step("Convert it to JSON, for example with yq -o=json."));
        }
        let text = read(path)?;
        // Windows programs write a byte order mark.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Failure::theirs(format_args!("{file} is empty")).with_next_step(BEGINNING));
        }
        let is_json = !is("csv") && (is("json") || text.trim_start().starts_with(['[', '{']));
        let (rows, faults) = if is_json {
            json::read(&text)
        } else {
            let table::Table { rows, faults, separator } = table::read(&text);
            if separator != "commas" {
                output::say(format_args!("{file}: {separator} separate the columns."));
            }
            (rows, faults)
        };
        let list = Self { file, text, rows };
        let faults = faults.into_iter().chain(list.repeated()).collect::<Vec<_>>();
        if !faults.is_empty() {
            return Err(list.faulty(faults));
        }
        if list.rows.is_empty() {
            return Err(
                Failure::theirs(format_args!("{} lists no instances", list.file)).with_next_step(BEGINNING)
            );
        }
        Ok(list)
    }

    /// Returns a fault for each row whose id an earlier row has.
    fn repeated(&self) -> Vec<Fault> {
        let mut lines = HashMap::new();
        let mut faults = Vec::new();
        // The rows are in the order of the file, so each line break is counted once.
        let (mut counted, mut line) = (0, 1);
        for row in &self.rows {
            let Some(id) = row.id() else { continue };
            let spot = row.spot(Some("id"));
            line += self.text[counted..spot.at].matches('\n').count();
            counted = spot.at;
            match lines.entry(id) {
                Entry::Occupied(first) => {
                    faults.push(Fault {
                        spot,
                        problem: format!("id: {id} is on line {} already", first.get()),
                    });
                }
                Entry::Vacant(first) => drop(first.insert(line)),
            }
        }
        faults
    }

    fn faulty(&self, mut faults: Vec<Fault>) -> Failure {
        faults.sort_by_key(|fault| fault.spot.at);
        for Fault { spot, problem } in faults.iter().take(FAULTS) {
            self.tell(&spot.place(&self.text), problem);
        }
        let count = output::counted(u32::try_from(faults.len()).unwrap_or(u32::MAX), "error");
        Failure::theirs(format_args!("{} has {count}, so nothing was changed", self.file))
    }

    /// Prints the rows that the server refused, with their positions.
    pub(super) fn tell_wrong(&self, wrong: &[WrongRowBody]) {
        for WrongRowBody { row, member, message } in wrong {
            let number = usize::try_from(*row).unwrap_or(usize::MAX);
            let row = number.checked_sub(1).and_then(|index| self.rows.get(index));
            let place = row.map(|row| row.spot(member.as_deref()).place(&self.text));
            let place = place.unwrap_or_else(|| format!("row {number}"));
            let member = member.as_ref().map(|member| format!("{member}: ")).unwrap_or_default();
            self.tell(&place, &format!("{member}{message}"));
        }
    }

    fn tell(&self, place: &str, problem: &str) {
        output::say(format_args!("transom: {}: {place}: {problem}", self.file));
    }
}
