//! Clients that are told the server's address and nothing more: each finds identity there, and compute in the catalogue.

use std::path::PathBuf;
use std::process::{Command, Output};

use reqwest::Method;

use crate::house::{House, PROJECT, RUNNING, output, repository};

/// With what people put behind an address.
const ADDRESSES: [&str; 2] = ["", "/"];

/// What the environment tells a client that is given this behind the server's address.
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

/// Expects so many console URLs, each of which opens, and the server's name before them.
async fn gives(house: &House, output: &Output, count: usize) {
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    let urls: Vec<_> = told.split_whitespace().filter_map(|word| word.strip_prefix(&house.url)).collect();
    assert_eq!(urls.len(), count, "{told}");
    for path in urls {
        assert_eq!(house.request(Method::HEAD, path).send().await.unwrap().status(), 200, "{path}");
    }
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

/// A client that is no Python: where it is, and what it is run with.
async fn other(program: PathBuf, args: &[&str], count: usize) {
    assert!(program.exists(), "{} is missing: scripts/setup.sh test", program.display());
    let house = House::start().await;
    for behind in ["", "/", "/identity", "/identity/v3", "/v3"] {
        let mut command = Command::new(&program);
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("HOME", house.data.path())
            .envs(environment(&house, behind))
            .env("OS_DOMAIN_NAME", "Default");
        let given = output(command).await;
        let listed = String::from_utf8_lossy(&given.stdout).into_owned();
        assert!(
            listed.contains("server web-1 web-1 ACTIVE\nserver web-2 web-2 SHUTOFF\n"),
            "{behind}: {given:?}"
        );
        gives(&house, &given, count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gophercloud_lists_servers_and_opens_a_console_by_any_address() {
    other(repository().join("target/clients/gophercloud/consoles"), &[], 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fog_lists_servers_and_opens_consoles_by_any_address() {
    let script = repository().join("tests/clients/fog.rb");
    other(PathBuf::from("/usr/bin/ruby"), &[script.to_str().unwrap()], 3).await;
}
