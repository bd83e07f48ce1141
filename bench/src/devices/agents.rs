//! Thousands of agents in one process, which reports when each has joined.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transom_agent::{Agent, Credentials, Identity, Policy, Server, Status, Targets};

use super::node::{Credential, Node};
use crate::usage::Tree;

/// The process of the agents. Dropping it ends the process.
pub(super) struct Agents {
    child: Child,
    joined: Receiver<Instant>,
}

impl Agents {
    /// Starts one agent for each of these addresses, all at once.
    pub(super) fn start(node: &Node, own: &[Credential], target: SocketAddr) -> Result<Self> {
        let list: String = own.iter().map(|own| format!("{} {}\n", own.address, own.password)).collect();
        std::fs::write(node.file("agents"), list)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("agents").arg(node.url()).arg(node.file("agents")).arg(target.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (tell, joined) = mpsc::channel();
        let told = BufReader::new(child.stdout.take().context("stdout")?);
        std::thread::spawn(move || listen(told, &tell));
        Ok(Self { child, joined })
    }

    /// Returns the times at which this many agents joined.
    pub(super) fn join(&self, count: usize, within: Duration) -> Result<Vec<Instant>> {
        let deadline = Instant::now() + within;
        let mut times = Vec::with_capacity(count);
        while times.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(time) = self.joined.recv_timeout(left) else { break };
            times.push(time);
        }
        ensure!(times.len() == count, "only {} of {count} agents joined within {within:?}", times.len());
        Ok(times)
    }

    pub(super) fn tree(&self) -> Tree {
        Tree(self.child.id())
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(told: BufReader<ChildStdout>, tell: &mpsc::Sender<Instant>) {
    for _ in told.lines().map_while(Result::ok) {
        if tell.send(Instant::now()).is_err() {
            return;
        }
    }
}

/// Runs the process of the agents: `agents URL FILE TARGET`. It prints a line whenever an agent has
/// joined.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [url, file, target] = arguments else { anyhow::bail!("agents URL FILE TARGET") };
    let list = std::fs::read_to_string(file)?;
    let folder = tempfile::tempdir()?;
    // All agents share one key. Otherwise the time for generating thousands would be measured, too.
    let identity = Identity::open(folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for line in list.lines() {
            let (address, password) = line.split_once(' ').context("an address and its password")?;
            let agent = Agent {
                server: Server::new(url, None, false)?,
                credentials: Credentials::new(address.parse()?, password),
                identity: identity.clone(),
                targets: Targets::parse(&[target])?,
                policy: Policy::default(),
            };
            running.spawn(agent.run(tell, CancellationToken::new()));
        }
        while running.join_next().await.is_some() {}
        Ok(())
    })
}

fn tell(status: Status) {
    if status == Status::Online {
        // If the reader is gone, this process ends soon, too.
        let _ = std::io::stdout().write_all(b"joined\n");
    }
}
