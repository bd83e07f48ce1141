//! The command line, as it is typed. It is a contract: scripts use it.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    clippy::doc_markdown,
    clippy::too_long_first_doc_paragraph,
    reason = "these comments are help texts, which are read in a terminal"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args as ClapArgs, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use transom_agent::{Peer, PublicKey};
use transom_model::cloud::CloudAddress;
use transom_model::id::ParseIdError;
use transom_model::secret::Secret;

use values::address;

#[cfg(feature = "server")]
mod operate;
mod values;
#[cfg(feature = "server")]
pub(crate) use operate::{
    Address, Audit, Console, Demo, Enrollment, Import, Instance, InstanceSettings, Key, Link, Migrate,
    Operate, Project, Repeater, Serve, Session, Token, TokenName,
};

/// A self-hosted VNC console service: register machines, get console URLs, open them in a browser.
#[derive(Debug, Parser)]
#[command(name = "transom", version, propagate_version = true, arg_required_else_help = true)]
#[cfg_attr(
    feature = "server",
    command(after_help = "First steps: `transom demo` shows a console; `transom serve` starts a server.")
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Reads the command line of this process.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        for (name, option, _) in IDLE.iter().copied() {
            let unshown = command.get_arguments().find(|own| own.get_id() == option).cloned();
            command = command.mut_subcommand(name, |idle| idle.args(unshown.map(|own| own.hide(true))));
        }
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        refuse_idle(&mut command, &matches)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// Options that every command takes and that these do not show, with what to do instead where one
/// is typed. In the environment they may stand for other commands.
const IDLE: &[(&str, &str, Option<&str>)] = if cfg!(feature = "server") {
    &[
        ("serve", "server", Some("this is the server: use --listen")),
        // A failure is told by it all the same.
        ("serve", "json", None),
        ("demo", "server", Some("it starts its own server: use --listen")),
        ("demo", "data", Some("it uses a temporary folder. To keep the data, run transom serve")),
        ("migrate", "server", Some("it works on the database: use --data or --database")),
    ]
} else {
    &[]
};

/// Refuses an option that the command would ignore.
fn refuse_idle(command: &mut clap::Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, given)) = matches.subcommand() else { return Ok(()) };
    for (_, option, instead) in IDLE.iter().filter(|(idle, ..)| *idle == name) {
        if let Some(instead) = instead
            && given.value_source(option) == Some(ValueSource::CommandLine)
        {
            let sentence = format!("--{option} does not apply to transom {name}: {instead}");
            return Err(command.error(ErrorKind::ArgumentConflict, sentence));
        }
    }
    Ok(())
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Common {
    /// The server's URL. Default: the URL in DATA/admin.json, which transom serve writes.
    #[arg(long, global = true, value_name = "URL", env = "TRANSOM_SERVER", value_parser = web_url)]
    pub(crate) server: Option<url::Url>,
    /// The data folder.
    #[arg(long, global = true, value_name = "DIR", env = "TRANSOM_DATA", default_value = "./transom-data")]
    pub(crate) data: PathBuf,
    /// Print one JSON document on stdout.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "server")]
    #[command(flatten)]
    Operate(Operate),
    /// Join as a device, so that viewers outside its network can reach its VNC server.
    Agent(Agent),
    /// Connect to a device: opens a local port for a VNC viewer.
    Connect(Connect),
}

