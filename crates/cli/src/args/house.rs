//! The command line of the server and of its operators: what a build for small devices (`agent-only`) does without.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use transom_agent::PublicKey;
use transom_model::access_key::Role;
use transom_model::cloud::{Action, CloudAddress};
use transom_model::endpoint::Endpoint;
use transom_model::grant::ConsoleKind;
use transom_model::id::{EnrolmentId, GrantId, InstanceId, SessionId};
use transom_model::instance::InstanceStatus;
use transom_server::config::HumanDuration;

use super::address;
use crate::command::file::read_password;
use crate::failure::Failure;

/// The server, and the commands of its operators.
#[derive(Debug, Subcommand)]
pub(crate) enum House {
    /// Run the server.
    Serve(Serve),
    /// Show it all: a server in a temporary folder and a test desktop, with a console URL that works.
    Demo(Demo),
    /// Bring the database's schema up to date, which a server does by itself when it starts.
    Migrate(Migrate),
    /// Projects: tenants, who own access keys and instances.
    #[command(subcommand)]
    Project(Project),
    /// Access keys: id and secrets of a project, for programs.
    #[command(subcommand)]
    Key(Key),
    /// Instances: machines with a console.
    #[command(subcommand)]
    Instance(Instance),
    /// Cloud addresses: the identities of devices and of those who connect to them.
    #[command(subcommand)]
    Address(Address),
    /// Enrolments: tokens by which devices get addresses of their own, or take another device's place.
    #[command(subcommand)]
    Enrollment(Enrollment),
    /// Make a console URL: the URL alone on stdout, its expiry on stderr.
    Console(Console),
    /// Links: the permissions behind console URLs.
    #[command(subcommand, alias = "grant")]
    Link(Link),
    /// Sessions: who is looking.
    #[command(subcommand)]
    Session(Session),
    /// What happened, who did it, and under which grant.
    Audit(Audit),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Configuration file (TOML). Flags win over it.
    #[arg(long, value_name = "FILE", env = "TRANSOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen. Off loopback, TLS is needed, or a declared proxy in front.
    #[arg(long, value_name = "ADDR", env = "TRANSOM_LISTEN", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// What console URLs begin with, such as https://console.example.com.
    #[arg(long, value_name = "URL", env = "TRANSOM_PUBLIC_URL", value_parser = transom_server::config::public_url)]
    pub(crate) public_url: Option<url::Url>,
    /// Certificate chain, PEM; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "self_signed")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve TLS with a certificate of our own making; its CA is kept in the data folder.
    #[arg(long)]
    pub(crate) self_signed: bool,
    #[command(flatten)]
    pub(crate) database: Database,
    /// The key that seals secrets (64 hexadecimal digits); without it, one is made in the data folder.
    #[arg(long, value_name = "FILE", env = "TRANSOM_MASTER_KEY_FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
}

/// Where the database is.
#[derive(Debug, ClapArgs)]
pub(crate) struct Database {
    /// The database: postgres://USER:PASSWORD@HOST/NAME; without it, SQLite in the data folder.
    #[arg(long, value_name = "URL", env = "TRANSOM_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// The same, from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    database_file: Option<PathBuf>,
}

