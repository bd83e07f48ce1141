//! The commands, each in a file of its own.

pub(crate) mod agent;
pub(crate) mod connect;
mod device;
pub(crate) mod file;
mod viewer;

#[cfg(feature = "server")]
mod address;
#[cfg(feature = "server")]
mod audit;
#[cfg(feature = "server")]
mod columns;
#[cfg(feature = "server")]
mod console;
#[cfg(feature = "server")]
mod demo;
#[cfg(feature = "server")]
mod enrollment;
#[cfg(feature = "server")]
mod import;
#[cfg(feature = "server")]
mod instance;
#[cfg(feature = "server")]
mod key;
#[cfg(feature = "server")]
mod link;
#[cfg(feature = "server")]
mod migrate;
#[cfg(feature = "server")]
mod project;
#[cfg(feature = "server")]
mod repeater;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod session;
#[cfg(feature = "server")]
mod token;

/// Runs the server, or a command of its operators.
#[cfg(feature = "server")]
pub(crate) async fn operate(
    common: &crate::args::Common,
    command: crate::args::Operate,
) -> Result<(), crate::failure::Failure> {
    use crate::args::Operate;

    match command {
        Operate::Serve(serve) => serve::run(common, serve).await,
        Operate::Demo(demo) => demo::run(common, demo).await,
        Operate::Migrate(migrate) => migrate::run(common, migrate).await,
        Operate::Project(project) => project::run(common, project).await,
        Operate::Key(key) => key::run(common, key).await,
        Operate::Token(token) => token::run(common, token).await,
        Operate::Instance(instance) => instance::run(common, instance).await,
        Operate::Address(address) => address::run(common, address).await,
        Operate::Enrollment(enrollment) => enrollment::run(common, enrollment).await,
        Operate::Repeater(repeater) => repeater::run(common, repeater).await,
        Operate::Console(console) => console::run(common, console).await,
        Operate::Link(link) => link::run(common, link).await,
        Operate::Session(session) => session::run(common, session).await,
        Operate::Audit(audit) => audit::run(common, audit).await,
    }
}
