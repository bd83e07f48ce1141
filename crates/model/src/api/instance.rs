//! The native API's bodies for instances.

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::{ImportName, InstanceId};
use crate::instance::{Instance, InstanceStatus};
use crate::member::null_as_missing;
use crate::metadata::Metadata;
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
        /// The display name.
        name: String,
        /// The power state.
        status: InstanceStatus,
        /// The endpoint of its VNC server.
        endpoint: String,
        /// The gateway's credentials for the VNC server, without the secrets.
        security: InstanceSecurityBody,
        /// The project's metadata of the instance, which OpenStack's clients read and write.
        // An older server does not send it.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>, required))]
        metadata: Metadata,
        /// The name of the import that added it; null if it was added otherwise.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        import_name: Option<ImportName>,
        /// The time at which it was added.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// The time of the latest change.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        updated_at: String,
    }
    /// The gateway's credentials for a VNC server, without the secrets.
    answer InstanceSecurityBody {
        /// The user for VeNCrypt Plain.
        #[cfg_attr(feature = "openapi", schema(required))]
        username: Option<String>,
        /// True if a password is set.
        password: bool,
        /// True if the VNC server's certificate must chain to a configured CA.
        ca: bool,
        /// True if a client certificate is set.
        certificate: bool,
        /// The SHA-256 of the certificate that the VNC server must present.
        #[cfg_attr(feature = "openapi", schema(required))]
        fingerprint: Option<String>,
        /// True if headers for the WebSocket's request are set.
        // An older server does not send it.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        headers: bool,
        /// True while the gateway withholds the password and the key. It does so after the cloud
        /// address at the endpoint received new credentials, until they are set again.
        withheld: bool,
    }
    /// A request to add an instance.
    question NewInstanceBody {
        /// Its id; a UUID when absent.
        #[serde(default)]
        id: Option<InstanceId>,
        /// The display name; the id when absent.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::InstanceName>))]
        name: Option<String>,
        /// The endpoint of its VNC server.
        endpoint: Endpoint,
        /// The power state; `running` when absent.
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
        /// The PEM certificate chain that the gateway presents. It requires `ca` or `fingerprint`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        certificate: Option<String>,
        /// The PEM private key of `certificate`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemKey>))]
        key: Option<Secret>,
        /// The SHA-256 of the certificate that the VNC server must present.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Fingerprint>))]
        fingerprint: Option<String>,
        /// The headers that the gateway adds to its request for a WebSocket, one `Name: value` in
        /// each line. They require an endpoint `ws://` or `wss://`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::RequestHeaders>))]
        headers: Option<Secret>,
        /// Confirms that the password and the key may also go to the holder of the repeater ticket
        /// of the cloud address in `endpoint`. Without it, they are refused if the address has such
        /// a ticket.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
        for_ticket_holder: bool,
    }
    /// A change of an instance. An empty text clears a value.
    question InstanceChangeBody {
        /// The display name.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::InstanceName>))]
        name: Option<String>,
        /// The power state, the only member that a `member` may change.
        #[serde(default)]
        status: Option<InstanceStatus>,
        /// The endpoint of its VNC server. A different endpoint ends the instance's sessions.
        #[serde(default)]
        endpoint: Option<Endpoint>,
        /// The user for VeNCrypt Plain.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Username>))]
        username: Option<String>,
        /// The VNC or VeNCrypt Plain password.
        #[serde(default)]
        password: Option<Secret>,
        /// PEM certificates that the VNC server's certificate must chain to, or be one of. Setting
        /// them clears the fingerprint.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        ca: Option<String>,
        /// The PEM certificate chain that the gateway presents. It requires `ca` or `fingerprint`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemCertificates>))]
        certificate: Option<String>,
        /// The PEM private key of `certificate`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PemKey>))]
        key: Option<Secret>,
        /// The SHA-256 of the certificate that the VNC server must present. Setting it clears the
        /// CA.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Fingerprint>))]
        fingerprint: Option<String>,
        /// The headers that the gateway adds to its request for a WebSocket, one `Name: value` in
        /// each line. They require an endpoint `ws://` or `wss://`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::RequestHeaders>))]
        headers: Option<Secret>,
        /// Confirms that the password and the key may also go to the holder of the repeater ticket
        /// of the cloud address in `endpoint`. Without it, they are refused if the address has such
        /// a ticket.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
        for_ticket_holder: bool,
        /// Declares that `endpoint` leads to the same machine, as after a live migration. Pages
        /// reconnect their sessions to it; other sessions end with `instance-moved`.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
        moved: bool,
    }
}

impl InstanceBody {
    /// The body for an instance and its metadata.
    #[must_use]
    pub fn new(instance: Instance, metadata: Metadata) -> Self {
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
                headers: security.headers.is_some(),
            },
            metadata,
            import_name: instance.import_name,
            created_at: instance.created_at.to_string(),
            updated_at: instance.updated_at.to_string(),
        }
    }
}
