//! Many addresses under one key: each operation must take as long with a million as with a
//! thousand.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::node::{Client, Kind, Node};
use super::{percentile, row, table};
use crate::note;
use crate::peer::Programs;

/// The number of operations of each kind that are timed at each size.
const SAMPLES: usize = 200;
const FIRST: usize = 1000;
const MAKERS: usize = 16;

pub(super) fn run(programs: &Programs, count: usize) -> Result<()> {
    let node = Node::start(programs, Kind { raw: false, warm: 0 })?;
    table(
        "Addresses under one key: p50 of 200, in ms",
        &[
            "addresses",
            "create",
            "first page",
            "page in the middle",
            "get",
            "change",
            "delete",
            "created a second, 16 at once",
        ],
    )?;
    let (mut size, mut made) = (FIRST, 0);
    while size <= count {
        note(&format!("up to {size} addresses"));
        let begun = Instant::now();
        fill(&node, size - made)?;
        let rate = (size - made) as f64 / begun.elapsed().as_secs_f64();
        made = size;
        let mut cells = vec![size.to_string()];
        cells.extend(sample(&mut node.client()?)?);
        cells.push(format!("{rate:.0}"));
        row(&cells)?;
        size *= 10;
    }
    Ok(())
}

fn fill(node: &Node, count: usize) -> Result<()> {
    std::thread::scope(|scope| {
        let maker = |number: usize| {
            scope.spawn(move || -> Result<()> {
                let mut client = node.client()?;
                (number..count).step_by(MAKERS).try_for_each(|_| client.make("listen").map(drop))
            })
        };
        let makers: Vec<_> = (0..MAKERS).map(maker).collect();
        for maker in makers {
            maker.join().map_err(|_| anyhow::anyhow!("a client's thread panicked"))??;
        }
        Ok(())
    })
}

fn sample(client: &mut Client) -> Result<Vec<String>> {
    let mut own = Vec::new();
    let create = timed(|_| {
        own.push(client.make("listen")?.address);
        Ok(())
    })?;
    let first = timed(|_| expect(client, "GET", "static-address?limit=50", "", 200).map(drop))?;
    // After some pages the cursor is in the middle of the addresses.
    let mut page = "static-address?limit=50".to_owned();
    for _ in 0..5 {
        page = client.call("GET", &page, "")?.next.unwrap_or(page);
    }
    let middle = timed(|_| expect(client, "GET", &page, "", 200).map(drop))?;
    let path = |number: usize| format!("static-address/{}", own[number]);
    let get = timed(|number| expect(client, "GET", &path(number), "", 200).map(drop))?;
    let body = |number: usize| {
        let address = &own[number];
        let access = "\"accessControl\":{\"groups\":[\"staff\"]}";
        format!("{{\"cloudAddress\":\"{address}\",\"allowedActions\":[\"listen\"],{access}}}")
    };
    let change = timed(|number| expect(client, "PUT", &path(number), &body(number), 200).map(drop))?;
    let delete = timed(|number| expect(client, "DELETE", &path(number), "", 204).map(drop))?;
    Ok([create, first, middle, get, change, delete].map(|time| format!("{time:.2}")).to_vec())
}

fn expect(client: &mut Client, method: &str, path: &str, body: &str, status: u16) -> Result<()> {
    let answer = client.call(method, path, body)?;
    ensure!(answer.status == status, "{method} {path}: {}", answer.status);
    Ok(())
}

fn timed(mut work: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(SAMPLES);
    for number in 0..SAMPLES {
        let begun = Instant::now();
        work(number)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(percentile(&mut times, 50))
}
