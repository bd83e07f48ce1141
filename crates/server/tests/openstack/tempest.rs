//! Tempest, upstream's own suite: our answers match its schemas, and its tests of the noVNC console
//! and of metadata pass.

use std::path::PathBuf;

use serde_json::{Value, json};
use transom_app::inventory::instances::InstanceInput;
use transom_model::access_key::Role;
use transom_model::instance::InstanceStatus;

use crate::house::{House, Key, PROJECT, RUNNING, STOPPED, operator, repository};

/// The newest microversion that upstream documents.
const NEWEST: u16 = 104;

/// Writes the suite's configuration for this server.
async fn settings(house: &House, version: &str) -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let at = folder.path().display();
    let reader = house.key(PROJECT, Role::Reader).await;
    let account = |key: &Key, role: &str| {
        format!(
            "- {{username: {}, password: {}, project_name: {PROJECT}, user_domain_name: Default, \
             project_domain_name: Default, roles: [{role}]}}\n",
            key.id, key.secret
        )
    };
    let accounts = account(&house.member, "member") + &account(&reader, "reader");
    std::fs::write(folder.path().join("accounts.yaml"), accounts).unwrap();
    let settings = format!(
        "[DEFAULT]\nlog_dir = {at}\n\
         [oslo_concurrency]\nlock_path = {at}\n\
         [auth]\nuse_dynamic_credentials = false\ntest_accounts_file = {at}/accounts.yaml\n\
         [identity]\nuri_v3 = {}/identity/v3\nauth_version = v3\nregion = RegionOne\n\
         [service_available]\nglance = false\ncinder = false\nswift = false\nhorizon = false\nneutron = true\n\
         [compute]\nregion = RegionOne\nmin_microversion = {version}\nmax_microversion = latest\n\
         [compute-feature-enabled]\nvnc_console = true\n",
        house.url
    );
    std::fs::write(folder.path().join("tempest.conf"), settings).unwrap();
    folder
}

/// Runs upstream's tests at the relevant microversions, and expects that this many pass and no test
/// is skipped.
async fn upstreams_tests_pass(name: &str, versions: &[String], count: usize) {
    let house = House::start().await;
    for version in versions {
        let folder = settings(&house, version).await;
        let at = folder.path().to_str().unwrap();
        let script = script(name);
        let environment = [("TEMPEST_CONFIG_DIR", at), ("SERVER", RUNNING)];
        let output = house.run("python", &[script.to_str().unwrap()], &environment).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {told}");
        assert_eq!(told.matches(" ... ok").count(), count, "{version}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_test_of_the_novnc_console_passes_at_its_microversions() {
    let versions = ["2.1".to_owned(), "2.6".to_owned(), format!("2.{NEWEST}")];
    upstreams_tests_pass("novnc.py", &versions, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_tests_of_server_metadata_pass() {
    upstreams_tests_pass("metadata.py", &["2.1".to_owned(), format!("2.{NEWEST}")], 17).await;
}

fn script(name: &str) -> PathBuf {
    repository().join("tests/clients/tempest").join(name)
}

fn shown(key: &Key) -> Value {
    json!({"id": key.id, "secret": key.secret})
}

#[tokio::test(flavor = "multi_thread")]
async fn tempests_schemas_accept_every_answer_at_every_microversion() {
    let house = House::start().await;
    let admin = house.key(PROJECT, Role::Admin).await;
    let mut servers = vec![RUNNING, STOPPED];
    for (id, status) in [("failed", InstanceStatus::Failed), ("building", InstanceStatus::Building)] {
        let endpoint = Some("vnc://127.0.0.1:5900".parse().unwrap());
        let input = InstanceInput { endpoint, status: Some(status), ..InstanceInput::default() };
        house
            .server
            .app()
            .inventory
            .create_instance(&operator(), PROJECT, Some(id.parse().unwrap()), input)
            .await
            .unwrap();
        servers.push(id);
    }
    let work = json!({
        "url": format!("{}/identity/v3", house.url), "member": shown(&house.member), "admin": shown(&admin),
        "project": PROJECT, "servers": servers, "running": RUNNING, "newest": NEWEST,
    });
    let script = script("schemas.py");
    let output = house.run("python", &[script.to_str().unwrap()], &[("WORK", &work.to_string())]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["refused"], json!([]));
    // The number of calls is as intended: a run that ends early would prove little.
    assert!(report["calls"].as_u64().unwrap() > u64::from(NEWEST) * 20, "{report}");
    let asked = house.call(reqwest::Method::GET, "/compute", "").await;
    assert_eq!(asked.body["versions"][1]["version"], format!("2.{NEWEST}"));
}
