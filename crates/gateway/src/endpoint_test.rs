//! Tests of endpoints: dials as a session does, without a viewer.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use transom_app::App;
use transom_app::consoles::claim::Destination;
use transom_app::consoles::endpoint_test::{EndpointTest, TestEndpoint, TestedScreen, TestedStep};
use transom_app::devices::DialDevice;
use transom_model::EndReason;
use transom_model::audit::Origin;
use transom_model::dial_step::DialStep;
use transom_model::end_reason::End;
use transom_model::instance::Instance;

use super::dial::{Dialled, dial};
use super::limits::{CLOSE, TEST, TEST_TURN};
use super::reception::Dialling;

/// The most tests that run at once at one node.
const MOST: usize = 16;

/// Tests endpoints on behalf of the front doors.
pub struct EndpointTester {
    app: Arc<App>,
    devices: Arc<dyn DialDevice>,
    turns: Semaphore,
}

impl EndpointTester {
    /// A tester that reaches devices through `devices`.
    #[must_use]
    pub fn new(app: Arc<App>, devices: Arc<dyn DialDevice>) -> Self {
        Self { app, devices, turns: Semaphore::new(MOST) }
    }
}

impl TestEndpoint for EndpointTester {
    fn test<'a>(&'a self, instance: &'a Instance, origin: &'a Origin) -> BoxFuture<'a, EndpointTest> {
        Box::pin(async move {
            let Ok(Ok(_turn)) = timeout(TEST_TURN, self.turns.acquire()).await else {
                let busy = End::for_viewers(EndReason::Overloaded, "too many tests run at once");
                return EndpointTest { steps: Vec::new(), outcome: Err(busy) };
            };
            let dialling = Dialling::timed();
            let destination = Destination { instance: instance.clone(), access_path: None };
            let dialled = dial(&self.app, &*self.devices, &destination, origin, &dialling);
            let dialled = timeout(TEST, dialled).await.unwrap_or_else(|_| Err(late(&dialling)));
            let steps = steps(&dialling, dialled.is_ok());
            let outcome = match dialled {
                Ok(dialled) => Ok(hang_up(dialled).await),
                Err(end) => Err(end),
            };
            EndpointTest { steps, outcome }
        })
    }
}

fn steps(dialling: &Dialling, all_ok: bool) -> Vec<TestedStep> {
    let steps = dialling.steps();
    let last = steps.len().saturating_sub(1);
    let tested = steps.into_iter().enumerate();
    tested.map(|(number, (step, took))| TestedStep { step, took, ok: all_ok || number < last }).collect()
}

/// The end of a test that took too long.
fn late(dialling: &Dialling) -> End {
    let detail = match dialling.steps().last() {
        Some((DialStep::Authentication | DialStep::Screen, _)) => {
            "it greeted, and then sent nothing: a person may have to accept the viewer at the machine"
                .to_owned()
        }
        Some((step, _)) => format!("no answer in the step {step}"),
        None => "no answer in time".to_owned(),
    };
    End::new(EndReason::InstanceSilent, detail)
}

/// Closes the connection as a viewer does, and returns the screen.
async fn hang_up(mut dialled: Dialled) -> TestedScreen {
    let closed: Result<io::Result<()>, _> = timeout(CLOSE, dialled.stream.shutdown()).await;
    if let Ok(Err(error)) = closed {
        tracing::debug!(%error, "a tested endpoint closed first");
    }
    let init = dialled.init;
    TestedScreen { width: init.width, height: init.height, name: init.display_name() }
}
