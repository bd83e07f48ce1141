//! Idle sessions, for longer than every heartbeat, keepalive and timeout on their way.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use transom_agent::{Event, Status};
use transom_testkit::wait::lasts;

use crate::devices::{Field, Running};
use crate::stage::assert_live;

/// Four times 75 s, the longest time after which an absent peer's connection ends.
const QUIET: Duration = Duration::from_secs(5 * 60);

#[tokio::test]
async fn a_quiet_device_and_the_sessions_on_it_last() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let (mut viewer, guest) = field.session(&mut connector, port).await;
    assert!(matches!(agent.tells().await, Status::Opened { .. }));
    let endpoint = json!({ "endpoint": format!("cloud:{}", device.address) });
    let id = field.server.api().add_instance("alpha", endpoint).await;
    let token = field.server.console(&id).await.token;
    let path = format!("/console?token={token}");
    let mut console = field.server.viewer().path(&path).connect().await.expect("it opens");
    console.greet().await.expect("the console opens");
    let mut shown = field.machine.guest().await;
    assert!(matches!(agent.tells().await, Status::Opened { .. }));
    lasts("quiet", QUIET, async {
        tokio::select! {
            status = agent.told() => format!("the agent tells {status:?}"),
            event = connector.told() => format!("the connector tells {event:?}"),
            read = viewer.read_u8() => format!("the viewer reads {read:?}"),
        }
    })
    .await;
    guest.send(b"pixels");
    let mut pixels = [0; 6];
    viewer.read_exact(&mut pixels).await.unwrap();
    assert_eq!(&pixels, b"pixels");
    assert_live(&mut console, &mut shown).await;
    drop((viewer, guest));
    assert!(matches!(connector.tells().await, Event::Closed(_)));
}
