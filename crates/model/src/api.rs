//! The native API's bodies (`/api/v1`).

/// Declares a body with its derives: an `answer` of the server or a `question` of a caller.
macro_rules! bodies {
    ($($(#[$meta:meta])* $kind:ident $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* })*) => {
        $(bodies!(@$kind $(#[$meta])* $name { $($(#[$field])* $member: $type,)* });)*
    };
    (@answer $(#[$meta:meta])* $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field])* pub $member: $type,)* }
    };
    (@question $(#[$meta:meta])* $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field])* pub $member: $type,)* }
    };
}

mod access_key;
mod address;
mod audit;
mod console;
mod enrollment;
mod error;
mod import;
mod instance;
mod instance_test;
mod link;
mod list;
mod project;
mod session;
mod token;

pub use access_key::{KeyBody, KeySecretBody, NewKeyBody};
pub use address::{
    AcceptKeyBody, AddressBody, AddressChangeBody, AddressMoveBody, AddressSecretBody, NewAddressBody,
    NewTicketBody, PresenceBody, RivalBody, TicketBody, ViewerIdBody,
};
pub use audit::AuditBody;
pub use console::{ConsoleBody, NewConsoleBody};
pub use enrollment::{EnrollmentBody, EnrollmentTokenBody, NewEnrollmentsBody};
pub use error::{ErrorBody, ErrorDetail, WrongRowBody};
pub use import::{ImportBody, ImportCountsBody, ImportedInstanceBody};
pub use instance::{InstanceBody, InstanceChangeBody, InstanceSecurityBody, NewInstanceBody};
pub use instance_test::{InstanceTestBody, ScreenBody, TestResult, TestStepBody};
pub use link::{LinkBody, LinkReportBody, LinkUseBody, OriginBody};
pub use list::List;
pub use project::{NewProjectBody, ProjectBody};
pub use session::{EndedBody, SessionBody};
pub use token::{ListedTokenBody, NewTokenBody, TokenBody};
