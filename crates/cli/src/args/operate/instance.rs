//! Instances.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use transom_model::endpoint::Endpoint;
use transom_model::id::{ImportName, InstanceId};
use transom_model::instance::InstanceStatus;
#[derive(Debug, Subcommand)]
pub(crate) enum Instance {
    /// Add an instance.
    Add {
        /// The instance's id, unique in the project: 1 to 64 of A-Z a-z 0-9 . _ -
        id: InstanceId,
        #[arg(long, value_name = "P")]
        /// The project, by name or id.
        project: String,
        /// Its VNC server: vnc://HOST:PORT, ws[s]://HOST:PORT/PATH, vnc+unix:/PATH, or
        /// cloud:ADDRESS for a device.
        #[arg(long, value_name = "E")]
        endpoint: Endpoint,
        #[command(flatten)]
        settings: InstanceSettings,
    },
    /// Change the given settings of an instance. A new endpoint ends its sessions.
    Set {
        /// The instance's id.
        id: InstanceId,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
        /// Its VNC server.
        #[arg(long, value_name = "E")]
        endpoint: Option<Endpoint>,
        /// The endpoint leads to the same machine, for example after a live migration: open
        /// consoles reconnect there.
        #[arg(long, requires = "endpoint")]
        moved: bool,
        /// Remove the VNC password.
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
        /// The instance's id.
        id: InstanceId,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
    /// Test whether a console opens: dial the endpoint as a viewer's session does, and hang up.
    ///
    /// Exits with 1 if a console does not open, and says what to do next. With --all, a machine
    /// that is not running is no fault. Each test logs in once. The VNC server sees a viewer come
    /// and go: it may ask a person to accept the viewer, or end after it if it serves one viewer
    /// alone.
    #[command(group(ArgGroup::new("which").required(true).args(["id", "all"])))]
    Test {
        /// The instance's id.
        id: Option<InstanceId>,
        /// Test all instances of the project, eight at a time.
        #[arg(long)]
        all: bool,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
    /// Remove an instance and end its consoles.
    Remove {
        /// The instance's id.
        id: InstanceId,
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
    },
    /// Add and change instances from a file: all of them, or none if a row is wrong.
    ///
    /// The file is CSV with a header line, or JSON (an array, or one object per line). Columns or
    /// members: id, endpoint, name, status, username, password, ca, certificate, key, fingerprint,
    /// headers, for_ticket_holder. An instance that exists already changes only where the file
    /// differs, so an import of the same file changes nothing.
    Import(Import),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    /// The file; - reads standard input.
    pub(crate) file: PathBuf,
    /// The project, by name or id.
    #[arg(long, value_name = "P")]
    pub(crate) project: String,
    /// Print the changes and make none.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Mark the instances that this import adds with this name. Instances that exist already keep
    /// their mark, or stay without one.
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<ImportName>,
    /// Remove the instances that imports of the same --name added and that the file no longer
    /// lists. The command shows them and asks.
    #[arg(long, requires = "name")]
    pub(crate) prune: bool,
    /// Remove them without the question. Required without a terminal.
    #[arg(long, requires = "prune")]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InstanceSettings {
    /// A display name.
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<String>,
    /// The machine's status: running stopped starting stopping rebooting building resizing imaging
    /// rebuilding recycled releasing failed.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<InstanceStatus>,
    /// File with the VNC password on one line; - reads standard input. VNC authentication uses only
    /// the first 8 characters.
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
    /// The user name for VeNCrypt Plain.
    #[arg(long, value_name = "U")]
    pub(crate) username: Option<String>,
    /// TLS (VeNCrypt or wss): PEM file with the CA of the VNC server's certificate, or with that
    /// certificate. Replaces a fingerprint.
    #[arg(long, value_name = "F", conflicts_with = "fingerprint")]
    pub(crate) ca: Option<PathBuf>,
    /// TLS: PEM file with the certificate chain that the gateway presents.
    #[arg(long, value_name = "F", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// TLS: PEM file with the key of --cert.
    #[arg(long, value_name = "F", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// TLS: SHA-256 of the VNC server's certificate, instead of --ca. Replaces a CA.
    #[arg(long, value_name = "H")]
    pub(crate) fingerprint: Option<String>,
    /// ws[s]://: file with headers for the gateway's request, such as Authorization, one Name:
    /// value in each line; - reads standard input. An empty file removes them.
    #[arg(long, value_name = "F")]
    pub(crate) header_file: Option<PathBuf>,
    /// Entrust the password and the key also to a device that joins with the cloud address's
    /// repeater ticket. Required while there is such a ticket.
    #[arg(long)]
    pub(crate) for_ticket_holder: bool,
}
