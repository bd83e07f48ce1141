//! What became of a URL: found by the request id that its caller was given, and by the grant's.

use std::str::FromStr as _;

use transom_model::id::RequestId;
use transom_model::session::SessionState;
use transom_server::app::AuditQuery;

use crate::house::{House, RUNNING, operator};
use crate::viewer::Viewer;

#[tokio::test]
async fn the_audit_tells_dialect_key_project_instance_and_what_became_of_it() {
    let house = House::start().await;
    let opened = house.action(RUNNING, r#"{"os-getVNCConsole":{"type":"xvpvnc"}}"#).await;
    let request = RequestId::from_str(opened.header("x-compute-request-id")).unwrap();
    let url = opened.body["console"]["url"].as_str().unwrap();
    let viewer = Viewer::connect(house.server.address(), url.split_once("token=").unwrap().1).await.unwrap();
    let session = house.open_sessions(1).await.remove(0);
    assert_eq!(session.state, SessionState::Live);
    house.server.app().kill_session(&operator(), session.id).await.unwrap();
    viewer.ended().await;

    let asked = house.audit(AuditQuery { request: Some(request), ..AuditQuery::default() }).await;
    let [created] = &asked[..] else { panic!("{asked:?}") };
    let project = house.server.app().project(&operator(), crate::house::PROJECT).await.unwrap().id;
    assert_eq!((created.dialect.as_str(), &created.actor), ("openstack", &house.member.id));
    assert_eq!((created.target.as_str(), created.project), (RUNNING, Some(project)));

    house.server.stop().await;
    let database = transom_store::DatabaseUrl::sqlite(house.data.path().join("transom.db"));
    let store = transom_store::Store::open(&database).await.unwrap();
    let by_grant = AuditQuery { grant: created.grant, ..AuditQuery::default() };
    let told = store.audit_records(&by_grant, 10).await.unwrap();
    let told: Vec<_> = told.iter().map(|record| (record.action.as_str(), record.outcome.as_str())).collect();
    let expected = [
        ("grant.create", "ok"),
        ("session.start", "ok"),
        ("session.kill", "ok"),
        ("session.end", "session-killed"),
    ];
    assert_eq!(told, expected);
}
