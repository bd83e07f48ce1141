//! CSV: a header line that names the columns, and one line for each instance.

use csv::{ReaderBuilder, StringRecord, Trim};
use serde_json::{Map, Value};

use super::row::{Fault, Row, Spot};

/// The columns of a table, which are the members of an instance.
pub(super) const COLUMNS: [&str; 12] = [
    "id",
    "endpoint",
    "name",
    "status",
    "username",
    "password",
    "ca",
    "certificate",
    "key",
    "fingerprint",
    "headers",
    "for_ticket_holder",
];
/// The columns that every row must have.
const REQUIRED: [&str; 2] = ["id", "endpoint"];
/// The columns whose cells may have several lines.
const LONG: [&str; 4] = ["ca", "certificate", "key", "headers"];
/// The separators that programs write, and their names.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];

/// A table that was read.
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<Fault>,
    /// The name of the separator.
    pub(super) separator: &'static str,
}

/// Reads a table. Recognises its separator by the known columns.
pub(super) fn read(text: &str) -> Table {
    let known = |separator: u8| {
        let header = header(text, separator);
        header.iter().filter(|name| COLUMNS.contains(&name.as_str())).count()
    };
    // Of equal ones the last would win, and commas come first.
    let found = SEPARATORS.iter().rev().max_by_key(|(separator, _)| known(*separator));
    let (separator, words) = found.copied().unwrap_or(SEPARATORS[0]);
    let names = header(text, separator);
    let mut table = Table { rows: Vec::new(), faults: faults_of(&names), separator: words };
    if !table.faults.is_empty() {
        return table;
    }
    let mut reader =
        ReaderBuilder::new().delimiter(separator).trim(Trim::All).flexible(true).from_reader(text.as_bytes());
    for record in reader.records() {
        match record {
            Ok(record) => read_record(text, &names, &record, &mut table),
            Err(error) => {
                let at = error.position().map_or(0, |position| start(text, position.byte()));
                table.faults.push(Fault { spot: cell(at, 1), problem: error.to_string() });
            }
        }
    }
    table
}

/// Returns the names of the columns, in lower case.
fn header(text: &str, separator: u8) -> Vec<String> {
    let mut reader = ReaderBuilder::new().delimiter(separator).trim(Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map(|header| header.iter().map(str::to_ascii_lowercase).collect());
    header.unwrap_or_default()
}

fn faults_of(names: &[String]) -> Vec<Fault> {
    let columns = COLUMNS.join(", ");
    let fault = |column, problem| Fault { spot: cell(0, column), problem };
    if !names.iter().any(|name| COLUMNS.contains(&name.as_str())) {
        return vec![fault(1, format!("the first line must name the columns, which are {columns}"))];
    }
    let mut faults = Vec::new();
    for (number, name) in names.iter().enumerate() {
        // Spreadsheets write empty columns behind the last one.
        if !name.is_empty() && !COLUMNS.contains(&name.as_str()) {
            faults.push(fault(number + 1, format!("unknown column {name}; the columns are {columns}")));
        } else if !name.is_empty() && names[..number].contains(name) {
            faults.push(fault(number + 1, format!("the column {name} is there twice")));
        }
    }
    for name in REQUIRED {
        if !names.iter().any(|other| other == name) {
            faults.push(fault(1, format!("there is no column {name}")));
        }
    }
    faults
}

fn read_record(text: &str, names: &[String], record: &StringRecord, table: &mut Table) {
    let at = record.position().map_or(0, |position| start(text, position.byte()));
    if record.iter().all(str::is_empty) {
        return;
    }
    // Spreadsheets write empty cells behind the last one.
    let cells = record.len() - record.iter().rev().take_while(|cell| cell.is_empty()).count();
    if cells > names.len() || record.len() < names.len() {
        let problem = format!(
            "the row has {} cells, and the first line has {} columns; put a cell that contains the separator in quotation marks",
            record.len(),
            names.len()
        );
        table.faults.push(Fault { spot: cell(at, 1), problem });
        return;
    }
    let mut body = Map::new();
    let mut members = Vec::new();
    for (number, (name, text)) in names.iter().zip(record).enumerate() {
        let spot = cell(at, number + 1);
        members.push((name.clone(), spot));
        // Every row has all columns. An empty cell counts as absent.
        if name.is_empty() || text.is_empty() {
            continue;
        }
        match value(name, text) {
            Ok(value) => drop(body.insert(name.clone(), value)),
            Err(problem) => table.faults.push(Fault { spot, problem: format!("{name}: {problem}") }),
        }
    }
    table.rows.push(Row { body, start: cell(at, 1), members });
}

fn value(name: &str, text: &str) -> Result<Value, &'static str> {
    if text.contains('\n') && !LONG.contains(&name) {
        return Err("has several lines; a quotation mark may not be closed");
    }
    match (name, text) {
        ("for_ticket_holder", "true") => Ok(Value::Bool(true)),
        ("for_ticket_holder", "false") => Ok(Value::Bool(false)),
        ("for_ticket_holder", _) => Err("must be true or false"),
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn cell(at: usize, column: usize) -> Spot {
    Spot { at, column: Some(column) }
}

/// Returns the byte at which a record begins. The reader's position may precede it by line breaks.
fn start(text: &str, byte: u64) -> usize {
    let at = usize::try_from(byte).unwrap_or(usize::MAX).min(text.len());
    let breaks = text.as_bytes()[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    at + breaks.count()
}
