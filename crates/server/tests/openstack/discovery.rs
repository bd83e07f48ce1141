//! Clients that know only the server's address: each finds identity there, and compute in the
//! catalogue.

use std::path::PathBuf;
use std::process::{Command, Output};

use reqwest::Method;
use transom_app::inventory::instances::InstanceInput;
use transom_testkit::chromium::Visit;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::clients::chromium_types;
use crate::house::{House, PROJECT, RUNNING, answer, output, repository};

/// The usual ends of an address.
const ADDRESSES: [&str; 2] = ["", "/"];

/// Returns the environment of a client that is given the server's address with this end.
fn environment(house: &House, behind: &str) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("OS_AUTH_URL", format!("{}{behind}", house.url)),
        ("OS_USERNAME", house.member.id.clone()),
        ("OS_PASSWORD", house.member.secret.clone()),
        ("OS_PROJECT_NAME", text(PROJECT)),
        ("OS_USER_DOMAIN_NAME", text("Default")),
        ("OS_PROJECT_DOMAIN_NAME", text("Default")),
        ("SERVER", text(RUNNING)),
    ]
}

/// Expects that a client printed this many console URLs, and that each opens. Returns them.
async fn gives(house: &House, output: &Output, count: usize) -> Vec<String> {
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    let urls: Vec<_> = told.split_whitespace().filter(|word| word.starts_with(&house.url)).collect();
    assert_eq!(urls.len(), count, "{told}");
    for url in &urls {
        let path = url.strip_prefix(&house.url).unwrap();
        assert_eq!(house.request(Method::HEAD, path).send().await.unwrap().status(), 200, "{url}");
    }
    urls.into_iter().map(str::to_owned).collect()
}

async fn python(program: &str, args: &[&str]) {
    let house = House::start().await;
    for behind in ADDRESSES {
        let environment = environment(&house, behind);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        gives(&house, &house.run(program, args, &environment).await, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_needs_no_more_than_the_address() {
    python("openstack", &["console", "url", "show", "--novnc", "-f", "value", "-c", "url", RUNNING]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nova_command_needs_no_more_than_the_address() {
    python("nova", &["get-vnc-console", RUNNING, "novnc"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_needs_no_more_than_the_address() {
    let script = "import openstack\n\
        cloud = openstack.connect(load_envvars=True)\n\
        print(cloud.compute.create_console('web-1', console_type='novnc')['url'])";
    python("python", &["-c", script]).await;
}

/// A client that is not written in Python: its path, its environment, and the number of its URLs.
struct Other {
    program: PathBuf,
    args: Vec<PathBuf>,
    urls: usize,
}

impl Other {
    fn gophercloud() -> Self {
        Self { program: repository().join("target/clients/gophercloud/consoles"), args: Vec::new(), urls: 1 }
    }

    fn fog() -> Self {
        Self {
            program: "/usr/bin/ruby".into(),
            args: vec![repository().join("tests/clients/fog.rb")],
            urls: 3,
        }
    }

    /// Runs it with the server's address and this end.
    async fn runs(&self, house: &House, behind: &str) -> Vec<String> {
        assert!(self.program.exists(), "{} is missing: scripts/setup.sh test", self.program.display());
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", house.data.path()).env("OS_DOMAIN_NAME", "Default");
        command.envs(environment(house, behind));
        let given = output(command).await;
        let listed = String::from_utf8_lossy(&given.stdout).into_owned();
        let servers = "server web-1 web-1 ACTIVE\nserver web-2 web-2 SHUTOFF\n";
        assert!(listed.contains(servers), "{behind}: {given:?}");
        gives(house, &given, self.urls).await
    }

    async fn runs_by_any_address(&self) {
        let house = House::start().await;
        for behind in ["", "/", "/identity", "/identity/v3", "/v3"] {
            self.runs(&house, behind).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gophercloud_lists_servers_and_opens_a_console_by_any_address() {
    Other::gophercloud().runs_by_any_address().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fog_lists_servers_and_opens_consoles_by_any_address() {
    Other::fog().runs_by_any_address().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_shows_the_guest_behind_the_urls_of_gophercloud_and_of_fog() {
    let xvnc = tokio::task::spawn_blocking(|| Xvnc::start(Security::None)).await.unwrap();
    let house = House::start().await;
    let endpoint = Some(xvnc.endpoint().parse().unwrap());
    house.changes(RUNNING, InstanceInput { endpoint, ..InstanceInput::default() }).await;
    let mut urls = Other::gophercloud().runs(&house, "").await;
    urls.extend(Other::fog().runs(&house, "").await);
    for (n, url) in urls.into_iter().enumerate() {
        chromium_types(&xvnc, Visit::to(&url), format!("other{n}")).await;
    }
}

/// gophercloud's v2 lays the path of a version's own link over that of the URL which it read, and
/// refuses statuses that it does not know.
#[tokio::test]
async fn a_version_leads_back_below_where_it_was_read() {
    let house = House::start().await;
    for at in
        ["/", "/identity/", "/identity/v3/", "/identity/v2.0/", "/compute/", "/compute/v2.1/", "/compute/v2/"]
    {
        let read = answer(house.request(Method::GET, at)).await.body;
        let one = [&read["version"]];
        let many = read["versions"].as_array().or_else(|| read["versions"]["values"].as_array());
        let versions: Vec<_> = match many {
            Some(many) => many.iter().collect(),
            None => one.to_vec(),
        };
        assert!(!versions.is_empty(), "{at}: {read}");
        for version in versions {
            let status = version["status"].as_str().unwrap().to_ascii_uppercase();
            assert!(["CURRENT", "STABLE", "DEPRECATED"].contains(&status.as_str()), "{at}: {version}");
            let links = version["links"].as_array().unwrap();
            let own = links.iter().find(|link| link["rel"] == "self").unwrap()["href"].as_str().unwrap();
            let path = own.strip_prefix(&house.url).unwrap();
            assert!(path.starts_with(at) && path.ends_with('/'), "{at}: {own}");
        }
    }
}
