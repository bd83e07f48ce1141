//! The means to test endpoints. The assembly gives them to the front doors.

use std::sync::Arc;

use tokio_util::task::TaskTracker;
use transom_app::consoles::endpoint_test::TestEndpoint;

/// A tester, and the tasks that its tests run in. A test goes on if its caller hangs up, so that it
/// leaves a record.
#[derive(Clone)]
pub struct EndpointTests {
    /// The tester.
    pub tester: Arc<dyn TestEndpoint>,
    /// The tasks.
    pub tasks: TaskTracker,
}
