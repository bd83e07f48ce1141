//! A real Chromium that opens a console page, as `web/e2e/console.mjs` does for people.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

use serde_json::Value;

use crate::process::{PATIENCE, Process};

/// Where pictures of the pages are put, when this is set.
const SHOTS: &str = "TRANSOM_SHOTS";

/// A visit to a console page, before it begins.
#[derive(Debug)]
pub struct Visit {
    command: Command,
}

/// A visit that goes on.
#[derive(Debug)]
pub struct Page {
    process: Process,
    orders: ChildStdin,
}

/// What was there at the end.
#[derive(Clone, Debug)]
pub struct Report(Value);

impl Visit {
    /// A visit to this URL.
    #[must_use]
    pub fn to(url: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/e2e/console.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(url);
        command.args(["--timeout", &PATIENCE.as_millis().to_string()]);
        Self { command }
    }

    /// A visit that finds a console that does not open, and why.
    #[must_use]
    pub fn refused(url: &str, reason: &str) -> Self {
        Self::to(url).with(["--expect", "ended", "--reason", reason])
    }

    /// A visit to this URL that first waits for a stage other than the screen.
    #[must_use]
    pub fn expecting(url: &str, stage: &str) -> Self {
        Self::to(url).with(["--expect", stage])
    }

    /// Does one more thing, or waits for it: see the script.
    #[must_use]
    pub fn step(self, step: &str) -> Self {
        self.with(["--step", step])
    }

    /// Keeps a picture of the page as it is then under this name.
    #[must_use]
    pub fn shot_step(self, name: &str) -> Self {
        match std::env::var_os(SHOTS) {
            Some(folder) => {
                let file = PathBuf::from(folder).join(name).with_extension("png");
                self.step(&format!("shot={}", file.display()))
            }
            None => self,
        }
    }

    /// Waits for a further stage, after the screen.
    #[must_use]
    pub fn then(self, stage: &str) -> Self {
        self.with(["--then", stage])
    }

    /// Ends with this reason.
    #[must_use]
    pub fn ending(self, reason: &str) -> Self {
        self.with(["--then", "ended", "--reason", reason])
    }

    /// Types.
    #[must_use]
    pub fn typing(self, text: &str) -> Self {
        self.with(["--type", text])
    }

    /// More of what the script can do.
    #[must_use]
    pub fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Keeps a picture of the page under this name, for whoever wants to look at it.
    #[must_use]
    pub fn shot(mut self, name: &str) -> Self {
        if let Some(folder) = std::env::var_os(SHOTS) {
            self.command.arg("--shot").arg(PathBuf::from(folder).join(name).with_extension("png"));
        }
        self
    }

    /// Begins.
    ///
    /// # Panics
    /// Where Node.js is missing.
    #[must_use]
    pub fn start(mut self) -> Page {
        let mut process = Process::start("Chromium", &mut self.command);
        let orders = process.stdin();
        Page { process, orders }
    }

    /// Begins, and waits for the end.
    ///
    /// # Panics
    /// Where it was not as expected.
    pub fn run(self) -> Report {
        self.start().finish()
    }
}

impl Page {
    /// Waits until the page is at a stage for the `count`th time.
    ///
    /// # Panics
    /// Where it does not get there.
    pub fn reaches(&self, stage: &str, count: usize) {
        self.says(&format!("stage: {stage}\n"), count);
    }

    /// Waits until a step was taken for the `count`th time.
    ///
    /// # Panics
    /// Where it is not.
    pub fn takes(&self, step: &str, count: usize) {
        self.says(&format!("step: {step}\n"), count);
    }

    /// Lets the step `go` be over.
    ///
    /// # Panics
    /// Where the script has ended.
    pub fn go(&mut self) {
        self.orders.write_all(b"go\n").expect("the script runs");
    }

    fn says(&self, line: &str, count: usize) {
        let found =
            self.process.stderr().find(PATIENCE, |text| (text.matches(line).count() >= count).then_some(()));
        assert!(found.is_some(), "waited in vain for {line:?}: {}", self.process.stdout().text());
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// Where it was not as expected.
    pub fn finish(mut self) -> Report {
        // Each of the script's steps has its own limit; there are at most a handful.
        let status = self.process.wait(3 * PATIENCE);
        let text = self.process.stdout().text();
        let report: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(status.success(), "the page is not as expected: {}", report["error"]);
        Report(report)
    }
}

impl Report {
    /// What the page said when the console had ended.
    #[must_use]
    pub fn sentence(&self) -> &str {
        self.0["sentence"].as_str().unwrap_or_default()
    }

    /// What it said to do next.
    #[must_use]
    pub fn next_step(&self) -> &str {
        self.0["next"].as_str().unwrap_or_default()
    }

    /// The buttons of the toolbar that were to be seen, by id.
    #[must_use]
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.0["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(Value::as_str).collect()
    }

    /// The picture's size.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let side = |name: &str| self.0["picture"][name].as_u64().unwrap_or_default();
        (side("width"), side("height"))
    }

    /// Everything.
    #[must_use]
    pub fn whole(&self) -> &Value {
        &self.0
    }
}
