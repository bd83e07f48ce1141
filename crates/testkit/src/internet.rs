//! A small internet in network namespaces: a public server, and two private networks behind NATs
//! that drop incoming connections.
//!
//! ```text
//!  device 192.168.77.2 ── NAT 10.77.0.11 ──┐
//!                                          ├── server 10.77.0.2
//!  viewer 192.168.78.2 ── NAT 10.77.0.12 ──┘
//! ```
//!
//! Both NATs are port-restricted: they admit responses to outgoing packets and silently drop
//! everything else. A thread enters a host's namespace and works there. Sockets that it opens and
//! programs that it starts stay in that namespace.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A host of the internet, each in a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The public server, [`SERVER`].
    Server,
    /// The device behind the first NAT.
    Device,
    /// The viewer behind the second NAT.
    Viewer,
    /// The first NAT: [`DEVICE_NAT`].
    DeviceNat,
    /// The second NAT.
    ViewerNat,
    /// The bridge between the public hosts.
    Backbone,
}

/// The server's public address.
pub const SERVER: &str = "10.77.0.2";
/// The device's public address.
pub const DEVICE_NAT: &str = "10.77.0.11";
/// The viewer's public address.
pub const VIEWER_NAT: &str = "10.77.0.12";
/// The device's address in its private network.
pub const DEVICE: &str = "192.168.77.2";

/// The NAT's rules: forward connections from the inside only, and drop packets without a mapping,
/// including those to the NAT itself.
const NAT: &str = "table ip nat_of_a_test {
    chain outwards { type nat hook postrouting priority 100; oifname \"wan\" masquerade; }
    chain through {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept;
        iifname \"lan\" oifname \"wan\" ct state new accept;
    }
    chain itself {
        type filter hook input priority 0; policy drop;
        ct state established,related accept;
        iifname { \"lo\", \"lan\" } accept;
    }
}";

const FOLDER: &str = "/run/netns";
const NAME: &str = "transom-test";
static BUILT: AtomicUsize = AtomicUsize::new(0);

/// The internet of one test. Dropping it deletes its namespaces.
#[derive(Debug)]
pub struct Internet {
    name: String,
}

impl Host {
    const ALL: [Self; 6] =
        [Self::Backbone, Self::Server, Self::DeviceNat, Self::Device, Self::ViewerNat, Self::Viewer];
}

impl Internet {
    /// Builds the internet.
    ///
    /// # Panics
    /// Panics if namespaces are not permitted, with the reason.
    #[must_use]
    pub fn build() -> Self {
        remove_leftovers();
        let number = BUILT.fetch_add(1, Ordering::Relaxed);
        let internet = Self { name: format!("{NAME}-{}-{number}", std::process::id()) };
        for host in Host::ALL {
            internet.ip(None, &format!("netns add {}", internet.at_name(host)));
            internet.ip(Some(host), "link set lo up");
        }
        internet.ip(Some(Host::Backbone), "link add wire type bridge");
        internet.ip(Some(Host::Backbone), "link set wire up");
        let public = [
            (Host::Server, SERVER, "server"),
            (Host::DeviceNat, DEVICE_NAT, "devices"),
            (Host::ViewerNat, VIEWER_NAT, "viewers"),
        ];
        for (host, address, port) in public {
            internet.link((Host::Backbone, port), (host, "wan"));
            internet.ip(Some(Host::Backbone), &format!("link set {port} master wire"));
            internet.ip(Some(host), &format!("address add {address}/24 dev wan"));
        }
        internet.network(Host::DeviceNat, Host::Device, "192.168.77");
        internet.network(Host::ViewerNat, Host::Viewer, "192.168.78");
        internet
    }

    /// Runs `work` in a host's namespace. Sockets and programs that it creates stay there.
    ///
    /// # Panics
    /// Panics if `work` does.
    pub fn at<T: Send>(&self, host: Host, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(PathBuf::from(FOLDER).join(self.at_name(host))).expect("it was built");
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("whoever may build namespaces may step into them");
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Makes the device's NAT forget its mappings, as after a restart or a long idle time.
    pub fn forget_mappings(&self) {
        self.at(Host::DeviceNat, || run(Command::new("conntrack").arg("-F"), ""));
    }

    /// Unplugs the cable between the device and its NAT.
    pub fn unplug_device(&self) {
        self.ip(Some(Host::DeviceNat), "link set lan down");
    }

    /// Plugs the cable in again.
    pub fn plug_device(&self) {
        self.ip(Some(Host::DeviceNat), "link set lan up");
    }

    fn network(&self, nat: Host, inside: Host, network: &str) {
        self.link((nat, "lan"), (inside, "lan"));
        self.ip(Some(nat), &format!("address add {network}.1/24 dev lan"));
        self.ip(Some(inside), &format!("address add {network}.2/24 dev lan"));
        self.ip(Some(inside), &format!("route add default via {network}.1"));
        self.at(nat, || {
            let set = |name: &str, value: &str| {
                fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| {
                    panic!("net/{name} cannot be set in a network namespace ({error}): {PERMISSION}")
                });
            };
            set("ipv4/ip_forward", "1");
            run(Command::new("nft").args(["-f", "-"]), NAT);
            // A packet of a connection whose start was not seen belongs to no connection.
            set("netfilter/nf_conntrack_tcp_loose", "0");
        });
    }

    fn link(&self, one: (Host, &str), other: (Host, &str)) {
        let far = self.at_name(other.0);
        self.ip(Some(one.0), &format!("link add {} type veth peer name {} netns {far}", one.1, other.1));
        self.ip(Some(one.0), &format!("link set {} up", one.1));
        self.ip(Some(other.0), &format!("link set {} up", other.1));
    }

    fn at_name(&self, host: Host) -> String {
        format!("{}-{host:?}", self.name)
    }

    fn ip(&self, host: Option<Host>, words: &str) {
        let mut command = Command::new("ip");
        if let Some(host) = host {
            command.args(["-n", &self.at_name(host)]);
        }
        run(command.args(words.split(' ')), "");
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for host in Host::ALL {
            remove(&self.at_name(host));
        }
    }
}

/// The explanation in a failure.
const PERMISSION: &str = "the tests behind NATs make network namespaces, which takes root with CAP_SYS_ADMIN and \
                          CAP_NET_ADMIN (in a container: --privileged)";

fn run(command: &mut Command, input: &str) {
    use std::io::Write as _;
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{program} does not start ({error}): run `make test`, which installs it")
    });
    // A program that ignores its input may close the pipe early.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it is our child");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}): {PERMISSION}", said.trim());
}

/// Removes namespaces that killed tests left behind.
fn remove_leftovers() {
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(NAME).and_then(|rest| rest.split('-').nth(1));
        if owner.is_some_and(|owner| !PathBuf::from("/proc").join(owner).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    // The namespace may not exist, or another test may be deleting it.
    let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
}
