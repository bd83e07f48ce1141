//! One file for each command.

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
mod console;
#[cfg(feature = "server")]
mod demo;
#[cfg(feature = "server")]
mod enrollment;
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
mod serve;
#[cfg(feature = "server")]
mod session;

/// The server, and the commands of its operators.
#[cfg(feature = "server")]
pub(crate) async fn house(
    common: &crate::args::Common,
    house: crate::args::House,
) -> Result<(), crate::failure::Failure> {
    use crate::args::House;

    match house {
        House::Serve(serve) => serve::run(common, serve).await,
        House::Demo(demo) => demo::run(demo).await,
        House::Migrate(migrate) => migrate::run(common, migrate).await,
        House::Project(project) => project::run(common, project).await,
        House::Key(key) => key::run(common, key).await,
        House::Instance(instance) => instance::run(common, instance).await,
        House::Address(address) => address::run(common, address).await,
        House::Enrollment(enrollment) => enrollment::run(common, enrollment).await,
        House::Console(console) => console::run(common, console).await,
        House::Link(link) => link::run(common, link).await,
        House::Session(session) => session::run(common, session).await,
        House::Audit(audit) => audit::run(common, audit).await,
    }
}
