//! `transom serve`

use std::io::IsTerminal as _;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use transom_config::{Config, TlsFiles};
use transom_server::listener;
use transom_server::{Options, RepeaterKind, Server, Tls};

use crate::args::{Common, Serve};
use crate::failure::Failure;
use crate::output;

/// The warning if a server without TLS listens on an address beyond loopback.
const ONLY_HERE: &str = "Without TLS, Transom serves only this machine. Add --self-signed, or --tls-cert and --tls-key, \
     or declare the proxy in front of Transom in [http] trusted_proxies.";
/// The warning if the proxy in front is not declared, so that the server takes it for the viewer
/// itself.
const UNDECLARED: &str = "The public URL is https, but TLS is off. Declare the proxy in front of Transom in [http] \
     trusted_proxies. Otherwise all its callers count as one, and X-Forwarded-Proto is ignored.";

pub(crate) async fn run(common: &Common, serve: Serve) -> Result<(), Failure> {
    start_log("info");
    raise_descriptor_limit();
    let mut config = match &serve.config {
        Some(path) => Config::read(path).map_err(Failure::theirs)?,
        None => Config::default(),
    };
    if let Some(url) = serve.public_url {
        config.http.public_url = Some(url);
    }
    let tls = match (serve.self_signed, serve.tls_cert, serve.tls_key) {
        (true, ..) => Tls::SelfSigned,
        (_, Some(cert), Some(key)) => Tls::Files(TlsFiles { cert, key }),
        _ => Tls::Off,
    };
    let plain = matches!(tls, Tls::Off) && config.http.tls.is_none();
    let only_here = plain && config.http.trusted_proxies.is_empty();
    let public_tls = config.http.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    let warning = if !only_here {
        None
    } else if serve.listen.ip().is_loopback() {
        public_tls.then_some(UNDECLARED)
    } else {
        Some(ONLY_HERE)
    };
    if let Some(warning) = warning {
        output::say(warning);
    }
    if serve.listen.ip().is_unspecified() && !only_here && config.http.public_url.is_none() {
        output::say(
            "Console URLs begin with this machine's first address. To change that, use --public-url.",
        );
    }
    let master_key = serve.master_key.read()?;
    let database = serve.database.url()?;
    let listener = listen(serve.listen)?;
    let options = Options { data: common.data.clone(), config, database, tls, master_key };
    let server = Server::start(options, listener).await.map_err(Failure::of_start)?;
    let signals = Signals::listen()?;
    introduce(common, &server);
    let status = warning.map_or_else(|| format!("Serving {}", server.public_url()), str::to_owned);
    // This fails if no service manager listens, which does no harm.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status(&status)]);
    signals.wait().await;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!(sessions = server.app().live.count(), "draining");
    server.stop().await;
    Ok(())
}

/// Opens a listener. The failure names the next step.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    listener::bind(address).map_err(|error| Failure::no_listening(address, "--listen", &error))
}

fn introduce(common: &Common, server: &Server) {
    tracing::info!(address = %server.address(), public_url = %server.public_url(), "serving");
    output::say(format_args!("Transom is running at {}", server.url()));
    output::say(format_args!(
        "Operator commands read its URL and token from {}",
        common.data.join("admin.json").display()
    ));
    for (kind, who) in [
        (RepeaterKind::Devices, "devices with a repeater ticket"),
        (RepeaterKind::Viewers, "viewers with a repeater ID"),
    ] {
        if let Some(address) = server.repeater(kind) {
            output::say(format_args!("It also accepts {who} on {address}, unencrypted"));
        }
    }
    if let Some(ca) = server.ca() {
        output::say(format_args!("Its certificate's CA is {}", ca.display()));
        output::say(format_args!("  curl --cacert {} {}/healthz", ca.display(), server.url()));
    }
}

/// SIGTERM and Ctrl-C. The program listens for them before it reports that it is ready, since a
/// signal may follow at once.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for the signals. From now on they do not end the process directly.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::ours);
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The log filter for libraries that log a peer's bytes, with which the peer could fill the log.
/// `TRANSOM_LOG` can enable them.
const AT_WILL: &str = "rustls=error,h2=error";

/// Starts the log. `TRANSOM_LOG` filters as `RUST_LOG` does; `TRANSOM_LOG_FORMAT=json` prints one
/// JSON object per line.
pub(crate) fn start_log(default: &str) {
    let filter = |text: &str| EnvFilter::try_new(format!("{AT_WILL},{text}")).ok();
    let wanted = std::env::var("TRANSOM_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = wanted.and_then(|text| filter(&text)).or_else(|| filter(default)).unwrap_or_default();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::env::var("TRANSOM_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}

/// Raises the soft limit on descriptors, commonly 1024, to the hard limit. Each session needs two.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on file descriptors could not be raised and stays at {:?}", limit.current);
    }
}
