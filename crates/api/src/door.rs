//! The parts of a front door: its routes, its paths, and its answers to requests that no route
//! handles.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use transom_app::App;
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;

/// The front door of one dialect. Each dialect's module has one, named `DOOR`.
pub(crate) struct Door {
    /// The dialect's name in links and in the audit.
    pub(crate) dialect: Dialect,
    /// Builds the routes.
    pub(crate) routes: fn(Arc<App>) -> Router,
    /// Set if the routes bring their own request id, time limit and limit on bodies. They then
    /// stay outside the server's layers, so that even a timeout is answered in the dialect's form.
    pub(crate) has_own_layers: bool,
    /// Set if a path with superfluous slashes in front leads to this door, as it does on the
    /// servers whose dialect it speaks.
    pub(crate) ignores_leading_slashes: bool,
    /// Tells whether this door answers a path, with or without superfluous slashes in front.
    pub(crate) owns: fn(&str) -> bool,
    /// Tells whether a path that leads nowhere was meant for this door, such as `/api/v2zec`, where
    /// a client's base URL lacks a slash.
    pub(crate) is_near: fn(&str) -> bool,
    /// Creates the id of a request that no route handles.
    pub(crate) request_id: fn() -> RequestId,
    /// Answers a request that finds the server at its limits.
    pub(crate) overloaded: fn(&Unrouted<'_>) -> Response,
    /// Answers a request that is not valid HTTP. The sentence says why.
    pub(crate) malformed: fn(&Unrouted<'_>, &str) -> Response,
    /// Answers a request whose path is near the door's own.
    pub(crate) nowhere: fn(&Unrouted<'_>) -> Response,
}

/// A request that no route handles.
pub(crate) struct Unrouted<'a> {
    pub(crate) app: &'a App,
    pub(crate) path: &'a str,
    pub(crate) id: RequestId,
}

/// Tells whether a path is this root or lies below it. Superfluous slashes in front do not matter.
pub(crate) fn is_below(path: &str, root: &str) -> bool {
    let path = path.trim_start_matches('/');
    path.strip_prefix(root.trim_start_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