/// The connection of a device or a viewer to the server.
#[derive(Debug, ClapArgs)]
pub(crate) struct Joining {
    /// PEM file with the CA of the server's certificate, or with that certificate. Default: the CAs
    /// that this machine trusts.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The HTTP proxy to the server: http://HOST:PORT or http://USER:PASSWORD@HOST:PORT. Default:
    /// HTTPS_PROXY, ALL_PROXY and NO_PROXY.
    #[arg(
        long,
        value_name = "URL",
        env = "TRANSOM_PROXY",
        hide_env_values = true,
        value_parser = |url: &str| Ok::<_, std::convert::Infallible>(Secret::new(url))
    )]
    pub(crate) proxy: Option<Secret>,
    /// File with the proxy's URL.
    #[arg(long, value_name = "FILE", conflicts_with = "proxy")]
    pub(crate) proxy_file: Option<PathBuf>,
    /// Allow http:// to another machine. Anyone on the network path can then impersonate this cloud
    /// address.
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Agent {
    /// The device's cloud address. An empty value counts as none.
    #[arg(long, value_name = "A", requires = "password_file", value_parser = optional_address)]
    pub(crate) address: Option<OptionalAddress>,
    /// File with the password of the cloud address; - reads it from standard input.
    #[arg(long, value_name = "FILE", requires = "address")]
    pub(crate) password_file: Option<PathBuf>,
    /// Enrollment token: at the first start, the agent gets an address and saves it in the data
    /// folder; - reads it from standard input.
    #[arg(
        long,
        value_name = "TOKEN",
        allow_hyphen_values = true,
        env = "TRANSOM_ENROLL",
        hide_env_values = true,
        conflicts_with = "address"
    )]
    pub(crate) enroll: Option<String>,
    /// File with the enrollment token. Not read once the device has its address, nor with
    /// --address.
    #[arg(long, value_name = "FILE", conflicts_with = "enroll")]
    pub(crate) enroll_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) joining: Joining,
    /// A VNC server or other target that viewers may connect to; repeatable. The first is the
    /// default. Other targets are refused.
    #[arg(long = "to", value_name = "[NAME=]HOST:PORT", required = true)]
    pub(crate) targets: Vec<String>,
    /// Accept only viewers with this key, as `transom connect` prints it; repeatable.
    #[arg(long = "allow-key", value_name = "K")]
    pub(crate) allow_keys: Vec<PublicKey>,
    /// Refuse consoles in the browser, which the server opens with its own key.
    #[arg(long)]
    pub(crate) end_to_end_only: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Connect {
    /// The device's cloud address, or ADDRESS/NAME for one of its targets.
    pub(crate) peer: Peer,
    /// The viewer's own cloud address.
    #[arg(long, value_name = "A")]
    pub(crate) address: CloudAddress,
    /// File with the password of the cloud address; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: PathBuf,
    #[command(flatten)]
    pub(crate) joining: Joining,
    /// The local address for viewers: PORT, IP:PORT (port 0: any free port) or unix:/PATH. Printed
    /// on stdout.
    #[arg(long, value_name = "PLACE", default_value = "127.0.0.1:0", value_parser = bind)]
    pub(crate) bind: Bind,
    /// Serve one viewer on standard input and output.
    #[arg(long, conflicts_with_all = ["bind", "viewer"])]
    pub(crate) stdio: bool,
    /// Start this VNC viewer with 127.0.0.1::PORT as its last argument, or with the port in place
    /// of {port}. transom connect ends when the viewer ends.
    #[arg(long, value_name = "CMD")]
    pub(crate) viewer: Option<String>,
    /// Wait until the device is online.
    #[arg(long)]
    pub(crate) wait: bool,
    /// The maximum number of bytes per second that the server relays for a session, from 1024 to
    /// 999999999.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1024..=999_999_999))]
    pub(crate) max_rate: Option<u32>,
    /// The key that the device must have, as its agent prints it.
    #[arg(long, value_name = "KEY")]
    pub(crate) peer_key: Option<PublicKey>,
}

/// A cloud address, or an empty text: a service's unit passes on a setting that may not be there.
#[derive(Clone, Debug)]
pub(crate) struct OptionalAddress(pub(crate) Option<CloudAddress>);

fn optional_address(text: &str) -> Result<OptionalAddress, ParseIdError> {
    if text.is_empty() { Ok(OptionalAddress(None)) } else { text.parse().map(Some).map(OptionalAddress) }
}

/// The local address for a connector's viewers.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

fn bind(text: &str) -> Result<Bind, &'static str> {
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(Bind::Unix(path.into()));
    }
    let on_this_machine = text.parse().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let place = on_this_machine.map_or_else(|_| address(text), Ok);
    place
        .map(Bind::Tcp)
        .map_err(|_| "it is PORT, IP:PORT or unix:/PATH, such as 5901, 127.0.0.1:0 or unix:/run/vnc.sock")
}

fn web_url(text: &str) -> Result<url::Url, &'static str> {
    let url = text
        .parse::<url::Url>()
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or("a URL begins with https:// or http://, such as https://console.example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A random token begins with a hyphen once in 64 times.
    #[test]
    fn an_enrollment_token_may_begin_with_a_hyphen() {
        let line = "transom agent --enroll -Sx --to 127.0.0.1:5900";
        let Command::Agent(agent) = Args::try_parse_from(line.split(' ')).expect("a command line").command
        else {
            panic!("another command");
        };
        assert_eq!(agent.enroll.as_deref(), Some("-Sx"));
    }
}
