//! Instances: machines with a console.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Timestamp;
use crate::endpoint::Endpoint;
use crate::id::{ImportName, InstanceId, InstanceUid, ParseIdError, ProjectId};

/// The maximum time for each step of a VNC server's handshake. A server greets at once, and
/// responds at once unless a person decides. A desktop that is starting may need some seconds to
/// send ServerInit.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

macro_rules! statuses {
    ($($variant:ident = $word:literal, $doc:literal;)+) => {
        /// A machine's power state, in one set for all dialects.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum InstanceStatus { $(#[doc = $doc] $variant,)+ }

        impl InstanceStatus {
            /// Every status.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The status's word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

statuses! {
    Running = "running", "The machine runs.";
    Stopped = "stopped", "The machine is off.";
    Starting = "starting", "The machine is starting.";
    Stopping = "stopping", "The machine is stopping.";
    Rebooting = "rebooting", "The machine is rebooting.";
    Building = "building", "The machine is being created.";
    Resizing = "resizing", "The machine is being resized.";
    Imaging = "imaging", "An image is being written to its disk.";
    Rebuilding = "rebuilding", "The machine is being rebuilt.";
    Recycled = "recycled", "The machine is in the recycle bin.";
    Releasing = "releasing", "The machine is being removed.";
    Failed = "failed", "The machine could not be created.";
}

impl InstanceStatus {
    /// Returns whether a native console may open. It may also open while the machine starts,
    /// reboots, is built or is imaged, when a console is needed most.
    #[must_use]
    pub fn opens_native_console(self) -> bool {
        use InstanceStatus::{Building, Imaging, Rebooting, Running, Starting};
        matches!(self, Running | Starting | Rebooting | Building | Imaging)
    }
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for InstanceStatus {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::ALL.iter().copied().find(|status| status.as_str() == text).ok_or(ParseIdError {
            what: "status",
            problem: "must be one of running stopped starting stopping rebooting building resizing imaging \
                      rebuilding recycled releasing failed",
        })
    }
}

/// A machine with a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The permanent identity, which outlives the name.
    pub uid: InstanceUid,
    /// The name that the owner chose.
    pub id: InstanceId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The display name.
    pub name: String,
    /// The power state.
    pub status: InstanceStatus,
    /// The endpoint of its VNC server.
    pub endpoint: Endpoint,
    /// The party that set the endpoint. The operator may set any endpoint, a project's own key only
    /// those that the policy permits.
    pub endpoint_set_by: SetBy,
    /// The gateway's credentials for the VNC server.
    pub security: InstanceSecurity,
    /// Increases with every change of the endpoint. A session compares it to learn whether it leads
    /// to the current endpoint.
    pub endpoint_version: i64,
    /// The name of the import that added it. `None` if it was added individually, or by an import
    /// without a name.
    pub import_name: Option<ImportName>,
    /// The time at which it was added.
    pub created_at: Timestamp,
    /// The time of the latest change.
    pub updated_at: Timestamp,
}

/// The party that set a value subject to policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The holder of the operator's token.
    Operator,
    /// The holder of one of the project's access keys.
    Project,
    /// Another cloud that owns the console. Such an instance is never in the inventory.
    Cloud,
}

/// The gateway's credentials for an instance's VNC server. Secrets are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceSecurity {
    /// The user for VeNCrypt Plain.
    pub username: Option<String>,
    /// The VNC or VeNCrypt Plain password.
    pub password: Option<Sealed>,
    /// PEM certificates that the VNC server's certificate must chain to.
    pub ca: Option<String>,
    /// The PEM certificate chain that the gateway presents.
    pub certificate: Option<String>,
    /// The PEM private key of `certificate`.
    pub key: Option<Sealed>,
    /// The SHA-256 of the VNC server's certificate, instead of a CA.
    pub fingerprint: Option<String>,
    /// The headers that the gateway adds to its request for a WebSocket
    /// ([`request_headers`](crate::request_headers)). No other endpoint receives them.
    pub headers: Option<Sealed>,
    /// The generation of the cloud address at the endpoint when the password was set.
    pub password_generation: Option<u64>,
    /// The generation of the cloud address at the endpoint when the key was set.
    pub key_generation: Option<u64>,
    /// The current generation of the cloud address at the endpoint. `None` when the endpoint is not
    /// an address of the instance's project.
    pub address_generation: Option<u64>,
}

impl InstanceSecurity {
    /// Returns whether the gateway sends a secret to a device at a cloud address or proves
    /// possession of one.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.password.is_some() || self.key.is_some()
    }

    /// Returns whether every such secret was entrusted to the device that the endpoint's cloud
    /// address had in this generation.
    #[must_use]
    pub fn is_entrusted_to(&self, generation: u64) -> bool {
        let bound = |secret: &Option<Sealed>, to: Option<u64>| secret.is_none() || to == Some(generation);
        bound(&self.password, self.password_generation) && bound(&self.key, self.key_generation)
    }

    /// Returns whether the gateway withholds the secrets from the device that is at the endpoint's
    /// cloud address now.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.address_generation.is_some_and(|now| !self.is_entrusted_to(now))
    }
}

/// A secret encrypted under the master key; only the server can open it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}
