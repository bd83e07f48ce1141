//! A small internet in network namespaces: a public server, and two private networks, each behind a NAT that nobody can
//! dial through.
//!
//! ```text
//!  device 192.168.77.2 ── NAT 10.77.0.11 ──┐
//!                                          ├── server 10.77.0.2
//!  viewer 192.168.78.2 ── NAT 10.77.0.12 ──┘
//! ```
//!
//! Both NATs are port-restricted: they let in what answers what went out, and drop everything else without a word. A
//! thread steps into a place and works there; sockets that it makes and programs that it starts stay there.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the open: [`SERVER`].
    Server,
    /// Behind the first NAT.
    Device,
    /// Behind the second NAT.
    Viewer,
    /// The first NAT: [`DEVICE_NAT`].
    DeviceNat,
    /// The second NAT.
    ViewerNat,
    /// The wire between them all.
    Backbone,
}

/// The public address of the server.
pub const SERVER: &str = "10.77.0.2";
/// What the device is seen as.
pub const DEVICE_NAT: &str = "10.77.0.11";
/// What the viewer is seen as.
pub const VIEWER_NAT: &str = "10.77.0.12";
/// The device in its own network.
pub const DEVICE: &str = "192.168.77.2";

/// What forwards, from the inside only. What it has no mapping for it drops: that is not a connection of its own making.
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

/// The internet of one test; its namespaces go with it.
#[derive(Debug)]
pub struct Internet {
    name: String,
}

impl Place {
    const ALL: [Self; 6] =
        [Self::Backbone, Self::Server, Self::DeviceNat, Self::Device, Self::ViewerNat, Self::Viewer];
}

impl Internet {
    /// Builds it.
    ///
    /// # Panics
    /// Where namespaces are not permitted, with the reason.
    #[must_use]
    pub fn build() -> Self {
        remove_leftovers();
        let number = BUILT.fetch_add(1, Ordering::Relaxed);
        let internet = Self { name: format!("{NAME}-{}-{number}", std::process::id()) };
        for place in Place::ALL {
            internet.ip(None, &format!("netns add {}", internet.at_name(place)));
            internet.ip(Some(place), "link set lo up");
        }
        internet.ip(Some(Place::Backbone), "link add wire type bridge");
        internet.ip(Some(Place::Backbone), "link set wire up");
        let public = [
            (Place::Server, SERVER, "server"),
            (Place::DeviceNat, DEVICE_NAT, "devices"),
            (Place::ViewerNat, VIEWER_NAT, "viewers"),
        ];
        for (place, address, port) in public {
            internet.link((Place::Backbone, port), (place, "wan"));
            internet.ip(Some(Place::Backbone), &format!("link set {port} master wire"));
            internet.ip(Some(place), &format!("address add {address}/24 dev wan"));
        }
        internet.network(Place::DeviceNat, Place::Device, "192.168.77");
        internet.network(Place::ViewerNat, Place::Viewer, "192.168.78");
        internet
    }

    /// Does something in a place: what it opens and starts belongs there.
    ///
    /// # Panics
    /// Where the work does.
    pub fn at<T: Send>(&self, place: Place, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(PathBuf::from(FOLDER).join(self.at_name(place))).expect("it was built");
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("whoever may build namespaces may step into them");
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Makes the device's NAT forget all its mappings, as one does that was restarted or had nothing to forward for long.
    pub fn forget_mappings(&self) {
        self.at(Place::DeviceNat, || run(Command::new("conntrack").arg("-F"), ""));
    }

    /// Pulls the cable between the device and its NAT.
    pub fn unplug_device(&self) {
        self.ip(Some(Place::DeviceNat), "link set lan down");
    }

    /// Puts it back.
    pub fn plug_device(&self) {
        self.ip(Some(Place::DeviceNat), "link set lan up");
    }

    fn network(&self, nat: Place, inside: Place, network: &str) {
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
            // What was not seen from its beginning belongs to no connection.
            set("netfilter/nf_conntrack_tcp_loose", "0");
        });
    }

    fn link(&self, one: (Place, &str), other: (Place, &str)) {
        let far = self.at_name(other.0);
        self.ip(Some(one.0), &format!("link add {} type veth peer name {} netns {far}", one.1, other.1));
        self.ip(Some(one.0), &format!("link set {} up", one.1));
        self.ip(Some(other.0), &format!("link set {} up", other.1));
    }

    fn at_name(&self, place: Place) -> String {
        format!("{}-{place:?}", self.name)
    }

    fn ip(&self, place: Option<Place>, words: &str) {
        let mut command = Command::new("ip");
        if let Some(place) = place {
            command.args(["-n", &self.at_name(place)]);
        }
        run(command.args(words.split(' ')), "");
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for place in Place::ALL {
            remove(&self.at_name(place));
        }
    }
}

/// What the reader of a failure has to know.
const PERMISSION: &str = "the tests behind NATs make network namespaces, which takes root with CAP_SYS_ADMIN and \
                          CAP_NET_ADMIN (in a container: --privileged)";

fn run(command: &mut Command, input: &str) {
    use std::io::Write as _;
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{program} does not start ({error}): run `make test`, which installs it")
    });
    // Who does not read its input loses nothing.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it is our child");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}): {PERMISSION}", said.trim());
}

/// What tests that were killed could not take away.
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
    // It may never have come to be, or another test may be removing it as well.
    let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
}
