//! Tests of endpoints: each dials an instance as a viewer's session would, without a viewer.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::audit::{AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::dial_step::DialStep;
use transom_model::end_reason::End;
use transom_model::id::InstanceId;
use transom_model::instance::Instance;

use crate::Call;
use crate::consoles::Consoles;
use crate::consoles::open::opens;
use crate::error::Result;

/// Tests endpoints.
///
/// The gateway implements it and the front doors call it, so a change of one does not rebuild the
/// other.
pub trait TestEndpoint: Send + Sync {
    /// Dials an instance's endpoint as a session does, and hangs up once the screen is announced.
    fn test<'a>(&'a self, instance: &'a Instance, origin: &'a Origin) -> BoxFuture<'a, EndpointTest>;
}

/// The result of a test.
#[derive(Debug)]
pub struct EndpointTest {
    /// The steps in their order, up to the first that failed.
    pub steps: Vec<TestedStep>,
    /// The announced screen, or the reason that a viewer would get.
    pub outcome: std::result::Result<TestedScreen, End>,
}

/// A step of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestedStep {
    /// The step.
    pub step: DialStep,
    /// Its duration.
    pub took: Duration,
    /// False if it failed.
    pub ok: bool,
}

/// A screen as its VNC server announced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestedScreen {
    /// The width in pixels.
    pub width: u16,
    /// The height in pixels.
    pub height: u16,
    /// The desktop's name.
    pub name: String,
}

/// The time that a test waits for others.
const TURN: Duration = Duration::from_secs(5);

impl Consoles {
    /// Tests an instance's endpoint. The result names hosts and certificates, so it is for the
    /// people who manage the machine.
    pub async fn test_endpoint(
        &self,
        call: &Call,
        project: &str,
        id: &InstanceId,
        tester: &dyn TestEndpoint,
    ) -> Result<EndpointTest> {
        let project = self.access.project_for(call, project, Role::Admin).await?;
        let turn = timeout(TURN, self.tests.take(project.id)).await;
        let _turn =
            turn.map_err(|_| End::for_viewers(EndReason::Overloaded, "too many tests run at once"))?;
        // After the wait, so that the test uses the present endpoint and secrets.
        let instance = self.inventory.found_instance(&project, id).await?;
        let tested = if opens(call.dialect, instance.status) {
            tester.test(&instance, &call.origin).await
        } else {
            let end = End::for_viewers(EndReason::InstanceNotRunning, format!("it is {}", instance.status));
            EndpointTest { steps: Vec::new(), outcome: Err(end) }
        };
        let end = tested.outcome.as_ref().err();
        let audit = AuditEntry {
            project: Some(project.id),
            outcome: end.map_or("ok", |end| end.reason.code()),
            detail: end.and_then(End::detail).map(str::to_owned),
            ..call.entry(AuditAction::InstanceTest, id)
        };
        self.core.store.audit(&audit).await?;
        Ok(tested)
    }
}
