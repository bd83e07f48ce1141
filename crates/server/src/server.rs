//! A running server: assembled, started on a listener, and drained at the end.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transom_model::EndReason;
use transom_model::id::NodeId;
use transom_model::secret::{Secret, TokenDigest};
use transom_net::budget::Budget;
use transom_store::{DatabaseUrl, Earlier, Store, StoreError};
use transom_tunnel::{Refusal, RefusalCode};
use url::Url;

use crate::data::{Admin, DataFolder};
use crate::listener::certificate::{Certificate, TlsError};
use crate::listener::self_signed::{self, SelfSigned};
use crate::listener::{self, Front, Shedding};
use crate::router;
use crate::start_error::StartError;
use transom_api::EndpointTests;
use transom_app::fence::{self, Fence};
use transom_app::upkeep::fencing::Watcher;
use transom_app::upkeep::{heartbeat, watch};
use transom_app::vault::{MasterKey, Purpose, Vault};
use transom_app::{App, Parts, existing_cloud, random};
use transom_config::{Config, TlsFiles};
use transom_gateway::endpoint_test::EndpointTester;
use transom_gateway::entrance::Gateway;
use transom_http::unproved::Unproved;
use transom_relay::repeater::{self, Kind};
use transom_relay::{Relay, raw};

/// The source of the TLS certificate.
#[derive(Clone, Debug)]
pub enum Tls {
    /// The certificate of the configuration, or plain HTTP if it names none.
    Off,
    /// A certificate from files.
    Files(TlsFiles),
    /// A self-signed certificate in the data folder.
    SelfSigned,
}

/// The settings for starting a server.
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    /// The configuration.
    pub config: Config,
    /// The database; `None` for SQLite in the data folder.
    pub database: Option<String>,
    /// The source of the TLS certificate.
    pub tls: Tls,
    /// The master key; `None` for the data folder's own.
    pub master_key: Option<MasterKey>,
}

/// A running server.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    relay_address: Option<SocketAddr>,
    url: Url,
    admin: Admin,
    ca: Option<PathBuf>,
    accepting: CancellationToken,
    background: CancellationToken,
    tasks: TaskTracker,
    half_open: Arc<Budget>,
    repeaters: Vec<(Kind, SocketAddr)>,
    watching: TaskTracker,
    store: Store,
    _fence: Watcher,
    _lock: File,
}

