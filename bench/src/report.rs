//! The table: medians and ranges over the rounds, ratios within each round, and their floors.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::peer::Kind;

/// A line of the table.
struct Figure {
    name: &'static str,
    what: &'static str,
    floors: &'static [Floor],
}

/// The limit of our figure.
enum Floor {
    /// This many times the peer's figure.
    Ratio(Kind, f64),
    /// This number.
    Value(f64),
    /// No limit: the peer is only a yardstick.
    Compare(Kind),
}

use Floor::{Compare, Ratio, Value};
use Kind::{Nginx, Websockify};

const FIGURES: [Figure; 9] = [
    Figure {
        name: "to-viewer",
        what: "64 KiB updates to the viewer, CPU-s/GB",
        floors: &[Ratio(Websockify, 0.60), Compare(Nginx)],
    },
    Figure {
        name: "to-instance",
        what: "64 KiB texts to the instance, CPU-s/GB",
        floors: &[Ratio(Websockify, 0.20), Compare(Nginx)],
    },
    Figure {
        name: "event-cpu",
        what: "input event, CPU-µs",
        floors: &[Ratio(Websockify, 0.35), Compare(Nginx)],
    },
    Figure {
        name: "event-p50",
        what: "input event, p50 µs",
        floors: &[Compare(Websockify), Ratio(Nginx, 1.3)],
    },
    Figure {
        name: "event-p99", what: "input event, p99 µs", floors: &[Compare(Websockify), Compare(Nginx)]
    },
    Figure {
        name: "session-cpu",
        what: "new session, CPU-ms",
        floors: &[Ratio(Websockify, 0.05), Compare(Nginx)],
    },
    Figure { name: "idle", what: "idle session, KiB PSS", floors: &[Value(8.0), Compare(Nginx)] },
    Figure {
        name: "idle-after-burst",
        what: "idle session after 256 KiB, KiB PSS",
        floors: &[Value(8.0), Compare(Nginx)],
    },
    Figure {
        name: "stalled",
        what: "stalled viewer, growth in KiB PSS",
        floors: &[Value(256.0), Compare(Nginx)],
    },
];

/// All measurements, by figure and gateway, with one value for each round.
#[derive(Default)]
pub(crate) struct Report {
    values: BTreeMap<(&'static str, Kind), BTreeMap<usize, f64>>,
}

impl Report {
    pub(crate) fn add(&mut self, round: usize, kind: Kind, name: &'static str, value: f64) {
        self.values.entry((name, kind)).or_default().insert(round, value);
    }

    /// Returns the table in Markdown, and whether every floor holds.
    pub(crate) fn table(&self) -> (String, bool) {
        let mut table = String::from("| figure |");
        for kind in Kind::ALL {
            let _ = write!(table, " {} |", kind.name());
        }
        table.push_str(" ratios and floors | |\n|---|---|---|---|---|---|\n");
        let mut all_hold = true;
        for figure in &FIGURES {
            let Some(own) = self.values.get(&(figure.name, Kind::Transom)) else { continue };
            let _ = write!(table, "| {} |", figure.what);
            for kind in Kind::ALL {
                let values =
                    self.values.get(&(figure.name, kind)).map(|values| values.values().copied().collect());
                let _ = write!(table, " {} |", values.map_or_else(|| "–".to_owned(), spread));
            }
            let judged: Vec<_> =
                figure.floors.iter().filter_map(|floor| self.judge(figure, own, floor)).collect();
            let holds = judged.iter().all(|(_, holds)| *holds);
            all_hold &= holds;
            let words: Vec<_> = judged.into_iter().map(|(words, _)| words).collect();
            let _ = writeln!(table, " {} | {} |", words.join("; "), if holds { "ok" } else { "**missed**" });
        }
        (table, all_hold)
    }

    fn judge(&self, figure: &Figure, own: &BTreeMap<usize, f64>, floor: &Floor) -> Option<(String, bool)> {
        let ratio = |kind| {
            let theirs = self.values.get(&(figure.name, kind))?;
            let ratios = own.iter().filter_map(|(round, own)| Some(own / theirs.get(round)?)).collect();
            median(ratios)
        };
        match floor {
            Value(most) => {
                let median = median(own.values().copied().collect())?;
                Some((format!("≤ {most}"), median <= *most))
            }
            Ratio(kind, most) => {
                let ratio = ratio(*kind)?;
                Some((format!("÷ {} {} ≤ {most}", kind.name(), short(ratio)), ratio <= *most))
            }
            Compare(kind) => Some((format!("÷ {} {}", kind.name(), short(ratio(*kind)?)), true)),
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Formats median and range.
fn spread(values: Vec<f64>) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = median(values).unwrap_or(f64::NAN);
    format!("{} [{}–{}]", short(middle), short(least), short(most))
}

/// Formats a value with three significant digits.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        0.0..1.0 => format!("{value:.3}"),
        1.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
