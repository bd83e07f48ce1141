//! `transom enrollment`

use reqwest::Method;
use serde_json::json;
use transom_model::api::{EnrollmentBody, EnrollmentTokenBody, List, NewEnrollmentsBody};

use super::file;
use crate::args::{Common, Enrollment};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

const ALL: &str = "/api/v1/enrollments";

pub(crate) async fn run(common: &Common, command: Enrollment) -> Result<(), Failure> {
    let client = Client::new(common)?;
    match command {
        Enrollment::Add { key, count, name, names, replace, allow_groups, ttl } => {
            let listed = names.is_some();
            let names = match (names, name) {
                (Some(file), _) => Some(read_names(&file::read(&file)?)?),
                (None, name) => name.map(|name| vec![name]),
            };
            let count = (names.is_none() && replace.is_none()).then(|| count.unwrap_or(1));
            let body = NewEnrollmentsBody {
                key,
                count,
                names,
                replace: replace.map(|address| address.to_string()),
                allow_groups,
                ttl_seconds: Some(ttl.0.as_secs()),
            };
            let made: List<EnrollmentTokenBody> = client.send(Method::POST, ALL, &body).await?;
            show_tokens(common, &made.items, listed)
        }
        Enrollment::List { key } => {
            let filter = key.map(|key| format!("?key={}", escape(&key))).unwrap_or_default();
            list(common, &client.list(&format!("{ALL}{filter}")).await?)
        }
        Enrollment::Revoke { id } => {
            client.act(Method::DELETE, &format!("{ALL}/{id}")).await?;
            output::done(common.json, &json!({ "id": id }), format_args!("revoked enrollment {id}"))
        }
    }
}

/// Reads one name per line and skips empty lines.
fn read_names(text: &str) -> Result<Vec<String>, Failure> {
    let names: Vec<_> =
        text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(
            Failure::theirs("the file has no names").with_next_step("The file has one name per line.")
        );
    }
    Ok(names)
}

fn show_tokens(common: &Common, made: &[EnrollmentTokenBody], as_csv: bool) -> Result<(), Failure> {
    if common.json {
        return output::json(&made);
    }
    if as_csv {
        output::line("name,id,token")?;
    }
    for enrollment in made {
        let EnrollmentTokenBody { id, name, token, .. } = enrollment;
        if as_csv {
            output::line(format_args!("{},{id},{token}", csv_field(name.as_deref().unwrap_or_default())))?;
        } else {
            output::line(token)?;
        }
    }
    if let Some(first) = made.first() {
        output::say(format_args!(
            "Each token works once, until {}. Save them now. They are not shown again.",
            first.expires_at
        ));
    }
    Ok(())
}

/// Quotes a field of a CSV file if needed (RFC 4180 §2).
fn csv_field(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn list(common: &Common, enrollments: &[EnrollmentBody]) -> Result<(), Failure> {
    if common.json {
        return output::json(&enrollments);
    }
    let state = |enrollment: &EnrollmentBody| match (&enrollment.address, &enrollment.revoked_at) {
        (Some(address), _) => format!("issued {address}"),
        (None, Some(at)) => format!("revoked {at}"),
        (None, None) => format!("unused, valid until {}", enrollment.expires_at),
    };
    let what = |enrollment: &EnrollmentBody| match (&enrollment.replaces, &enrollment.name) {
        (Some(address), _) => format!("replaces {address}"),
        (None, name) => name.clone().unwrap_or_else(|| "-".to_owned()),
    };
    let rows: Vec<_> =
        enrollments.iter().map(|one| vec![what(one), one.id.clone(), one.key.clone(), state(one)]).collect();
    let header = ["NAME", "ENROLLMENT", "KEY", "STATE"];
    output::table(&header, &rows, "There are no enrollments. To create one: transom enrollment add --key ID")
}
