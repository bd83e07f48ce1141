//! Look-ups of names. Each occupies a thread until the system's resolver gives up, so their number
//! is limited.
//!
//! The database uses the same threads. An abandoned look-up still occupies its thread, so it also
//! occupies its place.

use std::io;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use transom_model::id::ProjectId;

use crate::budgets::turns::Turns;

/// The time limit of a look-up.
const RESOLVE: Duration = Duration::from_secs(5);
/// The maximum number of simultaneous look-ups of one project. A name server that never answers
/// delays only the look-ups of its project.
const PER_PROJECT: usize = 8;
/// The maximum number of simultaneous look-ups in all: a small part of the threads for blocking
/// work.
const IN_ALL: usize = 64;

/// The limits on simultaneous look-ups.
pub(crate) struct Lookups(Turns);

impl Default for Lookups {
    fn default() -> Self {
        Self(Turns::new(PER_PROJECT, IN_ALL))
    }
}

impl Lookups {
    /// Runs a blocking look-up for a project. Returns an error of the kind `TimedOut` if it takes
    /// too long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        project: ProjectId,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let found = timeout(RESOLVE, async {
            let turn = self.0.take(project).await;
            let looked = spawn_blocking(move || {
                let found = look();
                drop(turn);
                found
            });
            looked.await.map_err(io::Error::other)?
        });
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the resolver did not answer in time");
        found.await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_util::future::join_all;
    use tokio::time::{advance, pause, resume};
    use uuid::Uuid;

    use super::*;

    const GREEDY: ProjectId = ProjectId(Uuid::from_u128(1));
    const OTHER: ProjectId = ProjectId(Uuid::from_u128(2));

    /// Runs a look-up that would wait forever.
    async fn waited<T>(look_up: impl Future<Output = T>) -> T {
        let time = async {
            pause();
            advance(RESOLVE).await;
            resume();
        };
        tokio::join!(look_up, time).0
    }

    fn is_late<T>(found: &io::Result<T>) -> bool {
        found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    #[tokio::test]
    async fn a_project_whose_names_are_never_resolved_starves_only_itself() {
        let lookups = Lookups::default();
        let (hooks, lines): (Vec<_>, Vec<_>) = (0..PER_PROJECT).map(|_| channel::<()>()).unzip();
        let hanging = lines.into_iter().map(|line| {
            // It hangs until its hook is dropped.
            lookups.run(GREEDY, move || Ok(line.recv().is_err()))
        });
        assert!(waited(join_all(hanging)).await.iter().all(is_late));
        let refused = waited(lookups.run(GREEDY, || Ok(()))).await;
        assert!(is_late(&refused), "what was given up has its thread still");
        assert_eq!(lookups.run(OTHER, || Ok("found")).await.expect("a place"), "found");
        drop(hooks);
        assert_eq!(lookups.run(GREEDY, || Ok("found")).await.expect("a place again"), "found");
        // The last of its threads may still be on their way out.
        let forgotten = async {
            while lookups.0.knows(GREEDY) {
                lookups.run(OTHER, || Ok(())).await.expect("a place");
            }
        };
        timeout(RESOLVE, forgotten).await.expect("idle projects are forgotten");
    }
}
