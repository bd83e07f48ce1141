//! Revocations that a failing database has not recorded: a project fills only its own list of them.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use transom_testkit::{Api, Instance, Script, TestServer, Viewer, postgres};

use crate::field::Field;

/// The time within which a revocation cuts sessions.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The maximum number of unrecorded revocations of a project in these tests.
const MOST: usize = 10;
/// Makes the database refuse audit records, as on a full disk.
const FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$; \
    CREATE TRIGGER full_disk BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION full_disk()";

/// A console of the project's key with unlimited use.
struct Link {
    grant: String,
    token: String,
    viewer: Viewer,
}

impl Link {
    async fn open(field: &Field, instance: &str) -> Self {
        let made = field.api().console("alpha", instance, json!({ "uses": 0 })).await;
        let viewer = field.server.viewer().token(&made.token).view().await;
        Self { grant: made.grant, token: made.token, viewer }
    }

    /// Revokes the link. The database refuses to record it, but the session is cut.
    async fn is_revoked_by(&mut self, api: &Api) {
        revoke(api, &self.grant).await;
        let closed = timeout(AT_ONCE, self.viewer.closed()).await.expect("within a second");
        assert_eq!(closed.code, Some(4404));
    }
}

async fn revoke(api: &Api, grant: &str) {
    let answer = api.delete(&format!("/api/v1/links/{grant}")).await;
    assert_eq!(answer.status, 503, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_endless_revocations_fills_only_its_own_list_and_its_sessions_are_still_cut() {
    let database = tokio::task::spawn_blocking(postgres::database).await.unwrap();
    let setup = TestServer::setup().database(database.clone());
    let field = Field::on(setup.config(|config| config.limits.node.owed_per_project = MOST)).await;
    let (machine, tenant) = (Instance::start(Script::default()).await, field.api());
    let instance = field.server.add(&machine).await;
    let mut repeated = Link::open(&field, &instance).await;
    let mut last = Link::open(&field, &instance).await;
    let mut late = Link::open(&field, &instance).await;
    let mut operators = Link::open(&field, &instance).await;
    let mut others = Vec::new();
    for _ in 2..MOST {
        others.push(tenant.console("alpha", &instance, json!({})).await.grant);
    }
    postgres::run(&database, FULL);

    // Repeated revocations of one link count once.
    repeated.is_revoked_by(&tenant).await;
    for _ in 0..2 * MOST {
        revoke(&tenant, &repeated.grant).await;
    }
    for grant in &others {
        revoke(&tenant, grant).await;
    }
    last.is_revoked_by(&tenant).await;
    // The project's list is full.
    late.is_revoked_by(&tenant).await;
    // The operator's revocations have a list of their own.
    operators.is_revoked_by(field.server.api()).await;

    postgres::run(&database, "DROP TRIGGER full_disk ON audit");
    let opens = async |link: &Link| match field.server.viewer().token(&link.token).open().await {
        Ok(_) => true,
        Err(refused) => {
            assert!(refused.to_string().starts_with("403 link-revoked"), "{refused}");
            false
        }
    };
    assert!(!opens(&repeated).await && !opens(&last).await && !opens(&operators).await);
    // The refused revocation must be repeated, as the status 503 says.
    assert!(opens(&late).await);
    tenant.delete(&format!("/api/v1/links/{}", late.grant)).await.done();
    assert!(!opens(&late).await);
}