impl Server {
    /// Starts the server on a bound listener.
    pub async fn start(options: Options, listener: TcpListener) -> Result<Self, StartError> {
        let Options { data, config, database, tls, master_key } = options;
        let data = DataFolder::open(&data)?;
        let lock = data.lock()?;
        let address = listener.local_addr()?;
        let PreparedTls { certificate, files, own } = prepare_tls(&data, tls, &config, address)?;
        let ca = own.as_ref().map(|own| own.ca.clone());
        let only_here = certificate.is_none() && config.http.trusted_proxies.is_empty();
        let url = own_url(address, certificate.is_some(), only_here)?;
        let public_url = config.http.public_url.clone().unwrap_or_else(|| url.clone());
        let operators = operators_url(&url, address, certificate.is_some() && ca.is_none(), &public_url);
        let admin = data.admin(operators.as_str().trim_end_matches('/'), ca.as_deref())?;
        let database = match database {
            Some(url) => DatabaseUrl::parse(&url)?,
            None => DatabaseUrl::sqlite(data.database()),
        };
        let store = Store::open(&database).await;
        let store = store.map_err(|error| StartError::Open { database: database.clone(), error })?;
        let vault = unlock(&store, &data, master_key).await?;
        let upstream = existing_cloud::upstream(&config).map_err(StartError::Cloud)?;
        let fence = register(&store, &data, lock.continues, config.limits.node.fence).await?;
        let folder = data.clone();
        let app = App::new(Parts {
            store: store.clone(),
            vault,
            fence,
            keep_node: Box::new(move |node| {
                if let Err(error) = folder.set_node(node) {
                    tracing::warn!(%error, "the node's id could not be saved for the next start");
                }
            }),
            operator: TokenDigest::of(&admin.token),
            public_url,
            config,
            upstream,
        });
        app.existing_cloud.prepare_foreign_project().await?;
        let (tasks, watching) = (TaskTracker::new(), TaskTracker::new());
        let (accepting, background) = (CancellationToken::new(), CancellationToken::new());
        let raw = RawListener::open(&app)?;
        let relay_address = raw.as_ref().map(|raw| raw.address);
        let raw_address = raw.as_ref().map_or_else(String::new, |raw| raw.public_address.clone());
        let limits = &app.config().limits;
        let half_open = Budget::new(limits.half_open_per_source, limits.half_open);
        let relay = Relay::new(Arc::clone(&app), tasks.clone(), raw_address, Arc::clone(&half_open));
        let devices = Arc::new(relay.clone());
        let tester = Arc::new(EndpointTester::new(Arc::clone(&app), Arc::clone(&devices) as _));
        let tests = EndpointTests { tester, tasks: tasks.clone() };
        let gateway = Gateway::new(Arc::clone(&app), devices, tasks.clone());
        let repeater = app.config().repeater;
        let repeater_budget = Budget::new(repeater.per_source, repeater.in_all);
        let mut repeaters = Vec::new();
        for (kind, wanted) in [(Kind::Devices, repeater.devices), (Kind::Viewers, repeater.viewers)] {
            let Some(wanted) = wanted else { continue };
            let listener =
                listener::bind(wanted).map_err(|source| StartError::Repeater { address: wanted, source })?;
            repeaters.push((kind, listener.local_addr()?));
            let (relay, budget, stop) = (relay.clone(), Arc::clone(&repeater_budget), accepting.clone());
            tasks.spawn(repeater::serve(relay, kind, listener, budget, stop));
        }
        let front = Arc::new(Front {
            router: router::router(&app, gateway.clone(), tests, relay.clone()),
            gateway,
            half_open: Arc::clone(&half_open),
            http: Budget::new(limits.http_per_source, limits.http),
            proxied: Budget::new(limits.http_per_source, limits.http),
            unproved: Unproved::new(limits.unproved_bytes_per_source, limits.unproved_bytes),
            shedding: Shedding::default(),
            tls: certificate.clone(),
            tasks: tasks.clone(),
            app: Arc::clone(&app),
        });
        if let (Some(certificate), Some(files)) = (certificate, files) {
            watching.spawn(certificate.follow(files, background.clone()));
        }
        if let Some(own) = own {
            watching.spawn(own.keep_fresh(background.clone()));
        }
        watching.spawn(watch::run(Arc::clone(&app.upkeep), background.clone()));
        let fence = Watcher::start(&app.upkeep)?;
        watching.spawn(heartbeat::run(Arc::clone(&app.upkeep), background.clone()));
        if let Some(raw) = raw {
            tracing::info!(address = raw.public_address, "listening for raw data connections of devices");
            tasks.spawn(raw::serve(relay, raw.listener, Arc::clone(&half_open), accepting.clone()));
        }
        tasks.spawn(listener::serve(front, listener, accepting.clone()));
        Ok(Self {
            app,
            address,
            relay_address,
            url,
            admin,
            ca,
            accepting,
            background,
            tasks,
            half_open,
            repeaters,
            watching,
            store,
            _fence: fence,
            _lock: lock.file,
        })
    }

    /// Returns the listener's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the raw listener for devices' data connections, if there is one.
    #[must_use]
    pub fn relay_address(&self) -> Option<SocketAddr> {
        self.relay_address
    }

    /// Returns the server's URL on this machine, which may differ from its public one.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Returns the content of the file for operator commands.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Returns the path of the self-signed certificate's authority. `None` for other certificates.
    #[must_use]
    pub fn ca(&self) -> Option<&std::path::Path> {
        self.ca.as_deref()
    }

    /// Returns the URL with which console URLs begin.
    #[must_use]
    pub fn public_url(&self) -> &Url {
        self.app.public_url()
    }

    /// Returns the address of a listener for the UltraVNC repeater's protocol, if there is one.
    #[must_use]
    pub fn repeater(&self, kind: Kind) -> Option<SocketAddr> {
        self.repeaters.iter().find(|(own, _)| *own == kind).map(|(_, address)| *address)
    }

