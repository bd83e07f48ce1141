//! Instances: machines with a console.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;
use crate::endpoint::Endpoint;
use crate::id::{InstanceId, InstanceUid, ParseIdError, ProjectId};

macro_rules! statuses {
    ($($variant:ident = $word:literal, $doc:literal;)+) => {
        /// What state a machine is in; one set for all dialects.
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
    Running = "running", "It runs.";
    Stopped = "stopped", "It is switched off.";
    Starting = "starting", "It is being switched on.";
    Stopping = "stopping", "It is being switched off.";
    Rebooting = "rebooting", "It restarts.";
    Building = "building", "It is being made.";
    Resizing = "resizing", "Its size is being changed.";
    Imaging = "imaging", "Its disk is being written.";
    Rebuilding = "rebuilding", "It is being made anew.";
    Recycled = "recycled", "It lies in the recycle bin.";
    Releasing = "releasing", "It is being removed.";
    Failed = "failed", "It could not be made.";
}

impl InstanceStatus {
    /// Whether a native console opens: also while starting, rebooting, building or imaging, when it is wanted most.
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
    /// What stays when the name is given to another machine.
    pub uid: InstanceUid,
    /// The owner's name of it.
    pub id: InstanceId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// What state it is in.
    pub status: InstanceStatus,
    /// Where its VNC server is.
    pub endpoint: Endpoint,
    /// Who set the endpoint: the operator may point anywhere, a project's own key only where the policy allows.
    pub endpoint_set_by: SetBy,
    /// How the gateway proves itself to the VNC server.
    pub security: InstanceSecurity,
    /// Rises with every change of the endpoint: a session tells by it whether it leads to where the instance is now.
    pub place: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Who set a value that a policy judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The holder of the operator's token.
    Operator,
    /// The holder of one of the project's access keys.
    Project,
    /// Another cloud, whose console it is. Such an instance is never in the inventory.
    Cloud,
}

/// How the gateway proves itself to an instance's VNC server. Secrets are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceSecurity {
    /// The user for VeNCrypt Plain.
    pub username: Option<String>,
    /// The VNC or VeNCrypt Plain password.
    pub password: Option<Sealed>,
    /// PEM certificates that the VNC server's certificate must chain to.
    pub ca: Option<String>,
    /// PEM certificate chain that the gateway shows.
    pub certificate: Option<String>,
    /// The PEM key to it.
    pub key: Option<Sealed>,
    /// SHA-256 of the VNC server's certificate, instead of a CA.
    pub fingerprint: Option<String>,
    /// The generation that the cloud address at the endpoint had when the password was set.
    pub password_generation: Option<u64>,
    /// The same for the key.
    pub key_generation: Option<u64>,
    /// The generation that this cloud address has now; none where the endpoint is no address of its project.
    pub address_generation: Option<u64>,
}

impl InstanceSecurity {
    /// Whether there is a secret that the machine is sent, or shown the use of.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.password.is_some() || self.key.is_some()
    }

    /// Whether every secret was entrusted to who stands at the endpoint's cloud address in this generation.
    #[must_use]
    pub fn is_entrusted_to(&self, generation: u64) -> bool {
        let bound = |secret: &Option<Sealed>, to: Option<u64>| secret.is_none() || to == Some(generation);
        bound(&self.password, self.password_generation) && bound(&self.key, self.key_generation)
    }

    /// Whether who stands at the endpoint's cloud address now is not sent what was set.
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
