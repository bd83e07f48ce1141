//! The native API's bodies for imports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::InstanceId;
use crate::instance::InstanceStatus;
use crate::member::null_as_missing;
#[cfg(feature = "openapi")]
use crate::schema;
use crate::secret::Secret;

bodies! {
    /// An instance in an import. Of an existing instance, absent members stay as they are, and an
    /// empty text clears a value.
    question ImportedInstanceBody {
        /// Its id.
        id: InstanceId,
        /// The display name; the id of a new instance when absent.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::InstanceName>))]
        name: Option<String>,
        /// The endpoint of its VNC server. A different endpoint ends the instance's sessions.
        endpoint: Endpoint,
        /// The power state; `running` for a new instance when absent.
        #[serde(default)]
        status: Option<InstanceStatus>,
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
    }
    /// The effect of an import.
    answer ImportBody {
        /// True if nothing was changed, and the other members tell what would change.
        dry_run: bool,
        /// The length of each list.
        counts: ImportCountsBody,
        /// The ids of the new instances, in the order of the import.
        added: Vec<InstanceId>,
        /// The ids of the changed instances, in the order of the import.
        changed: Vec<InstanceId>,
        /// The ids of the instances that did not differ, in the order of the import.
        unchanged: Vec<InstanceId>,
        /// The ids of the removed instances, in order.
        removed: Vec<InstanceId>,
        /// For each changed instance the names of the changed members, and the old and the new
        /// endpoint.
        details: BTreeMap<String, String>,
    }
    /// The numbers of instances in an import, by effect.
    answer ImportCountsBody {
        /// The number of new instances.
        added: u64,
        /// The number of changed instances.
        changed: u64,
        /// The number of instances that did not differ.
        unchanged: u64,
        /// The number of removed instances.
        removed: u64,
    }
}
