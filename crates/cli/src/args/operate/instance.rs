//! Instances.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use transom_model::endpoint::Endpoint;
use transom_model::id::InstanceId;
use transom_model::instance::InstanceStatus;
#[derive(Debug, Subcommand)]
pub(crate) enum Instance {
    /// Add an instance.
    Add {
        /// Its id, unique in the project: 1 to 64 of A-Z a-z 0-9 . _ -
        id: InstanceId,
        #[arg(long, value_name = "P")]
        /// The project, by name or id.
        project: String,
        /// Where its VNC server is: vnc://HOST:PORT, ws[s]://HOST:PORT/PATH, vnc+unix:/PATH, or cloud:ADDRESS for a device.
        #[arg(long, value_name = "E")]
        endpoint: Endpoint,
        #[command(flatten)]
        settings: InstanceSettings,
    },
    /// Change an instance: only what is named changes. Another endpoint ends its sessions.
    Set {
        /// The instance.
        id: InstanceId,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
        /// Where its VNC server is.
        #[arg(long, value_name = "E")]
        endpoint: Option<Endpoint>,
        /// The endpoint leads to the same machine, as after a live migration: open consoles dial again there.
        #[arg(long, requires = "endpoint")]
        moved: bool,
        /// Its VNC server asks for no password any more: the one that is set is taken away.
        #[arg(long, conflicts_with = "password_file")]
        no_password: bool,
        #[command(flatten)]
        settings: InstanceSettings,
    },
    /// List instances.
    List {
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
    /// Show an instance.
    Show {
        /// The instance.
        id: InstanceId,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
    /// Remove an instance and end its consoles.
    Remove {
        /// The instance.
        id: InstanceId,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
    /// Add many instances from a file: CSV with a header line, or JSON (an array, or one object per line).
    ///
    /// Columns or members: id, endpoint, name, status, username, password, ca, certificate, key, fingerprint.
    Import {
        /// The file; - for standard input (JSON).
        file: PathBuf,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InstanceSettings {
    /// What people call it.
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<String>,
    /// running stopped starting stopping rebooting building resizing imaging rebuilding recycled releasing failed
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<InstanceStatus>,
    /// A file, pipe or - with the VNC password, in one line. VNC authentication uses its first 8 characters.
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
    /// The user for VeNCrypt Plain.
    #[arg(long, value_name = "U")]
    pub(crate) username: Option<String>,
    /// VeNCrypt: PEM certificates that the VNC server's must chain to, or be one of; replaces a fingerprint.
    #[arg(long, value_name = "F", conflicts_with = "fingerprint")]
    pub(crate) ca: Option<PathBuf>,
    /// VeNCrypt: PEM certificate chain that the gateway shows.
    #[arg(long, value_name = "F", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// VeNCrypt: the PEM key to --cert.
    #[arg(long, value_name = "F", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// VeNCrypt: SHA-256 of the VNC server's certificate, instead of --ca; replaces a CA.
    #[arg(long, value_name = "H")]
    pub(crate) fingerprint: Option<String>,
    /// The password and the key are also for who holds the cloud address's repeater ticket; refused otherwise while there is one.
    #[arg(long)]
    pub(crate) for_ticket_holder: bool,
}
