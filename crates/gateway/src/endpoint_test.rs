//! Tests of endpoints: dials as a session does, without a viewer.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use transom_app::App;
use transom_app::consoles::claim::Destination;
use transom_app::consoles::endpoint_test::{EndpointTest, TestEndpoint, TestedScreen, TestedStep};
use transom_app::devices::DialDevice;
use transom_model::EndReason;
use transom_model::audit::Origin;
use transom_model::dial_step::DialStep;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::instance::Instance;

use super::dial::{Dialled, dial};
use super::dial_attempts;
use super::limits::{CLOSE, TEST};
use super::reception::Dialling;

/// Tests endpoints on behalf of the front doors.
pub struct EndpointTester {
    app: Arc<App>,
    devices: Arc<dyn DialDevice>,
}

impl EndpointTester {
    /// A tester that reaches devices through `devices`.
    #[must_use]
    pub fn new(app: Arc<App>, devices: Arc<dyn DialDevice>) -> Self {
        Self { app, devices }
    }
}

impl TestEndpoint for EndpointTester {
    fn test<'a>(&'a self, instance: &'a Instance, origin: &'a Origin) -> BoxFuture<'a, EndpointTest> {
        Box::pin(async move {
            let dialling = Dialling::timed();
            let destination = Destination { instance: instance.clone(), access_path: None };
            let dialled = dial(&self.app, &*self.devices, &destination, origin, &dialling);
            let dialled = timeout(TEST, dialled).await.unwrap_or_else(|_| Err(late(instance, &dialling)));
            let steps = steps(&dialling, dialled.as_ref().err());
            let outcome = match dialled {
                Ok(dialled) => Ok(hang_up(dialled).await),
                Err(end) => Err(end),
            };
            EndpointTest { steps, outcome }
        })
    }
}

/// Returns the steps up to the one that failed, if one did.
fn steps(dialling: &Dialling, end: Option<&End>) -> Vec<TestedStep> {
    let mut steps = dialling.steps();
    // A server may refuse a client certificate only after it has agreed on TLS.
    if end.is_some_and(|end| end.reason == EndReason::InstanceTlsFailed)
        && let Some(tls) = steps.iter().rposition(|(step, _)| *step == DialStep::Tls)
    {
        steps.truncate(tls + 1);
    }
    let failed = end.map(|_| steps.len().saturating_sub(1));
    let tested = steps.into_iter().enumerate();
    tested.map(|(number, (step, took))| TestedStep { step, took, ok: failed != Some(number) }).collect()
}

/// Returns the end of a test that took too long: the one that a viewer would get.
fn late(instance: &Instance, dialling: &Dialling) -> End {
    let Some((step, _)) = dialling.steps().pop() else { return EndReason::InstanceSilent.into() };
    match (step, &instance.endpoint) {
        (DialStep::Resolve, _) => {
            End::new(EndReason::EndpointUnresolved, "the resolver did not answer in time")
        }
        (DialStep::Connect, Endpoint::Cloud { .. }) => {
            End::new(EndReason::DeviceOffline, "its agent did not answer in time")
        }
        (DialStep::Connect, _) => dial_attempts::late(),
        (DialStep::Tls | DialStep::Upgrade | DialStep::Version, _) => {
            End::new(EndReason::InstanceSilent, format!("it stopped responding in the step {step}"))
        }
        (DialStep::Security | DialStep::Authentication | DialStep::Screen, _) => End::new(
            EndReason::InstanceSilent,
            format!("it stopped responding in the step {step}: a person may have to accept the viewer there"),
        ),
    }
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