    /// Returns the number of tasks that serve connections and sessions now, including the
    /// listener's own.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// The number of connections that have not sent a request yet and of devices that have not
    /// proved their identity yet.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.count()
    }

    /// Returns the use cases.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Drains the server: stops accepting connections, tells sessions the reason, waits for them up
    /// to the configured limit, and ends.
    pub async fn stop(self) {
        self.accepting.cancel();
        self.app.live.close(&EndReason::ShuttingDown.into());
        let going = Refusal::from(RefusalCode::CloudConnectivityError).because("the server is shutting down");
        self.app.devices.joined.close(&going);
        let limit = self.app.config().limits.drain.0;
        self.tasks.close();
        let drained = tokio::time::timeout(limit, async {
            self.app.live.drained().await;
            self.tasks.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!(left = self.tasks.len(), "some connections or sessions did not end in time");
        }
        self.background.cancel();
        self.watching.close();
        self.watching.wait().await;
        if let Err(error) = self.store.retire_node(self.app.upkeep.last_life()).await {
            tracing::warn!(%error, "this node could not report its end; the other nodes will wait a minute for it");
        }
        self.store.close().await;
    }
}

/// The raw listener for devices' data connections, and the address by which devices reach it.
struct RawListener {
    listener: TcpListener,
    address: SocketAddr,
    public_address: String,
}

impl RawListener {
    fn open(app: &App) -> Result<Option<Self>, StartError> {
        let config = &app.config().relay;
        let Some(address) = config.listen else { return Ok(None) };
        let failed = |source| StartError::RelayListener { address, source };
        let listener = listener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let host = || app.public_url().host_str().unwrap_or_default().to_owned();
        let public_address =
            config.public_address.clone().unwrap_or_else(|| format!("{}:{}", host(), bound.port()));
        Ok(Some(Self { listener, address: bound, public_address }))
    }
}

/// The TLS certificate and the way in which it is renewed.
#[derive(Default)]
struct PreparedTls {
    certificate: Option<Certificate>,
    /// Files that are read again when they change.
    files: Option<TlsFiles>,
    /// A self-signed certificate that is renewed.
    own: Option<SelfSigned>,
}

impl PreparedTls {
    fn from_files(files: TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { certificate: Some(Certificate::from_files(&files)?), files: Some(files), own: None })
    }
}

fn prepare_tls(
    data: &DataFolder,
    tls: Tls,
    config: &Config,
    address: SocketAddr,
) -> Result<PreparedTls, StartError> {
    match (tls, &config.http.tls) {
        (Tls::Files(files), _) => Ok(PreparedTls::from_files(files)?),
        (Tls::SelfSigned, _) => {
            let made = self_signed::prepare(data.folder(), &names(config, address))?;
            Ok(PreparedTls { own: Some(made.clone()), ..PreparedTls::from_files(made.files)? })
        }
        (Tls::Off, Some(files)) => Ok(PreparedTls::from_files(files.clone())?),
        (Tls::Off, None) => Ok(PreparedTls::default()),
    }
}

/// Returns the names of a self-signed certificate: this machine's addresses, and the public name.
fn names(config: &Config, address: SocketAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(
        config
            .http
            .public_url
            .as_ref()
            .and_then(|url| url.host_str())
            .map(|name| name.trim_matches(['[', ']']).to_owned()),
    );
    if address.ip().is_unspecified() {
        names.extend(
            if_addrs::get_if_addrs().unwrap_or_default().iter().map(|interface| interface.ip().to_string()),
        );
    } else {
        names.push(address.ip().to_string());
    }
    names.sort();
    names.dedup();
    names
}

