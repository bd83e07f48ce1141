//! A real PostgreSQL for tests: one temporary cluster per test run, which is stopped and removed
//! after the run.
//!
//! `cargo nextest` runs every test in a process of its own. The processes find the cluster by the
//! run's id, and it lives as long as the runner. Under `cargo test` it lives as long as the test
//! binary. A guard process waits for that end, so PostgreSQL stops however the tests end.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of attempts to bind a port. Another process may take a free port before PostgreSQL
/// binds it, but not this many times in a row.
const ATTEMPTS: u32 = 5;

/// Waits for a process (`$1`) to end, then stops the cluster (in `$2`, programs in `$3`) and
/// removes it. The remaining arguments are the command that switches to the cluster's user.
const GUARD: &str = r#"
    keeper=$1 folder=$2 programs=$3; shift 3
    tail --sleep-interval=0.2 --pid="$keeper" --follow /dev/null
    "$@" "$programs/pg_ctl" stop --pgdata "$folder/data" --mode immediate --wait
    rm -rf "$folder"
"#;

/// Returns the URL of a new, empty database. Blocks: the first call of a run starts PostgreSQL,
/// which takes a second or two.
///
/// # Panics
/// Panics if PostgreSQL is not installed or does not start, with the reason.
#[must_use]
pub fn database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.get_or_init(Cluster::find_or_start);
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut createdb = Command::new(cluster.programs.join("createdb"));
    createdb.args(["--host=127.0.0.1", "--username=transom", &format!("--port={}", cluster.port), &name]);
    succeed(createdb.env("PGPASSWORD", &cluster.password));
    format!("postgres://transom:{}@127.0.0.1:{}/{name}", cluster.password, cluster.port)
}

/// A PostgreSQL cluster for a single test, which may stop and start it. Dropping it removes the
/// cluster.
#[derive(Debug)]
pub struct Own {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    password: String,
}

impl Own {
    /// Starts a cluster. Blocks for a second or two.
    ///
    /// # Panics
    /// Panics if PostgreSQL is not installed or does not start, with the reason.
    #[must_use]
    pub fn start() -> Self {
        let (programs, password) = (programs(), random());
        let folder = private_folder(&random());
        guard(&folder, &programs, std::process::id());
        init(&folder, &programs, &password);
        let port = start(&folder, &programs, None);
        Self { programs, folder, port, password }
    }

    /// The URL of its only database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://transom:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    /// Stops the cluster as a crash does, cutting every connection.
    ///
    /// # Panics
    /// Panics if it does not stop.
    pub fn stop(&self) {
        let mut pg_ctl = command(&self.programs.join("pg_ctl"));
        succeed(
            pg_ctl.args(["stop", "--mode=immediate", "--wait", "--pgdata"]).arg(self.folder.join("data")),
        );
    }

    /// Starts the cluster again on the same port.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub fn start_again(&self) {
        start(&self.folder, &self.programs, Some(self.port));
    }
}

/// Runs a statement in a database without the server. Returns its output.
///
/// # Panics
/// Panics if it fails.
pub fn run(url: &str, statement: &str) -> String {
    let mut psql = Command::new(programs().join("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    succeed(psql.args(["--command", statement, url]))
}

struct Cluster {
    programs: PathBuf,
    port: u16,
    password: String,
}

impl Cluster {
    fn find_or_start() -> Self {
        let programs = programs();
        let (name, keeper) = match std::env::var("NEXTEST_RUN_ID") {
            Ok(run) => (run, parent_id()),
            Err(_) => (random(), std::process::id()),
        };
        let folder = private_folder(&name);
        let lock = File::create(folder.join("lock")).expect("the cluster's folder can be written");
        lock.lock().expect("the cluster's folder can be locked");

        let address = folder.join("address");
        if let Ok(text) = fs::read_to_string(&address) {
            let (port, password) = text.split_once(' ').expect("a port and a password");
            return Self { programs, port: port.parse().expect("a port"), password: password.to_owned() };
        }
        let password = random();
        guard(&folder, &programs, keeper);
        init(&folder, &programs, &password);
        let port = start(&folder, &programs, None);
        fs::write(address, format!("{port} {password}")).expect("the cluster's folder can be written");
        Self { programs, port, password }
    }
}

fn private_folder(name: &str) -> PathBuf {
    // Outside the target folder, because the unprivileged user of PostgreSQL may not have access to
    // it.
    let folder = std::env::temp_dir().join(format!("transom-postgres-{name}"));
    fs::create_dir_all(&folder).expect("the temporary folder can be written");
    // The folder contains the password.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
    folder
}

/// The folder of `initdb` and the related programs. Debian installs them outside the PATH, in one
/// folder per version.
fn programs() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian.map(|version| version.path().join("bin")).filter(|folder| is_complete(folder)).max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest
        .or_else(|| std::env::split_paths(&path).find(|folder| is_complete(folder)))
        .expect("PostgreSQL is not installed: `make test` installs it; by hand: apt-get install postgresql")
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "createdb", "psql"].iter().all(|program| folder.join(program).exists())
}

fn guard(folder: &Path, programs: &Path, keeper: u32) {
    // A separate session, so that a Ctrl-C that ends the tests does not end the guard.
    Command::new("setsid")
        .args(["--fork", "sh", "-c", GUARD, "guard", &keeper.to_string()])
        .args([folder, programs])
        .args(as_owner())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("setsid (util-linux) starts");
}

fn init(folder: &Path, programs: &Path, password: &str) {
    if am_root() {
        succeed(Command::new("chown").arg("postgres:").arg(folder));
    }
    let password_file = folder.join("password");
    fs::write(&password_file, password).expect("the cluster's folder can be written");
    // SCRAM computes thousands of hashes per connection, which takes an unoptimized build longer
    // than most tests.
    succeed(
        command(&programs.join("initdb"))
            .arg("--pgdata")
            .arg(folder.join("data"))
            .arg("--pwfile")
            .arg(password_file)
            .args(["--username=transom", "--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync"]),
    );
}

/// Starts the cluster on the given port, or on a free one. Returns the port.
fn start(folder: &Path, programs: &Path, wanted: Option<u16>) -> u16 {
    let mut attempt = 1;
    loop {
        let port = wanted.unwrap_or_else(free_port);
        // Durability is unnecessary because the cluster is temporary.
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c max_connections=300 \
             -c fsync=off -c full_page_writes=off"
        );
        let mut pg_ctl = command(&programs.join("pg_ctl"));
        pg_ctl.args(["start", "--wait", "--timeout=60", "--options", &options]);
        pg_ctl.arg("--pgdata").arg(folder.join("data")).arg("--log").arg(folder.join("data/log"));
        // PostgreSQL would inherit a pipe and leave it open.
        let status = pg_ctl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if status.expect("pg_ctl starts").success() {
            return port;
        }
        assert!(
            attempt < ATTEMPTS,
            "PostgreSQL does not start: {:?}",
            fs::read_to_string(folder.join("data/log"))
        );
        attempt += 1;
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("it is bound").port()
}

/// The command that switches to an unprivileged user, because PostgreSQL refuses to run as root.
fn as_owner() -> &'static [&'static str] {
    if am_root() {
        &["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env"]
    } else {
        &["env"]
    }
}

fn command(program: &Path) -> Command {
    let [first, rest @ ..] = as_owner() else { unreachable!("it is never empty") };
    let mut command = Command::new(first);
    // The cluster's user may have no access to the folder in which the tests run.
    command.args(rest).arg(program).current_dir("/");
    command
}

fn am_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn random() -> String {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} failed: {errors}", command.get_program());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
