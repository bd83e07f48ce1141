//! The command line of the server and of its operators. A build for small devices (`agent-only`)
//! does not have it.

mod access;
mod console;
mod device;
mod instance;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use transom_app::vault::MasterKey;
use transom_server::data::read_master_key;

pub(crate) use access::{Key, Project, Token, TokenName};
pub(crate) use console::{Audit, Console, Link, Session};
pub(crate) use device::{Address, Enrollment, Repeater};
pub(crate) use instance::{Import, Instance, InstanceSettings};

use super::values::address;
use crate::command::file::read_password;
use crate::failure::Failure;

/// The server, and the commands of its operators.
#[derive(Debug, Subcommand)]
pub(crate) enum Operate {
    /// Run the server.
    Serve(Serve),
    /// Try Transom: a server in a temporary folder, a test desktop, and a console URL for it.
    Demo(Demo),
    /// Update the database's schema. A server also does this when it starts.
    Migrate(Migrate),
    /// Projects: tenants that own access keys and instances.
    #[command(subcommand)]
    Project(Project),
    /// Access keys: a project's credentials for programs.
    #[command(subcommand)]
    Key(Key),
    /// API tokens: temporary credentials that replace an access key.
    #[command(subcommand)]
    Token(Token),
    /// Instances: machines with a console.
    #[command(subcommand)]
    Instance(Instance),
    /// Cloud addresses: the identities of devices and of viewers.
    #[command(subcommand)]
    Address(Address),
    /// Enrollments: tokens with which devices get an address or replace another device.
    #[command(subcommand)]
    Enrollment(Enrollment),
    /// Repeater tickets: credentials of devices and viewers that use the UltraVNC repeater's
    /// protocol.
    #[command(subcommand)]
    Repeater(Repeater),
    /// Create a console URL. Prints the URL on stdout and its expiry on stderr.
    Console(Console),
    /// Links: the permissions behind console URLs.
    #[command(subcommand, alias = "links")]
    Link(Link),
    /// Sessions: consoles that are open.
    #[command(subcommand)]
    Session(Session),
    /// Show the audit: events with their actors and links.
    Audit(Audit),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Configuration file (TOML). Flags take precedence.
    #[arg(long, value_name = "FILE", env = "TRANSOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The address to listen on. Addresses other than loopback require TLS or a declared proxy.
    #[arg(long, value_name = "ADDR", env = "TRANSOM_LISTEN", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// The public URL of the server, with which console URLs begin, such as
    /// https://console.example.com.
    #[arg(long, value_name = "URL", env = "TRANSOM_PUBLIC_URL", value_parser = transom_config::public_url)]
    pub(crate) public_url: Option<url::Url>,
    /// PEM file with the certificate chain. Reloaded when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "self_signed")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve TLS with a generated certificate. Its CA is in the data folder.
    #[arg(long)]
    pub(crate) self_signed: bool,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) master_key: MasterKeyFile,
}

/// The source of the master key.
#[derive(Debug, ClapArgs)]
pub(crate) struct MasterKeyFile {
    /// File with the key that encrypts secrets: 64 hexadecimal digits. Default: a generated key in
    /// the data folder.
    #[arg(long, value_name = "FILE", env = "TRANSOM_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

impl MasterKeyFile {
    /// The key, where a file is given.
    pub(crate) fn read(&self) -> Result<Option<MasterKey>, Failure> {
        self.master_key_file.as_deref().map(read_master_key).transpose().map_err(Failure::theirs)
    }
}

/// The location of the database.
#[derive(Debug, ClapArgs)]
pub(crate) struct Database {
    /// The database: postgres://USER:PASSWORD@HOST/NAME. Default: SQLite in the data folder.
    #[arg(long, value_name = "URL", env = "TRANSOM_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// File with the database's URL.
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
    /// Change nothing. Report the pending changes, whether this program can run on the database,
    /// and what a server with these settings lacks: the data folder, the database, or files that
    /// the configuration names.
    #[arg(long)]
    pub(crate) check: bool,
    /// The server's configuration file (TOML), for --check.
    #[arg(long, value_name = "FILE", env = "TRANSOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) master_key: MasterKeyFile,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// The address to listen on. Default: 127.0.0.1:6080, or any free port.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Do not open a browser.
    #[arg(long)]
    pub(crate) no_open: bool,
}
