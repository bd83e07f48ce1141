//! A viewer in Java, as xvpvnc URLs were made for.

use std::process::{Command, Output};

use transom_app::inventory::instances::InstanceInput;
use transom_config::Config;
use transom_model::secret::Secret;
use transom_server::Tls;
use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::house::{House, RUNNING, output, repository};

/// Opens a URL with the viewer, which types this line. The JDK compiles it first.
async fn view(house: &House, url: &str, line: &str) -> Output {
    let mut command = Command::new("java");
    if let Some(ca) = house.server.ca() {
        let store = house.data.path().join("trust.p12");
        let mut keytool = Command::new("keytool");
        keytool.args(["-importcert", "-noprompt", "-storepass", "changeit", "-alias", "ca", "-file"]);
        keytool.arg(ca).arg("-keystore").arg(&store);
        if !store.exists() {
            assert!(output(keytool).await.status.success());
        }
        command.arg(format!("-Djavax.net.ssl.trustStore={}", store.display()));
        command.arg("-Djavax.net.ssl.trustStorePassword=changeit");
    }
    command.arg(repository().join("tests/clients/java/Viewer.java")).args([url, line]);
    output(command).await
}

async fn a_real_screen_is_seen_and_typed_into(house: &House) {
    let xvnc = tokio::task::spawn_blocking(|| Xvnc::start(Security::Password("secretpw"))).await.unwrap();
    let input = InstanceInput {
        endpoint: Some(xvnc.endpoint().parse().unwrap()),
        password: Some(Secret::new("secretpw")),
        ..InstanceInput::default()
    };
    house.changes(RUNNING, input).await;
    let seen = view(house, &house.console("xvpvnc").await, "from java").await;
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    let error = String::from_utf8_lossy(&seen.stderr);
    assert!(seen.status.success() && text.starts_with("640x480 "), "{text}{error}");
    assert!(text.ends_with("\nthe picture changed\n"), "{text}");
    tokio::task::spawn_blocking(move || xvnc.typed().expect("from java\n", PATIENCE)).await.unwrap();
    let wrong = format!("{}/console?token=00000000-0000-0000-0000-000000000000", house.url);
    let refused = view(house, &wrong, "").await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&refused.stderr).trim(), r#"Proxy reports "401 Not Authorized""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_a_real_xvnc_and_types_into_it_over_plain_tcp() {
    a_real_screen_is_seen_and_typed_into(&House::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_a_real_xvnc_and_types_into_it_over_tls() {
    a_real_screen_is_seen_and_typed_into(&House::start_with(Config::default(), Tls::SelfSigned).await).await;
}
