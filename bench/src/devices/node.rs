//! The node that devices join: `transom serve` with a raw listener, and a key to create addresses
//! with.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::pause;
use crate::peer::{Programs, free_address};
use crate::usage::Tree;

/// The time for a start: a database with a million addresses takes a moment to open.
const START: Duration = Duration::from_secs(60);
/// The node's limits: all agents come from one address here.
const LIMITS: &str =
    "[limits]\nhalf_open_per_source = 20000\nhalf_open = 20000\nhttp_per_source = 20000\nhttp = 20000\n";

/// The options of a node for the data connections of sessions.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) raw: bool,
    pub(super) warm: usize,
}

/// A running node. Dropping it ends the process.
pub(super) struct Node {
    transom: PathBuf,
    child: Child,
    pub(super) address: SocketAddr,
    folder: TempDir,
    key: (String, String),
}

/// A cloud address and its password.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) address: String,
    pub(super) password: String,
}

impl Node {
    pub(super) fn start(programs: &Programs, kind: Kind) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("transom-bench-").tempdir()?;
        let address = free_address()?;
        let listen = if kind.raw { format!("listen = \"{}\"\n", free_address()?) } else { String::new() };
        let config = format!("[relay]\nwarm = {}\n{listen}{LIMITS}", kind.warm);
        fs::write(folder.path().join("transom.toml"), config)?;
        let child = serve(&programs.transom, &folder, address)?;
        let transom = programs.transom.clone();
        let mut node = Self { transom, child, address, folder, key: Default::default() };
        node.wait()?;
        node.operate(&["project", "add", "bench"])?;
        let key = node.operate(&["key", "add", "--project", "bench", "--json"])?;
        node.key = (text(&key, "id")?, text(&key, "secret")?);
        Ok(node)
    }

    /// Kills the node, and starts it again on the same data and the same port.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = serve(&self.transom, &self.folder, self.address)?;
        self.wait()
    }

    pub(super) fn tree(&self) -> Tree {
        Tree(self.child.id())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the path of a file of the bench in the node's folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn client(&self) -> Result<Client> {
        Client::open(self.address, &self.key)
    }

    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !self.is_ready() {
            if self.child.try_wait()?.is_some() || begun.elapsed() > START {
                bail!("the node does not start: {}", fs::read_to_string(self.file("log"))?);
            }
            pause(Duration::from_millis(20));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let asked = || -> Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            write!(stream, "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        };
        asked().unwrap_or(false)
    }

    fn operate(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.transom);
        let output = command.args(arguments).arg("--data").arg(self.file("data")).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "transom {}: {said}", arguments.join(" "));
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }
}

fn serve(transom: &PathBuf, folder: &TempDir, address: SocketAddr) -> Result<Child> {
    let at = |name: &str| folder.path().join(name);
    let log = File::options().create(true).append(true).open(at("log"))?;
    let mut command = Command::new(transom);
    command.arg("serve").arg("--config").arg(at("transom.toml")).arg("--data").arg(at("data"));
    command.arg("--listen").arg(address.to_string()).stdin(Stdio::null());
    Ok(command.stdout(log.try_clone()?).stderr(log).spawn()?)
}

impl Drop for Node {
    fn drop(&mut self) {
        // The process may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A kept-alive connection to the VNC Cloud API.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    head: String,
}

/// An answer of the API.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) next: Option<String>,
    pub(super) body: Value,
}

impl Client {
    fn open(address: SocketAddr, key: &(String, String)) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let credentials = base64(format!("{}:{}", key.0, key.1).as_bytes());
        let head = format!("Host: {address}\r\nAuthorization: Basic {credentials}\r\n");
        Ok(Self { stream: BufReader::new(stream), head })
    }

    /// Makes one call; the path is below `/cloud/1.1`.
    pub(super) fn call(&mut self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let head = format!(
            "{method} /cloud/1.1/{path} HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.head,
            body.len()
        );
        self.stream.get_mut().write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("no status")?.parse()?;
        let (mut length, mut next) = (0, None);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "link" => next = page(value),
                _ => {}
            }
        }

        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, next, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    /// Creates an address for this action, open to all addresses of its key.
    pub(super) fn make(&mut self, action: &str) -> Result<Credential> {
        let answer =
            self.call("POST", "static-address", &format!("{{\"allowedActions\":[\"{action}\"]}}"))?;
        ensure!(answer.status == 201, "an address could not be created: {}", answer.status);
        Ok(Credential {
            address: text(&answer.body, "cloudAddress")?,
            password: text(&answer.body, "cloudPassword")?,
        })
    }
}

fn text(body: &Value, name: &str) -> Result<String> {
    Ok(body[name].as_str().with_context(|| format!("no {name} in {body}"))?.to_owned())
}

/// Encodes bytes as Base64 (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Returns the path of the next page from a `Link` header (RFC 8288).
fn page(link: &str) -> Option<String> {
    Some(link.split_once("/cloud/1.1/")?.1.split_once('>')?.0.to_owned())
}
