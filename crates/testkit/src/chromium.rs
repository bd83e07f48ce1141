//! A real Chromium that opens a console page through `web/e2e/console.mjs`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

use serde_json::Value;

use crate::process::{PATIENCE, Process};

/// The variable with the folder for screenshots.
const SHOTS: &str = "TRANSOM_SHOTS";

/// A visit to a console page that has not started.
#[derive(Debug)]
pub struct Visit {
    command: Command,
}

/// A running visit.
#[derive(Debug)]
pub struct Page {
    process: Process,
    orders: ChildStdin,
}

/// The script's report at the end of a visit.
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

    /// A visit in which the console must be refused for this reason.
    #[must_use]
    pub fn refused(url: &str, reason: &str) -> Self {
        Self::to(url).with(["--expect", "ended", "--reason", reason])
    }

    /// A visit to this URL that first waits for a stage other than the screen.
    #[must_use]
    pub fn expecting(url: &str, stage: &str) -> Self {
        Self::to(url).with(["--expect", stage])
    }

    /// Adds a step of the script: an action or a wait.
    #[must_use]
    pub fn step(self, step: &str) -> Self {
        self.with(["--step", step])
    }

    /// Takes a screenshot under this name when the visit reaches this step.
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

    /// Waits for a further stage after the screen.
    #[must_use]
    pub fn then(self, stage: &str) -> Self {
        self.with(["--then", stage])
    }

    /// Expects the console to end for this reason.
    #[must_use]
    pub fn ending(self, reason: &str) -> Self {
        self.with(["--then", "ended", "--reason", reason])
    }

    /// Types this text.
    #[must_use]
    pub fn typing(self, text: &str) -> Self {
        self.with(["--type", text])
    }

    /// Adds arguments of the script.
    #[must_use]
    pub fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Takes a screenshot under this name at the end.
    #[must_use]
    pub fn shot(mut self, name: &str) -> Self {
        if let Some(folder) = std::env::var_os(SHOTS) {
            self.command.arg("--shot").arg(PathBuf::from(folder).join(name).with_extension("png"));
        }
        self
    }

    /// Starts the visit.
    ///
    /// # Panics
    /// Panics if Node.js is missing.
    #[must_use]
    pub fn start(mut self) -> Page {
        let mut process = Process::start("Chromium", &mut self.command);
        let orders = process.stdin();
        Page { process, orders }
    }

    /// Runs the visit to its end.
    ///
    /// # Panics
    /// Panics if the visit does not meet its expectations.
    pub fn run(self) -> Report {
        self.start().finish()
    }
}

impl Page {
    /// Waits until the page reaches a stage for the `count`th time.
    ///
    /// # Panics
    /// Panics if it does not.
    pub fn reaches(&self, stage: &str, count: usize) {
        self.says(&format!("stage: {stage}\n"), count);
    }

    /// Waits until the script takes a step for the `count`th time.
    ///
    /// # Panics
    /// Panics if it does not.
    pub fn takes(&self, step: &str, count: usize) {
        self.says(&format!("step: {step}\n"), count);
    }

    /// Completes the step `go`.
    ///
    /// # Panics
    /// Panics if the script has ended.
    pub fn go(&mut self) {
        self.orders.write_all(b"go\n").expect("the script runs");
    }

    fn says(&self, line: &str, count: usize) {
        let found =
            self.process.stderr().find(PATIENCE, |text| (text.matches(line).count() >= count).then_some(()));
        assert!(found.is_some(), "waited in vain for {line:?}: {}", self.process.stdout().text());
    }

    /// Waits for the end of the visit.
    ///
    /// # Panics
    /// Panics if the visit does not meet its expectations.
    pub fn finish(mut self) -> Report {
        // Each of the script's few steps has a limit of its own.
        let status = self.process.wait(3 * PATIENCE);
        let text = self.process.stdout().text();
        let report: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(status.success(), "the page is not as expected: {}", report["error"]);
        Report(report)
    }
}

impl Report {
    /// The page's sentence about the end of the console.
    #[must_use]
    pub fn sentence(&self) -> &str {
        self.0["sentence"].as_str().unwrap_or_default()
    }

    /// The page's advice on the next step.
    #[must_use]
    pub fn next_step(&self) -> &str {
        self.0["next"].as_str().unwrap_or_default()
    }

    /// The ids of the visible toolbar buttons.
    #[must_use]
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.0["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(Value::as_str).collect()
    }

    /// The picture's width and height.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let side = |name: &str| self.0["picture"][name].as_u64().unwrap_or_default();
        (side("width"), side("height"))
    }

    /// The complete report.
    #[must_use]
    pub fn whole(&self) -> &Value {
        &self.0
    }
}
