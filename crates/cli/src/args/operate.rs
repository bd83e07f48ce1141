//! The command line of the server and of its operators: what a build for small devices (`agent-only`) does without.

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
pub(crate) use instance::{Instance, InstanceSettings};

use super::address;
use crate::command::file::read_password;
use crate::failure::Failure;

/// The server, and the commands of its operators.
#[derive(Debug, Subcommand)]
pub(crate) enum Operate {
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
    /// API tokens: temporary credentials in place of an access key.
    #[command(subcommand)]
    Token(Token),
    /// Instances: machines with a console.
    #[command(subcommand)]
    Instance(Instance),
    /// Cloud addresses: the identities of devices and of those who connect to them.
    #[command(subcommand)]
    Address(Address),
    /// Enrollments: tokens by which devices get addresses of their own, or take another device's place.
    #[command(subcommand)]
    Enrollment(Enrollment),
    /// Repeater tickets: devices and viewers that speak the UltraVNC repeater's protocol.
    #[command(subcommand)]
    Repeater(Repeater),
    /// Make a console URL: the URL alone on stdout, its expiry on stderr.
    Console(Console),
    /// Links: the permissions behind console URLs.
    #[command(subcommand, alias = "links")]
    Link(Link),
    /// Sessions: who is looking.
    #[command(subcommand)]
    Session(Session),
    /// The audit: events, who caused them, and the link they belong to.
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
    #[arg(long, value_name = "URL", env = "TRANSOM_PUBLIC_URL", value_parser = transom_config::public_url)]
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
    #[command(flatten)]
    pub(crate) master_key: MasterKeyFile,
}

/// The source of the master key.
#[derive(Debug, ClapArgs)]
pub(crate) struct MasterKeyFile {
    /// The key that seals secrets (64 hexadecimal digits); without it, one is made in the data folder.
    #[arg(long, value_name = "FILE", env = "TRANSOM_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

impl MasterKeyFile {
    /// The key, where a file is given.
    pub(crate) fn read(&self) -> Result<Option<MasterKey>, Failure> {
        self.master_key_file.as_deref().map(read_master_key).transpose().map_err(Failure::theirs)
    }
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
    /// Say what would happen to the database, whether this program may run on it, and what a server with these settings would
    /// miss: its data folder, its database, files that the configuration names. Changes nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// The server's configuration file (TOML), to be checked too.
    #[arg(long, value_name = "FILE", env = "TRANSOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) master_key: MasterKeyFile,
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
