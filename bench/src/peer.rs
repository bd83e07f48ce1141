//! The compared gateways. Each starts afresh, in a folder of its own, for every measurement.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::pause;
use crate::usage::Tree;
use crate::viewer::Door;

/// The time for a start: Python needs a second on a busy machine.
const START: Duration = Duration::from_secs(20);

/// The compared gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Transom,
    Websockify,
    Nginx,
}

impl Kind {
    /// All kinds, in the order of a round.
    pub(crate) const ALL: [Self; 3] = [Self::Transom, Self::Websockify, Self::Nginx];

    /// Returns the name in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Transom => "transom",
            Self::Websockify => "websockify",
            Self::Nginx => "nginx stream",
        }
    }

    /// Returns the number of sessions that are opened for a figure. In five seconds websockify
    /// opens a tenth of the sessions that the others open in two.
    pub(crate) fn new_sessions(self) -> usize {
        if self == Self::Websockify { 400 } else { 4000 }
    }

    /// Returns the number of idle sessions. websockify waits by `select` and has a process for
    /// each.
    pub(crate) fn idle_sessions(self) -> usize {
        if self == Self::Websockify { 200 } else { 1000 }
    }
}

/// The paths of the programs.
pub(crate) struct Programs {
    pub(crate) transom: PathBuf,
    pub(crate) websockify: PathBuf,
}

/// A running gateway. Dropping it ends all of its processes.
pub(crate) struct Peer {
    child: Child,
    /// The processes whose usage is measured.
    pub(crate) tree: Tree,
    /// The address for viewers.
    pub(crate) door: Door,
    pub(crate) kind: Kind,
    _folder: TempDir,
}

impl Peer {
    /// Starts a gateway in front of the guest.
    pub(crate) fn start(kind: Kind, programs: &Programs, guest: SocketAddr) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("transom-bench-").tempdir()?;
        let address = free_address()?;
        let mut command = match kind {
            Kind::Transom => transom(programs, folder.path(), address)?,
            Kind::Websockify => {
                let mut command = Command::new(&programs.websockify);
                command.args([address.to_string(), guest.to_string()]);
                command
            }
            Kind::Nginx => nginx(folder.path(), address, guest)?,
        };
        let log = File::create(folder.path().join("log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} does not start; `make bench` sets it up", kind.name()))?;
        let tree = Tree(child.id());
        let mut peer = Self { child, tree, door: Door { address, path: None }, kind, _folder: folder };
        peer.wait()?;
        peer.door.path = match kind {
            Kind::Transom => Some(console(programs, peer._folder.path(), guest)?),
            Kind::Websockify => Some("/websockify".to_owned()),
            Kind::Nginx => None,
        };
        Ok(peer)
    }

    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(self.door.address).is_err() {
            if self.child.try_wait()?.is_some() || started.elapsed() > START {
                let log = fs::read_to_string(self._folder.path().join("log")).unwrap_or_default();
                bail!("{} does not listen: {log}", self.kind.name());
            }
            pause(Duration::from_millis(20));
        }
        if self.kind == Kind::Transom {
            // The gateway listens before it is ready, so its answer decides.
            self.ask("/readyz")?;
        }
        Ok(())
    }

    /// Returns one of the gateway's own metrics.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let text = self.ask("/metrics")?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// Returns the gateway's answer to a GET.
    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.door.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.door.address)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The whole group, because websockify has a process for each session. It may already be
        // gone.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn transom(programs: &Programs, folder: &Path, address: SocketAddr) -> Result<Command> {
    let config = folder.join("transom.toml");
    // All viewers use one URL here.
    fs::write(&config, "[limits]\nsessions_per_link = 20000\nsessions_per_key = 20000\n")?;
    let mut command = Command::new(&programs.transom);
    command.arg("serve").arg("--config").arg(config).arg("--data").arg(folder.join("data"));
    command.arg("--listen").arg(address.to_string());
    Ok(command)
}

/// Returns a console URL that opens any number of times: its path and query.
fn console(programs: &Programs, folder: &Path, guest: SocketAddr) -> Result<String> {
    let operate = |arguments: &[&str]| {
        let mut command = Command::new(&programs.transom);
        let output = command.args(arguments).arg("--data").arg(folder.join("data")).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "transom {}: {said}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    };
    operate(&["project", "add", "bench"])?;
    let endpoint = format!("vnc://{guest}");
    operate(&["instance", "add", "guest", "--project", "bench", "--endpoint", &endpoint])?;
    let kind = ["--kind", "websocket", "--uses", "0", "--ttl", "24h"];
    let url = operate(&[&["console", "guest", "--project", "bench"], &kind[..]].concat())?;
    let path = url.trim().splitn(4, '/').nth(3);
    Ok(format!("/{}", path.context("the console URL has no path")?))
}

fn nginx(folder: &Path, address: SocketAddr, guest: SocketAddr) -> Result<Command> {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let load = if Path::new(MODULE).exists() { format!("load_module {MODULE};") } else { String::new() };
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let here = folder.display();
    let config = format!(
        "daemon off; worker_processes 2; {user} {load} pid {here}/pid; error_log {here}/error.log;\n\
         events {{ worker_connections 8000; }}\n\
         stream {{ server {{ listen {address} backlog=4096; proxy_pass {guest}; }} }}\n"
    );
    fs::write(folder.join("nginx.conf"), config)?;
    // Debian installs it outside the path of ordinary users.
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    Ok(command)
}
