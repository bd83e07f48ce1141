//! Turns: limits on simultaneous work, in all and for each project. A project that uses up its
//! turns delays only itself.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use transom_model::id::ProjectId;

/// The turns of one kind of work.
pub(crate) struct Turns {
    per_project: usize,
    in_all: Arc<Semaphore>,
    by_project: Mutex<HashMap<ProjectId, Arc<Semaphore>>>,
}

/// A turn, which ends when it is dropped.
pub(crate) struct Turn {
    _own: Result<OwnedSemaphorePermit, AcquireError>,
    _common: Result<OwnedSemaphorePermit, AcquireError>,
}

impl Turns {
    pub(crate) fn new(per_project: usize, in_all: usize) -> Self {
        Self { per_project, in_all: Arc::new(Semaphore::new(in_all)), by_project: Mutex::default() }
    }

    /// Waits for a turn.
    pub(crate) async fn take(&self, project: ProjectId) -> Turn {
        let own = self.of_project(project).acquire_owned().await;
        Turn { _own: own, _common: Arc::clone(&self.in_all).acquire_owned().await }
    }

    /// Returns a project's turns. Forgets those of projects that have no work in progress.
    fn of_project(&self, project: ProjectId) -> Arc<Semaphore> {
        let mut by_project = self.by_project.lock();
        by_project.retain(|_, turns| Arc::strong_count(turns) > 1);
        Arc::clone(by_project.entry(project).or_insert_with(|| Arc::new(Semaphore::new(self.per_project))))
    }

    #[cfg(test)]
    pub(crate) fn knows(&self, project: ProjectId) -> bool {
        self.by_project.lock().contains_key(&project)
    }
}
