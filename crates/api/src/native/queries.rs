//! The known query parameters of each operation, taken from the API's document.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::MatchedPath;
use http::Method;
use http::request::Parts;
use serde_json::Value;

use transom_app::Error;

/// The names of the query parameters, by method and path.
#[derive(Clone)]
pub(super) struct Queries(Arc<HashMap<String, Vec<String>>>);

impl Queries {
    /// Reads the names from the document.
    pub(super) fn of(document: &Value) -> Self {
        let mut queries = HashMap::new();
        let paths = document["paths"].as_object().into_iter().flatten();
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let names = parameters.filter(|parameter| parameter["in"] == "query");
                let names = names.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned));
                queries.insert(format!("{method} {path}"), names.collect());
            }
        }
        Self(Arc::new(queries))
    }
}

/// Refuses unknown query parameters. A filter with a typo would otherwise list everything.
pub(super) fn check(parts: &Parts) -> Result<(), Error> {
    let Some(query) = parts.uri.query() else { return Ok(()) };
    let Some(path) = parts.extensions.get::<MatchedPath>() else { return Ok(()) };
    // HEAD is GET without a body.
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    let operation = format!("{} {}", method.as_str().to_ascii_lowercase(), path.as_str());
    let known = parts.extensions.get::<Queries>().and_then(|queries| queries.0.get(&operation));
    let known = known.map_or(&[][..], Vec::as_slice);
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        if !known.iter().any(|known| *known == name) {
            let wanted = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::Malformed(format!(
                "the query has an unknown parameter; the path accepts {wanted}"
            )));
        }
    }
    Ok(())
}
