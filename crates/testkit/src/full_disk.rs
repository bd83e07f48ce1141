//! A real file system of a few MiB, which a test can fill completely.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system at a folder. Dropping it unmounts it.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Creates the folder and mounts a file system of this size. Requires root, which tests have.
    ///
    /// # Panics
    /// Panics if it cannot be mounted.
    #[must_use]
    pub fn mount(folder: &Path, mebibytes: u32) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let options = format!("size={mebibytes}m,mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).status();
        assert!(mounted.expect("mount starts").success(), "a tmpfs can be mounted: tests run as root");
        Self { folder: folder.to_owned() }
    }

    /// Fills the file system.
    ///
    /// # Panics
    /// Panics if it does not fill up.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("the disk can be written");
        for size in [64 * 1024, 4096, 1] {
            let piece = vec![0; size];
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    /// Frees the space again.
    ///
    /// # Panics
    /// Panics if it was not filled.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount, which completes when the last open file is closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
