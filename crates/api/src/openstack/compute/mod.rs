//! The compute service: servers and their consoles.

mod console_tokens;
mod consoles;
mod context;
mod extensions;
mod flavors;
mod limits;
mod metadata;
mod microversion;
mod query;
mod schema;
mod server;
mod servers;
mod status;
mod versions;

use axum::response::Response;
use http::Method;
use serde_json::Value;

use super::access;
use super::fault::{About, Fault};
use super::request::ApiRequest;
use super::request_path::Version;
use context::Context;
use microversion::Microversion;
use transom_app::{Call, Caller, Error};

pub(super) use status::states;

/// The resource at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Servers { detail: bool },
    Server(&'a str),
    Addresses(&'a str),
    AddressesOf(&'a str),
    Metadata(&'a str),
    MetadataItem(&'a str, &'a str),
    Action(&'a str),
    RemoteConsoles(&'a str),
    Flavors { detail: bool },
    Flavor(&'a str),
    FlavorSpecs(&'a str),
    Limits,
    Extensions,
    Extension(&'a str),
    ConsoleToken(&'a str),
}

impl Resource<'_> {
    /// Returns Nova's policy for an operation. Nova has none for flavors, since everyone may read
    /// them. Extensions need none here.
    fn policy(self, method: &Method) -> &'static str {
        match self {
            Self::Servers { detail: false }
            | Self::Flavors { .. }
            | Self::Flavor(_)
            | Self::Extensions
            | Self::Extension(_) => "os_compute_api:servers:index",
            Self::Servers { detail: true } => "os_compute_api:servers:detail",
            Self::Server(_) => "os_compute_api:servers:show",
            Self::Addresses(_) => "os_compute_api:ips:index",
            Self::AddressesOf(_) => "os_compute_api:ips:show",
            Self::Metadata(_) => match *method {
                Method::POST => "os_compute_api:server-metadata:create",
                Method::PUT => "os_compute_api:server-metadata:update_all",
                _ => "os_compute_api:server-metadata:index",
            },
            Self::MetadataItem(..) => match *method {
                Method::PUT => "os_compute_api:server-metadata:update",
                Method::DELETE => "os_compute_api:server-metadata:delete",
                _ => "os_compute_api:server-metadata:show",
            },
            Self::FlavorSpecs(_) => "os_compute_api:os-flavor-extra-specs:index",
            Self::Limits => "os_compute_api:limits",
            Self::Action(_) | Self::RemoteConsoles(_) => "os_compute_api:os-remote-consoles",
            Self::ConsoleToken(_) => "os_compute_api:os-console-auth-tokens",
        }
    }
}

/// Returns the refusals of a body, read by each operation that takes one.
pub(super) fn read_anywhere(body: &Value) -> Vec<Fault> {
    consoles::read_anywhere(body).into_iter().chain(metadata::read_anywhere(body)).collect()
}

/// Answers a request.
pub(super) async fn answer(request: &ApiRequest<'_>, body: axum::body::Body) -> Result<Response, Fault> {
    let segments = request.path.segments();
    match (request.path.version, segments.as_slice()) {
        (Version::None, _) => return versions::list(request),
        (Version::V21, []) => {
            let microversion = Microversion::read(&request.headers)?;
            let mut response = versions::one(request)?;
            microversion.show(response.headers_mut());
            return Ok(response);
        }
        (_, []) => return versions::one(request),
        _ => {}
    }
    let named = named(&segments);
    let policy =
        named.map_or("os_compute_api:servers:index", |(_, resource)| resource.policy(&request.method));
    let call = access::caller(request, policy).await?;
    let microversion = match request.path.version {
        Version::V21 => Microversion::read(&request.headers)?,
        // Rackspace has no microversions, so the client's headers are ignored.
        _ => Microversion::FIRST,
    };
    let answered = route(request, call, microversion, body).await;
    if request.path.version != Version::V21 {
        return answered;
    }
    // A fault names the microversion too, as Nova's do.
    let style = super::fault::Style::of(&request.path);
    let mut response = answered.unwrap_or_else(|fault| fault.render(style, request.app, &request.id));
    microversion.show(response.headers_mut());
    Ok(response)
}

async fn route(
    request: &ApiRequest<'_>,
    call: Call,
    microversion: Microversion,
    body: axum::body::Body,
) -> Result<Response, Fault> {
    let segments = request.path.segments();
    let (project, resource) = named(&segments).ok_or_else(Fault::not_found)?;
    let named = project.map(str::to_owned);
    let policy = resource.policy(&request.method);
    let project = project_of(request, &call, project, policy).await?;
    let context = Context { request, call, project, named, microversion };
    let (get, post) = (request.method == Method::GET, request.method == Method::POST);
    match resource {
        Resource::Servers { detail } if get => servers::list(&context, detail).await,
        Resource::Server(id) if get => servers::one(&context, id).await,
        Resource::Addresses(id) if get => servers::addresses(&context, id).await,
        Resource::AddressesOf(id) if get => servers::addresses_of(&context, id).await,
        Resource::Metadata(id) => metadata::all(&context, policy, id, body).await,
        Resource::MetadataItem(id, key) => metadata::item(&context, policy, (id, key), body).await,
        Resource::Action(id) if post => consoles::action(&context, id, body).await,
        Resource::RemoteConsoles(_) if microversion < consoles::REMOTE_CONSOLES => Err(Fault::not_found()),
        Resource::RemoteConsoles(id) if post => consoles::remote_console(&context, id, body).await,
        Resource::Flavors { detail } if get => Ok(flavors::list(&context, detail)),
        Resource::Flavor(id) if get => flavors::one(&context, id),
        Resource::FlavorSpecs(id) if get => flavors::specs(id),
        Resource::Limits if get => limits::show(&context).await,
        Resource::Extensions if get => Ok(extensions::list()),
        Resource::Extension(alias) if get => extensions::one(alias),
        Resource::ConsoleToken(token) if get => console_tokens::show(&context, token).await,
        Resource::Action(_) | Resource::RemoteConsoles(_) => Err(Fault::bad_method("POST")),
        _ => Err(Fault::bad_method("GET, HEAD")),
    }
}

/// Returns the resource at the path, and the project if the path names one.
fn named<'a>(segments: &[&'a str]) -> Option<(Option<&'a str>, Resource<'a>)> {
    match (find(segments), segments) {
        (Some(resource), _) => Some((None, resource)),
        (None, [project, rest @ ..]) => find(rest).map(|resource| (Some(*project), resource)),
        (None, []) => None,
    }
}

fn find<'a>(segments: &[&'a str]) -> Option<Resource<'a>> {
    Some(match segments {
        ["servers"] => Resource::Servers { detail: false },
        ["servers", "detail"] => Resource::Servers { detail: true },
        ["servers", id] => Resource::Server(id),
        ["servers", id, "ips"] => Resource::Addresses(id),
        ["servers", id, "ips", _] => Resource::AddressesOf(id),
        ["servers", id, "metadata"] => Resource::Metadata(id),
        ["servers", id, "metadata", key] => Resource::MetadataItem(id, key),
        ["servers", id, "action"] => Resource::Action(id),
        ["servers", id, "remote-consoles"] => Resource::RemoteConsoles(id),
        ["flavors"] => Resource::Flavors { detail: false },
        ["flavors", "detail"] => Resource::Flavors { detail: true },
        ["flavors", id] => Resource::Flavor(id),
        ["flavors", id, "os-extra_specs"] => Resource::FlavorSpecs(id),
        ["limits"] => Resource::Limits,
        ["extensions"] => Resource::Extensions,
        ["extensions", alias] => Resource::Extension(alias),
        ["os-console-auth-tokens", token] => Resource::ConsoleToken(token),
        _ => return None,
    })
}

/// Returns the project of a call: the key's own, or the one in the path if the caller sees it.
async fn project_of(
    request: &ApiRequest<'_>,
    call: &Call,
    named: Option<&str>,
    policy: &'static str,
) -> Result<String, Fault> {
    let own = call.caller.project();
    // A guest's catalogue holds the project's id in its own cloud.
    let named = match &call.caller {
        Caller::Guest { home, .. } => named.filter(|named| named != home),
        _ => named,
    };
    match (named, own) {
        (None, Some(own)) => Ok(own.to_string()),
        (None, None) => Err(Fault::bad_request(
            "The operator's token belongs to no project: name one in the URL, as in /v2.1/PROJECT/servers.",
        )),
        (Some(named), own) => match (request.app.access.project(call, named).await, own) {
            (Ok(project), _) => Ok(project.id.to_string()),
            (Err(Error::NotFound(_)), Some(own)) => Err(Fault::bad_request(format!(
                "Malformed request URL: URL's project_id '{named}' doesn't match Context's project_id '{own}'"
            ))),
            (Err(error), _) => Err(Fault::of(error, About { policy, server: "", operation: "show" })),
        },
    }
}
