//! A real server on loopback with its data in a temporary folder.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use transom_app::App;
use transom_config::Config;
use transom_server::listener;
use transom_server::{Options, Server, Tls};

use crate::api::{Api, Console, Login};
use crate::duplex::Route;
use crate::instance::Instance;
use crate::viewer::Opening;

/// The project that every test server has.
pub const PROJECT: &str = "alpha";

/// A server for one test.
pub struct TestServer {
    server: Server,
    setup: Setup,
    api: Api,
}

/// The settings of a test server.
#[derive(Clone)]
pub struct Setup {
    folder: Arc<TempDir>,
    listen: Ipv4Addr,
    config: Config,
    database: Option<String>,
    tls: Tls,
}

impl Setup {
    /// Changes the configuration.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Stores the durable state in this database instead of SQLite.
    #[must_use]
    pub fn database(self, url: String) -> Self {
        Self { database: Some(url), ..self }
    }

    /// The settings of another node on the same database, with its own data folder and this node's
    /// master key.
    ///
    /// # Panics
    /// Panics if the first node has not been started yet.
    #[must_use]
    pub fn another_node(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("data")).expect("its data folder");
        let key = |folder: &Path| folder.join("data/master.key");
        std::fs::copy(key(self.folder()), key(folder.path())).expect("the first node's master key");
        Self { folder: Arc::new(folder), ..self.clone() }
    }

    /// Adds TLS.
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// Listens on this address instead of 127.0.0.1.
    #[must_use]
    pub fn listen(self, listen: Ipv4Addr) -> Self {
        Self { listen, ..self }
    }

    /// The folder for the server's data and the test's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts without calling the server, for a test in which the operator reaches it in an unusual
    /// way.
    pub async fn start_bare(self) -> TestServer {
        TestServer::launch(self).await
    }

    /// Starts on the data that an earlier server left in the folder.
    pub async fn resume(self) -> TestServer {
        TestServer::launch(self).await
    }

    /// Starts and creates the project.
    pub async fn start(self) -> TestServer {
        let server = TestServer::launch(self).await;
        server.api.add_project(PROJECT).await;
        server
    }
}

impl TestServer {
    /// The settings of a server, to be changed.
    #[must_use]
    pub fn setup() -> Setup {
        Setup {
            folder: Arc::new(tempfile::tempdir().expect("a temporary folder")),
            listen: Ipv4Addr::LOCALHOST,
            config: Config::default(),
            database: None,
            tls: Tls::Off,
        }
    }

    /// Starts a server with the default settings.
    pub async fn start() -> Self {
        Self::setup().start().await
    }

    async fn launch(setup: Setup) -> Self {
        let listener = listener::bind((setup.listen, 0).into()).expect("a loopback port is free");
        let options = Options {
            data: setup.folder.path().join("data"),
            config: setup.config.clone(),
            database: setup.database.clone(),
            tls: setup.tls.clone(),
            master_key: None,
        };
        let server = Server::start(options, listener).await.expect("the server starts");
        // Each call has a connection of its own, so that no idle connection looks like a leak.
        let mut http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        if let Some(ca) = server.ca() {
            let pem = std::fs::read(ca).expect("the CA was written");
            http = http.tls_certs_only([reqwest::Certificate::from_pem(&pem).expect("a certificate")]);
        }
        let http = http.build().expect("an HTTP client");
        let base = server.admin().server.clone();
        let login = Login::Bearer(server.admin().token.clone());
        Self { server, setup, api: Api { http, base, login } }
    }

    /// Restarts on the same data and another port.
    pub async fn restart(self) -> Self {
        let Self { server, setup, .. } = self;
        server.stop().await;
        Self::launch(setup).await
    }

    /// Drains and stops the server.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// The server itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The server's use cases.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        self.server.app()
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The folder of its settings.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.setup.folder.path()
    }

    /// The operator's client of the native API.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The operator's client without TLS, which the server permits from its own machine.
    #[must_use]
    pub fn plain_api(&self) -> Api {
        Api { base: format!("http://{}", self.address()), ..self.api.clone() }
    }

    /// The origin of Transom's own page.
    #[must_use]
    pub fn origin(&self) -> String {
        self.api.base.clone()
    }

    /// A viewer on a connection without TLS.
    #[must_use]
    pub fn viewer(&self) -> Opening {
        Opening::new(Route::plain(self.address()))
    }

    /// Adds an instance to the project. Returns its id.
    pub async fn add(&self, instance: &Instance) -> String {
        self.add_with(instance, json!({})).await
    }

    /// Adds an instance with additional members. Returns its id.
    pub async fn add_with(&self, instance: &Instance, mut body: Value) -> String {
        body["endpoint"] = instance.endpoint().into();
        self.api.add_instance(PROJECT, body).await
    }

    /// Requests a console URL.
    pub async fn console(&self, instance: &str) -> Console {
        self.console_with(instance, json!({})).await
    }

    /// Requests a console URL with this body.
    pub async fn console_with(&self, instance: &str, body: Value) -> Console {
        self.api.console(PROJECT, instance, body).await
    }

    /// The path of an instance in the API.
    #[must_use]
    pub fn instance_path(&self, instance: &str) -> String {
        format!("/api/v1/projects/{PROJECT}/instances/{instance}")
    }
}
