//! From a viewer's connection to the device's first byte, through a connector that is joined.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::bulk::Ends;
use super::node::{Kind, Node};
use super::{percentile, row, table};
use crate::peer::Programs;

const VISITS: usize = 200;
const WARM_UP: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(programs: &Programs, target: SocketAddr) -> Result<()> {
    table(
        "From a viewer's connection to the device's first byte",
        &["way", "p50 ms", "p99 ms", "CPU-ms of the node", "CPU-ms of the agent"],
    )?;
    for (way, kind) in [
        ("upgrade", Kind { raw: false, warm: 0 }),
        ("upgrade, standby", Kind { raw: false, warm: 1 }),
        ("raw", Kind { raw: true, warm: 0 }),
        ("raw, standby", Kind { raw: true, warm: 1 }),
    ] {
        let node = Node::start(programs, kind)?;
        let mut client = node.client()?;
        let (device, desk) = (client.make("listen")?, client.make("connect")?);
        let ends = Ends::start(programs, &node, &device, &desk, target)?;
        let visit = || -> Result<f64> {
            let begun = Instant::now();
            let mut viewer = TcpStream::connect(ends.address)?;
            viewer.set_read_timeout(Some(PATIENCE))?;
            viewer.read_exact(&mut [0]).context("no first byte")?;
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        };
        let visits = |count: usize| (0..count).map(|_| visit()).collect::<Result<Vec<f64>>>();
        visits(WARM_UP)?;
        let before = (node.tree().cpu()?, ends.agent().cpu()?);
        let mut times = visits(VISITS)?;
        let each = |after: f64, before: f64| format!("{:.2}", (after - before) * 1e3 / VISITS as f64);
        row(&[
            way.to_owned(),
            format!("{:.1}", percentile(&mut times, 50)),
            format!("{:.1}", percentile(&mut times, 99)),
            each(node.tree().cpu()?, before.0),
            each(ends.agent().cpu()?, before.1),
        ])?;
    }
    Ok(())
}