impl Database {
    /// Its URL, where one is given.
    pub(crate) fn url(&self) -> Result<Option<String>, Failure> {
        match &self.database_file {
            Some(file) => read_password(file).map(Some),
            None => Ok(self.database.clone()),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Migrate {
    /// Say what would happen to the database, and whether this program may run on it; change nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// The server's configuration file (TOML), to be checked too.
    #[arg(long, value_name = "FILE", env = "TRANSOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Where to listen; without it, 127.0.0.1:6080 or any free port.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Do not open a browser.
    #[arg(long)]
    pub(crate) no_open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Project {
    /// Make a project.
    Add {
        /// Its name, unique.
        name: String,
    },
    /// List projects.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make an access key. Its secret is shown this once.
    Add {
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
        /// What people call it.
        #[arg(long, value_name = "N", default_value = "")]
        name: String,
        /// reader sees; member opens consoles; admin manages the project.
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: Role,
    },
    /// List access keys.
    List {
        /// Only those of this project.
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Add a second secret; the old one stays valid until `key retire`.
    Rotate {
        /// The key.
        id: String,
    },
    /// End the older of two secrets, and the tokens, links and consoles that were made with it.
    Retire {
        /// The key.
        id: String,
    },
    /// Make a token that stands for the key until it expires: the token alone on stdout.
    Token {
        /// The key.
        id: String,
        /// How long it is valid, such as 10m, 1h, 30d.
        #[arg(long, value_name = "T", default_value = "1h")]
        ttl: HumanDuration,
    },
    /// Make a key worth nothing and end the consoles that were opened under it.
    Revoke {
        /// The key.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Instance {
    /// Add an instance.
    Add {
        /// Its id, unique in the project: 1 to 64 of A-Z a-z 0-9 . _ -
        id: InstanceId,
        #[arg(long, value_name = "P")]
        /// The project, by name or id.
        project: String,
        /// Where its VNC server is: vnc://HOST:PORT, vnc+unix:/PATH, or cloud:ADDRESS for a device.
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

#[derive(Debug, Subcommand)]
pub(crate) enum Address {
    /// Issue an address. Its password is shown this once.
    Add {
        /// The access key that it is for.
        #[arg(long, value_name = "ID")]
        key: String,
        /// listen waits for connections (a device); connect opens them (a viewer).
        #[arg(long, value_name = "ACTION")]
        action: Action,
        /// What people call it.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// A group that a connect address is a member of; may be given 16 times.
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// A group that a listen address lets in; may be given 24 times. Without any and without --allow-address, every
        /// connect address of its key may connect.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// An address that a listen address lets in; may be given 8 times.
        #[arg(long = "allow-address", value_name = "A")]
        allow_addresses: Vec<String>,
    },
    /// List addresses.
    List {
        /// Only those that a device is joined under.
        #[arg(long)]
        online: bool,
        /// Only those of this project.
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Only those of this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
        /// Only those whose names hold this text.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Only those that are members of this group, or let it in.
        #[arg(long, value_name = "G")]
        group: Option<String>,
    },
    /// Show an address, and the device at it.
    Show {
        /// The address.
        address: CloudAddress,
    },
    /// Change an address: only what is named changes. What is no longer allowed ends.
    Set {
        /// The address.
        address: CloudAddress,
        /// What people call it; "" clears it.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// listen or connect; the lists of the other action are dropped.
        #[arg(long, value_name = "ACTION")]
        action: Option<Action>,
        /// The groups that a connect address is a member of, instead of those it has; "" alone clears them.
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// The groups that a listen address lets in, instead of those it has; "" alone clears them.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// The addresses that a listen address lets in, instead of those it has; "" alone clears them.
        #[arg(long = "allow-address", value_name = "A")]
        allow_addresses: Vec<String>,
    },
    /// Give an address another password, which is shown this once.
    Reset {
        /// The address.
        address: CloudAddress,
    },
    /// Remove an address for good: it is never issued again.
    Remove {
        /// The address.
        address: CloudAddress,
    },
    /// Have consoles know the device by the key that it shows now, as after it was reinstalled: its password stays.
    AcceptKey {
        /// The address.
        address: CloudAddress,
        /// The key, as the device's agent prints it; without it, the one that the device shows.
        #[arg(long, value_name = "H")]
        fingerprint: Option<PublicKey>,
    },
    /// Move an address to another access key, as when its own was lost.
    Move {
        /// The address.
        address: CloudAddress,
        /// The access key.
        #[arg(long, value_name = "ID")]
        to_key: String,
    },
    /// The same as `transom enrollment add`, as it was before.
    #[command(hide = true)]
    Enroll {
        /// The access key that the addresses will belong to.
        #[arg(long, value_name = "ID")]
        key: String,
        /// How many, at most 500.
        #[arg(long, value_name = "N", default_value_t = 1)]
        count: u32,
        /// A group that the addresses will let in; may be given 24 times. Without any, every connect address of the key may connect.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// How long devices may come with them, such as 1h, 7d.
        #[arg(long, value_name = "T", default_value = "24h")]
        ttl: HumanDuration,
    },
    /// Give a listen address a ticket, which is shown this once: a device joins by it that speaks the UltraVNC repeater's protocol
    /// (x11vnc, UltraVNC). It replaces the one before.
    Ticket {
        /// The address.
        address: CloudAddress,
        /// A number, for software that takes nothing else (UltraVNC); it can be guessed more easily.
        #[arg(long)]
        numeric: bool,
        /// Make the ticket worth nothing instead, and send the device away that waits under it.
        #[arg(long, conflicts_with = "numeric")]
        revoke: bool,
    },
    /// Make a number by which a viewer that speaks the UltraVNC repeater's protocol opens the device, once, within 5 minutes: the
    /// number alone on stdout.
    ViewerId {
        /// The address.
        address: CloudAddress,
    },
    /// The same as `transom enrollment list`, as it was before.
    #[command(hide = true)]
    Enrolments {
        /// Only those of this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
    },
    /// The same as `transom enrollment revoke`, as it was before.
    #[command(hide = true)]
    Unenroll {
        /// The enrolment's id.
        id: EnrolmentId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enrollment {
    /// Make enrolment tokens: a device that starts with `transom agent --enroll TOKEN` gets a listen address of its own. Each
    /// is shown this once and works once.
    Add {
        /// The access key that the addresses will belong to.
        #[arg(long, value_name = "ID", required_unless_present = "replace")]
        key: Option<String>,
        /// How many, at most 500.
        #[arg(long, value_name = "N", conflicts_with_all = ["name", "names", "replace"])]
        count: Option<u32>,
        /// What the device will be called.
        #[arg(long, value_name = "N", conflicts_with_all = ["names", "replace"])]
        name: Option<String>,
        /// A file with the devices' names, one a line, at most 500; - reads them from standard input. Printed are the lines of a
        /// CSV file: name,id,token.
        #[arg(long, value_name = "FILE", conflicts_with = "replace")]
        names: Option<PathBuf>,
        /// The device that comes takes the place of the one at this address: name, groups, instances and history stay, and the
        /// one that is there is sent away.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "allow_groups")]
        replace: Option<CloudAddress>,
        /// A group that the addresses will let in; may be given 24 times. Without any, every connect address of the key may connect.
        #[arg(long = "allow-group", value_name = "G")]
        allow_groups: Vec<String>,
        /// How long devices may come with them, such as 1h, 7d.
        #[arg(long, value_name = "T", default_value = "24h")]
        ttl: HumanDuration,
    },
    /// List enrolments: which tokens are still open, and which address came of which.
    List {
        /// Only those of this access key.
        #[arg(long, value_name = "ID")]
        key: Option<String>,
    },
    /// Make an enrolment token that no device has shown worth nothing.
    Revoke {
        /// The enrolment's id.
        id: EnrolmentId,
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

#[derive(Debug, ClapArgs)]
pub(crate) struct Console {
    /// The instance.
    pub(crate) id: InstanceId,
    /// The project, by name or id.
    #[arg(long, value_name = "P")]
    pub(crate) project: String,
    /// page, websocket, xvpvnc or native.
    #[arg(long, value_name = "KIND", default_value = "page")]
    pub(crate) kind: ConsoleKind,
    /// Drop keys, pointer and clipboard from the viewer.
    #[arg(long)]
    pub(crate) view_only: bool,
    /// Time to connect, such as 60s, 10m, 24h.
    #[arg(long, value_name = "T")]
    pub(crate) ttl: Option<HumanDuration>,
    /// How often the URL opens; 0: as often as wanted until it expires.
    #[arg(long, value_name = "N")]
    pub(crate) uses: Option<u32>,
    /// When everything under the URL is over, counted from now, such as 1h: --ttl bounds only how long it opens.
    #[arg(long, value_name = "T")]
    pub(crate) ends_after: Option<HumanDuration>,
    /// Open it in the browser.
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Link {
    /// List links, the newest first.
    List {
        /// Also those that are spent, expired or revoked.
        #[arg(long)]
        all: bool,
    },
    /// Show a link: who made it, and who used it when and from where.
    Show {
        /// The console URL, its token, or the link's id; - reads it from standard input, so that it stands neither in the
        /// shell's history nor in the list of processes. The token itself is not sent.
        #[arg(value_name = "URL|ID")]
        link: String,
    },
    /// Revoke a link and end everything under it, and show what there was.
    Revoke {
        /// The console URL, its token, or the link's id; - reads it from standard input, so that it stands neither in the
        /// shell's history nor in the list of processes. The token itself is not sent.
        #[arg(value_name = "URL|ID")]
        link: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List sessions, the newest first.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
    },
    /// End a session.
    Kill {
        /// The session.
        id: SessionId,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Audit {
    /// Go on as things happen (one JSON object per line with --json).
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only of this project.
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Only of this grant.
    #[arg(long, value_name = "ID")]
    pub(crate) grant: Option<GrantId>,
    /// Only of this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,
    /// Only of this call.
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,
    /// Only what came from this address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    /// How many, the newest; at most 1000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}