/// Returns the URL of this listener. If it listens on all addresses, the URL has the first IPv4
/// address beyond loopback, or the loopback address if only this machine may connect.
fn own_url(address: SocketAddr, tls: bool, only_here: bool) -> Result<Url, url::ParseError> {
    let ip = match address.ip() {
        ip if ip.is_unspecified() && only_here => loopback(ip).unwrap_or(ip),
        ip if ip.is_unspecified() => first_address(),
        ip => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{}", SocketAddr::new(ip, address.port())))
}

/// Returns the URL for operator commands. A certificate from files may lack this machine's address,
/// so commands use plain HTTP on loopback if the listener is reached there, and otherwise the
/// public name.
fn operators_url(own: &Url, address: SocketAddr, named: bool, public: &Url) -> Url {
    let url = match (named, loopback(address.ip())) {
        (true, Some(ip)) => Url::parse(&format!("http://{}", SocketAddr::new(ip, address.port()))).ok(),
        (true, None) => Some(public.clone()),
        (false, _) => None,
    };
    url.unwrap_or_else(|| own.clone())
}

/// Returns the loopback address at which a listener on this address is reached.
fn loopback(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        ip if ip.is_loopback() => Some(ip),
        IpAddr::V4(ip) if ip.is_unspecified() => Some(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => Some(Ipv6Addr::LOCALHOST.into()),
        _ => None,
    }
}

fn first_address() -> IpAddr {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let found = interfaces.iter().find(|interface| !interface.is_loopback() && interface.ip().is_ipv4());
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), if_addrs::Interface::ip)
}

/// Registers this node in the database. If another process may use the node's id, as after a copy
/// of the data folder, the node takes a new one.
async fn register(
    store: &Store,
    data: &DataFolder,
    continues: bool,
    limit: Duration,
) -> Result<Fence, StartError> {
    // A SQLite file belongs to one node, so no other node can declare it dead.
    let alone = store.kind() == "sqlite";
    let begun = fence::now();
    let before = data.node()?;
    let earlier = if alone || continues { Earlier::Over } else { Earlier::Unknown };
    let node = match store.register_node(before, heartbeat::VERSION, earlier).await? {
        Some(node) => node,
        None => {
            let id = NodeId(random::uuid());
            tracing::warn!(node = %id, %before, "another process may use this node's id, so the node takes a new one");
            data.set_node(id)?;
            let node = store.register_node(id, heartbeat::VERSION, Earlier::Unknown).await?;
            node.ok_or(StoreError::Conflict("the node's id is taken"))?
        }
    };
    Ok(Fence::new(node, begun, (!alone).then_some(limit)))
}

/// Returns the vault of the database's secrets. A wrong master key is found now and not at the
/// first console. If the database has secrets already, no new key is generated, because it could
/// not open them.
async fn unlock(store: &Store, data: &DataFolder, given: Option<MasterKey>) -> Result<Vault, StartError> {
    const NAME: &str = "master-key-check";
    let path = data.master_key_file();
    let key = match given {
        Some(key) => key,
        None if store.setting(NAME).await?.is_some() && !path.exists() => {
            return Err(StartError::NoMasterKey { path });
        }
        None => data.master_key()?,
    };
    let vault = Vault::new(key);
    let fresh = vault.seal(Purpose::Check, NAME, &Secret::new("transom"));
    let stands = store.set_setting_if_absent(NAME, &fresh.0).await?;
    let sealed = transom_model::instance::Sealed(stands);
    match vault.open(Purpose::Check, NAME, &sealed) {
        Ok(_) => Ok(vault),
        Err(_) => Err(StartError::MasterKey { path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_commands_reach_a_server_whose_certificate_bears_a_public_name() {
        let public: Url = "https://console.example.com/".parse().expect("URL");
        let url = |address: &str, named| {
            let address = address.parse().expect("an address");
            operators_url(&own_url(address, true, false).expect("URL"), address, named, &public).to_string()
        };
        assert_eq!(url("127.0.0.1:443", true), "http://127.0.0.1:443/");
        assert_eq!(url("0.0.0.0:443", true), "http://127.0.0.1:443/");
        assert_eq!(url("[::]:443", true), "http://[::1]:443/");
        assert_eq!(url("192.0.2.1:443", true), "https://console.example.com/");
        assert_eq!(url("127.0.0.1:444", false), "https://127.0.0.1:444/");
    }

    #[test]
    fn a_server_of_this_machine_alone_is_named_by_loopback() {
        for (address, expected) in [("0.0.0.0:80", "http://127.0.0.1/"), ("[::]:8080", "http://[::1]:8080/")]
        {
            let url = own_url(address.parse().expect("an address"), false, true).expect("URL");
            assert_eq!(url.as_str(), expected);
        }
    }
}
