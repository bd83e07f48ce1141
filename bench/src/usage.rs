//! The resources of a gateway, summed over its process and all descendants, from `/proc`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The kernel's clock tick in `/proc`, the same on every current Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process and its descendants.
#[derive(Clone, Copy)]
pub(crate) struct Tree(pub(crate) u32);

impl Tree {
    /// Returns the CPU seconds so far: nanoseconds for living threads, ticks for children that have
    /// ended.
    pub(crate) fn cpu(self) -> Result<f64> {
        let (mut nanoseconds, mut ticks) = (0.0, 0.0);
        for pid in self.processes()? {
            let Ok(threads) = fs::read_dir(proc(pid).join("task")) else { continue };
            for thread in threads.flatten() {
                // The first of its three numbers is the time spent on a processor.
                let Ok(spent) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
                nanoseconds +=
                    spent.split(' ').next().and_then(|spent| spent.parse::<f64>().ok()).unwrap_or(0.0);
            }
            let Some(fields) = fields(pid) else { continue };
            // Fields 16 and 17: the time of children that were waited for.
            ticks += fields[13..15].iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>();
        }
        Ok(nanoseconds / 1e9 + ticks / TICKS_PER_SECOND)
    }

    /// Returns the proportional memory in KiB.
    pub(crate) fn pss(self) -> Result<f64> {
        let pss = |pid: &u32| {
            let rollup = fs::read_to_string(proc(*pid).join("smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().split(' ').next()?.parse::<f64>().ok()
        };
        Ok(self.processes()?.iter().filter_map(pss).sum())
    }

    /// Returns the number of open descriptors.
    pub(crate) fn descriptors(self) -> Result<usize> {
        let count = |pid: &u32| fs::read_dir(proc(*pid).join("fd")).map_or(0, Iterator::count);
        Ok(self.processes()?.iter().map(count).sum())
    }

    fn processes(self) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc").context("/proc")?.flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            let parent = pid.and_then(fields).and_then(|fields| fields[1].parse::<u32>().ok());
            all.extend(pid.zip(parent));
        }
        let mut tree = vec![self.0];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        Ok(tree)
    }
}

fn proc(pid: u32) -> PathBuf {
    PathBuf::from("/proc").join(pid.to_string())
}

/// Returns the fields of `/proc/PID/stat` from the third on. The second is a name that may contain
/// any character.
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(proc(pid).join("stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}
