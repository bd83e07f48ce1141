//! Real reverse proxies in front of a server, configured with the text of the operations manual.
//! The surrounding configuration enables compression where the proxy supports it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use tempfile::TempDir;

use crate::certificate::Authority;
use crate::process::{PATIENCE, Process};

/// The tested proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Apache.
    Apache,
    /// Caddy.
    Caddy,
}

impl Kind {
    /// Every proxy in the manual.
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Haproxy, Self::Apache, Self::Caddy];
}

/// A reserved port on 127.0.0.1. The server behind the proxy needs the proxy's URL before the proxy
/// starts.
#[derive(Debug)]
pub struct Port {
    /// A bound socket that never listens. Proxies share their ports with other sockets
    /// (`SO_REUSEPORT`), or with sockets that do not listen (`SO_REUSEADDR`).
    _held: OwnedFd,
    number: u16,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    _process: Process,
    _port: Port,
    authority: Authority,
    _folder: TempDir,
}

impl Port {
    /// Reserves a free port.
    ///
    /// # Panics
    /// Panics if no port is free.
    #[must_use]
    pub fn hold() -> Self {
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_reuseport(&held, true).expect("it may be shared");
        sockopt::set_socket_reuseaddr(&held, true).expect("it may be shared");
        bind(&held, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = getsockname(&held).expect("it is bound");
        let address = SocketAddr::try_from(address).expect("an address of the Internet");
        Self { _held: held, number: address.port() }
    }

    /// The URL of the future proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.number)
    }
}

impl Proxy {
    /// Starts a proxy in front of the server at this address.
    ///
    /// # Panics
    /// Panics if the proxy is not installed or rejects the manual's text.
    #[must_use]
    pub fn start(kind: Kind, port: Port, server: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let authority = Authority::new();
        let certificate = authority.issue("proxy");
        let listen = format!("127.0.0.1:{}", port.number);
        let file = folder.path().join("configuration");
        let process = match kind {
            Kind::Nginx => {
                let text = manual("nginx")
                    .replacing("listen 443 ssl;", &format!("listen {listen} ssl reuseport;"))
                    .replacing("/etc/ssl/console.pem", &shown(&certificate.cert))
                    .replacing("/etc/ssl/console.key", &shown(&certificate.key))
                    .replacing("127.0.0.1:8080", &server.to_string());
                put(&file, &around_nginx(&text.0, folder.path()));
                let mut nginx = Command::new("nginx");
                nginx.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(&file);
                let process = Process::start("nginx", &mut nginx);
                process.stderr().expect("start worker process ", PATIENCE);
                process
            }
            Kind::Haproxy => {
                let both = folder.path().join("both.pem");
                put(&both, &(read(&certificate.cert) + &read(&certificate.key)));
                let text = manual("haproxy")
                    .replacing("bind :443 ssl", &format!("bind {listen} ssl"))
                    .replacing("/etc/ssl/console-both.pem", &shown(&both))
                    .replacing("127.0.0.1:8080", &server.to_string());
                put(&file, &format!("{AROUND_HAPROXY}{}", text.0));
                let mut haproxy = Command::new("haproxy");
                haproxy.args(["-W", "-db", "-f"]).arg(&file);
                let process = Process::start("HAProxy", &mut haproxy);
                process.stderr().expect("Loading success", PATIENCE);
                process
            }
            Kind::Apache => {
                let text = manual("apache")
                    .replacing("*:443", &listen)
                    .replacing("/etc/ssl/console.pem", &shown(&certificate.cert))
                    .replacing("/etc/ssl/console.key", &shown(&certificate.key))
                    .replacing("http://127.0.0.1:8080/", &format!("http://{server}/"));
                put(&file, &around_apache(&text.0, &listen, folder.path()));
                let mut apache = Command::new("/usr/sbin/apache2");
                apache.args(["-D", "FOREGROUND", "-f"]).arg(&file).env("APACHE_LOG_DIR", folder.path());
                let process = Process::start("Apache", &mut apache);
                process.stderr().expect("resuming normal operations", PATIENCE);
                process
            }
            Kind::Caddy => {
                let (cert, key) = (shown(&certificate.cert), shown(&certificate.key));
                let text = manual("caddy")
                    .replacing("console.example.com {", &format!("https://{listen} {{\n    tls {cert} {key}"))
                    .replacing("127.0.0.1:8080", &server.to_string());
                put(&file, &format!("{AROUND_CADDY}{}", text.0));
                let mut caddy = Command::new("caddy");
                caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
                caddy.env("XDG_DATA_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
                let process = Process::start("Caddy", &mut caddy);
                process.stderr().expect("serving initial configuration", PATIENCE);
                process
            }
        };
        Self { _process: process, _port: port, authority, _folder: folder }
    }

    /// The authority of the proxy's certificate.
    #[must_use]
    pub fn ca(&self) -> &Path {
        self.authority.ca()
    }
}

/// An example from the manual.
struct Manual(String);

/// The manual's only example in this language.
fn manual(language: &str) -> Manual {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/proxies.md");
    let text = read(&path);
    let fence = format!("```{language}\n");
    let mut examples = text.split(&fence).skip(1);
    let example = examples.next().and_then(|rest| rest.split("\n```").next());
    assert!(examples.next().is_none(), "the manual has two examples for {language}");
    Manual(format!("{}\n", example.expect("the manual has an example")))
}

impl Manual {
    /// Replaces an address or a file name that differs in a test.
    fn replacing(self, words: &str, by: &str) -> Self {
        assert!(self.0.contains(words), "the manual no longer says {words}");
        Self(self.0.replace(words, by))
    }
}

/// The configuration that Debian has around a site's, with all paths in this folder.
fn around_nginx(site: &str, folder: &Path) -> String {
    let kept: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", folder.join(what).display()))
        .concat();
    format!(
        "user root;\nworker_processes 1;\ndaemon off;\npid {};\nerror_log stderr notice;\nevents {{}}\n\
         http {{\ngzip on;\ngzip_types application/json;\ngzip_proxied any;\ngzip_min_length 20;\n{kept}{site}}}\n",
        folder.join("pid").display()
    )
}

const AROUND_HAPROXY: &str =
    "defaults\n    mode http\n    compression algo gzip\n    compression type application/json\n";
const AROUND_CADDY: &str = "{\n    admin off\n    auto_https disable_redirects\n}\n";

/// The configuration that Debian has around a site's, with all paths in this folder.
fn around_apache(site: &str, listen: &str, folder: &Path) -> String {
    let modules: String = [
        "mpm_event",
        "authz_core",
        "headers",
        "env",
        "ssl",
        "socache_shmcb",
        "proxy",
        "proxy_http",
        "deflate",
    ]
    .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
    .concat();
    format!(
        "ServerRoot {0}\nServerName localhost\nPidFile {0}/pid\nDefaultRuntimeDir {0}\nErrorLog /dev/stderr\nListen {listen}\n\
         {modules}User www-data\nGroup www-data\nSetOutputFilter DEFLATE\n{site}",
        folder.display()
    )
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn put(path: &PathBuf, text: &str) {
    fs::write(path, text).expect("the temporary folder can be written");
}
