//! Bodies about instances.

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::InstanceId;
use crate::instance::{Instance, InstanceStatus};
use crate::member::null_as_missing;
#[cfg(feature = "openapi")]
use crate::schema;
use crate::secret::Secret;

bodies! {
    /// An instance.
    answer InstanceBody {
        /// Its id, unique in the project.
        id: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// What people call it.
        name: String,
        /// What state it is in.
        status: InstanceStatus,
        /// Where its VNC server is.
        endpoint: String,
        /// How the gateway gets in; never the secrets.
        security: InstanceSecurityBody,
        /// When it was added.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// When it was last changed.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        updated_at: String,
    }
    /// How the gateway gets in.
    answer InstanceSecurityBody {
        /// The user for VeNCrypt Plain.
        #[cfg_attr(feature = "openapi", schema(required))]
        username: Option<String>,
        /// Whether a password is set.
        password: bool,
        /// Whether the VNC server's certificate must chain to a CA that is set.
        ca: bool,
        /// Whether a client certificate is set.
        certificate: bool,
        /// SHA-256 of the certificate that the VNC server must show.
        #[cfg_attr(feature = "openapi", schema(required))]
        fingerprint: Option<String>,
        /// Whether password and key are kept back until they are set again: the cloud address at the endpoint was given new
        /// credentials since.
        withheld: bool,
    }
    /// An instance to be added.
    question NewInstanceBody {
        /// Its id; a UUID where it is missing.
        #[serde(default)]
        id: Option<InstanceId>,
        /// What people call it; its id where it is missing.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::InstanceName>))]
        name: Option<String>,
        /// Where its VNC server is.
        endpoint: Endpoint,
        /// What state it is in; `running` where it is missing.
        #[serde(default)]
        status: Option<InstanceStatus>,
        /// The user for VeNCrypt Plain.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Username>))]
        username: Option<String>,
        /// The VNC or VeNCrypt Plain password.
        #[serde(default)]
        password: Option<Secret>,
        /// PEM certificates that the VNC server's certificate must chain to, or be one of.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        ca: Option<String>,
        /// PEM certificate chain that the gateway shows. It needs `ca` or `fingerprint`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        certificate: Option<String>,
        /// The PEM key to it.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemKey>))]
        key: Option<Secret>,
        /// SHA-256 of the certificate that the VNC server must show.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Fingerprint>))]
        fingerprint: Option<String>,
        /// The password and the key are also for whoever holds the repeater ticket of the cloud address that `endpoint` names. Where
        /// the address has one, and this is not said, they are refused.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
        for_ticket_holder: bool,
    }
    /// What to change about an instance. A text that is empty clears what was set.
    question InstanceChangeBody {
        /// What people call it.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::InstanceName>))]
        name: Option<String>,
        /// What state it is in; the only member that a `member` may change.
        #[serde(default)]
        status: Option<InstanceStatus>,
        /// Where its VNC server is. Another one ends the instance's sessions.
        #[serde(default)]
        endpoint: Option<Endpoint>,
        /// The user for VeNCrypt Plain.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Username>))]
        username: Option<String>,
        /// The VNC or VeNCrypt Plain password.
        #[serde(default)]
        password: Option<Secret>,
        /// PEM certificates that the VNC server's certificate must chain to, or be one of; setting them clears the
        /// fingerprint.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        ca: Option<String>,
        /// PEM certificate chain that the gateway shows. It needs `ca` or `fingerprint`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        certificate: Option<String>,
        /// The PEM key to it.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemKey>))]
        key: Option<Secret>,
        /// SHA-256 of the certificate that the VNC server must show; setting it clears the CA.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Fingerprint>))]
        fingerprint: Option<String>,
        /// The password and the key are also for whoever holds the repeater ticket of the cloud address that `endpoint` names. Where
        /// the address has one, and this is not said, they are refused.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
        for_ticket_holder: bool,
        /// With `endpoint`: it leads to the same machine, as after a live migration. Sessions of pages dial again there, and
        /// others end with `instance-moved`.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
        moved: bool,
    }
}

impl From<Instance> for InstanceBody {
    fn from(instance: Instance) -> Self {
        let security = instance.security;
        Self {
            id: instance.id.to_string(),
            project: instance.project.to_string(),
            name: instance.name,
            status: instance.status,
            endpoint: instance.endpoint.to_string(),
            security: InstanceSecurityBody {
                withheld: security.is_withheld(),
                username: security.username,
                password: security.password.is_some(),
                ca: security.ca.is_some(),
                certificate: security.certificate.is_some(),
                fingerprint: security.fingerprint,
            },
            created_at: instance.created_at.to_string(),
            updated_at: instance.updated_at.to_string(),
        }
    }
}
