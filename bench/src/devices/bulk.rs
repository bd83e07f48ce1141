//! The transport of a device's screen: the cost of relay and agent together, beside rathole, which
//! does not encrypt.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::node::{Credential, Kind, Node};
use super::{Plan, percentile, row, table};
use crate::peer::{Programs, free_address};
use crate::rfb::{self, Update};
use crate::usage::Tree;
use crate::viewer::{Door, Viewer};
use crate::{note, pause};

const GB: f64 = 1e9;
/// The number of updates: 512 MiB of pixels.
const UPDATES: u64 = 8192;
const WARM_UP: u64 = 64;
/// The number of new sessions, one after another.
const SESSIONS: usize = 100;
const START: Duration = Duration::from_secs(20);
/// DESIGN's floors for bulk and for a new session.
const FLOORS: (f64, f64) = (1.0, 2.0);

/// The path of rathole's program.
pub(crate) struct Rathole(pub(crate) PathBuf);

/// The measurements over both processes: CPU seconds for a gigabyte, CPU milliseconds for a
/// session.
type Cost = (f64, f64);

pub(super) fn run(programs: &Programs, plan: &Plan, guest: SocketAddr) -> Result<bool> {
    let mut costs: [Vec<Cost>; 3] = Default::default();
    for round in 0..plan.rounds {
        for (costs, measured) in costs.iter_mut().zip([
            device(programs, Kind { raw: true, warm: 1 }, guest),
            device(programs, Kind { raw: false, warm: 1 }, guest),
            rathole(&plan.rathole, guest),
        ]) {
            let measured = measured?;
            note(&format!(
                "round {}: {:.3} CPU-s/GB, {:.3} CPU-ms a session",
                round + 1,
                measured.0,
                measured.1
            ));
            costs.push(measured);
        }
    }
    table(
        "Relay and agent together, beside rathole's server and client",
        &["", "CPU-s/GB", "÷ rathole", "CPU-ms a session", "÷ rathole"],
    )?;
    let [.., theirs] = &costs;
    let mut hold = true;
    for (name, own) in ["transom, raw", "transom, upgrade", "rathole, plain"].iter().zip(&costs) {
        let of = |part: fn(&Cost) -> f64| {
            let mut values: Vec<_> = own.iter().map(part).collect();
            let mut ratios: Vec<_> =
                own.iter().zip(theirs).map(|(own, their)| part(own) / part(their)).collect();
            (percentile(&mut values, 50), percentile(&mut ratios, 50))
        };
        let (bulk, session) = (of(|cost| cost.0), of(|cost| cost.1));
        // The floors apply to the raw data connection.
        hold &= !name.ends_with("raw") || (bulk.1 <= FLOORS.0 && session.1 <= FLOORS.1);
        let cell = |value: f64| format!("{value:.3}");
        row(&[(*name).to_owned(), cell(bulk.0), cell(bulk.1), cell(session.0), cell(session.1)])?;
    }
    Ok(hold)
}

fn device(programs: &Programs, kind: Kind, guest: SocketAddr) -> Result<Cost> {
    let node = Node::start(programs, kind)?;
    let mut client = node.client()?;
    let (device, desk) = (client.make("listen")?, client.make("connect")?);
    let ends = Ends::start(programs, &node, &device, &desk, guest)?;
    cost(ends.address, &[node.tree(), ends.agent()])
}

/// Opens sessions at this address, and lets the guest stream.
fn cost(address: SocketAddr, trees: &[Tree]) -> Result<Cost> {
    let door = Door { address, path: None };
    let spent = || trees.iter().map(|tree| tree.cpu()).sum::<Result<f64>>();
    let visit = || Viewer::open(&door, 0).map(drop);
    (0..5).try_for_each(|_| visit())?;
    let before = spent()?;
    (0..SESSIONS).try_for_each(|_| visit())?;
    pause(Duration::from_millis(300));
    let session = (spent()? - before) * 1e3 / SESSIONS as f64;
    let mut viewer = Viewer::open(&door, 0)?;
    let mut stream = |count: u64| {
        viewer.send(&rfb::cut_text(format!("stream {count}").as_bytes()))?;
        viewer.skip(count * Update::BULK.len() as u64)
    };
    stream(WARM_UP)?;
    let before = spent()?;
    stream(UPDATES)?;
    let bulk = (spent()? - before) * GB / (UPDATES * Update::BULK.len() as u64) as f64;
    Ok((bulk, session))
}

/// `transom agent` and `transom connect`, run as users run them. Dropping this ends both.
pub(super) struct Ends {
    agent: Ended,
    _connect: Ended,
    /// The address that viewers connect to.
    pub(super) address: SocketAddr,
}

impl Ends {
    pub(super) fn start(
        programs: &Programs,
        node: &Node,
        device: &Credential,
        desk: &Credential,
        target: SocketAddr,
    ) -> Result<Self> {
        let end = |name: &str, own: &Credential, arguments: &[&str]| -> Result<Command> {
            let password = node.file(&format!("{name}-password"));
            fs::write(&password, &own.password)?;
            let mut command = Command::new(&programs.transom);
            command.args(arguments).args(["--server", &node.url(), "--address", &own.address]);
            command.arg("--password-file").arg(password).arg("--data").arg(node.file(name));
            let log = File::create(node.file(&format!("{name}-log")))?;
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
            Ok(command)
        };
        let agent = Ended(end("device", device, &["agent", "--to", &target.to_string()])?.spawn()?);
        let mut connect = end("desk", desk, &["connect", "--wait", &device.address])?.spawn()?;
        let told = connect.stdout.take().context("stdout")?;
        let connect = Ended(connect);
        let mut port = String::new();
        BufReader::new(told).read_line(&mut port)?;
        let port: u16 = port.trim().parse().context("transom connect told no port")?;
        Ok(Self { agent, _connect: connect, address: ([127, 0, 0, 1], port).into() })
    }

    pub(super) fn agent(&self) -> Tree {
        Tree(self.agent.0.id())
    }
}

fn rathole(program: &Rathole, guest: SocketAddr) -> Result<Cost> {
    let folder: TempDir = tempfile::Builder::new().prefix("transom-bench-").tempdir()?;
    let (control, door) = (free_address()?, free_address()?);
    let token = "default_token = \"bench\"";
    let texts = [
        (
            "server",
            format!(
                "[server]\nbind_addr = \"{control}\"\n{token}\n[server.services.vnc]\nbind_addr = \"{door}\"\n"
            ),
        ),
        (
            "client",
            format!(
                "[client]\nremote_addr = \"{control}\"\n{token}\n[client.services.vnc]\nlocal_addr = \"{guest}\"\n"
            ),
        ),
    ];
    let mut running = Vec::new();
    for (side, text) in texts {
        let config = folder.path().join(format!("{side}.toml"));
        fs::write(&config, text)?;
        let mut command = Command::new(&program.0);
        command.arg(format!("--{side}")).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        running.push(Ended(
            command.spawn().context("rathole does not start; `bench/setup.sh devices` sets it up")?,
        ));
    }
    let begun = Instant::now();
    while Viewer::open(&Door { address: door, path: None }, 0).is_err() {
        if begun.elapsed() > START {
            bail!("rathole does not carry a session");
        }
        pause(Duration::from_millis(50));
    }
    let trees: Vec<_> = running.iter().map(|ended| Tree(ended.0.id())).collect();
    cost(door, &trees)
}

/// A process that ends when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
