//! Enforcing: after every change in the store, who is joined must still be who it proved to be, and every session must
//! still be allowed. A password's reset sends the agent away and leaves its sessions alone; what was removed or forbidden
//! ends them.

use transom_model::cloud::access::Verdict;
use transom_tunnel::{Fault, Refusal};

use super::sessions::Viewer;
use super::{Member, Order};
use crate::app::App;
use crate::app::error::Result;

impl App {
    /// Ends what the store no longer allows.
    pub(crate) async fn enforce_devices(&self) -> Result<()> {
        let members: Vec<_> = self.devices.table.lock().members.values().cloned().collect();
        for member in members {
            if let Some(refusal) = self.no_longer_joined(&member).await? {
                tracing::info!(address = %member.address, %refusal, "a device is sent away");
                member.order(Order::End(refusal));
            }
        }
        let sessions: Vec<_> = {
            let table = self.devices.table.lock();
            let entries = table.sessions.values();
            entries.map(|entry| (entry.viewer.clone(), entry.listener.clone(), entry.cut.clone())).collect()
        };
        for (viewer, listener, cut) in sessions {
            let allowed = match viewer {
                Viewer::Connector { address, .. } => {
                    self.judge_addresses(&address, &listener).await?.0 == Verdict::Allowed
                }
                Viewer::Gateway(project) => {
                    let standing = self.standing_address(&listener).await?;
                    standing.is_some_and(|(record, _)| record.project == project)
                }
            };
            if !allowed {
                tracing::info!(address = %listener, "a device's session is no longer allowed");
                cut.cancel();
            }
        }
        Ok(())
    }

    async fn no_longer_joined(&self, member: &Member) -> Result<Option<Refusal>> {
        let gone = |detail: &str| Some(Refusal::from(Fault::CloudAuthenticationFailed).because(detail));
        Ok(match self.standing_address(&member.address).await? {
            None => gone("the address was removed, or its access key revoked"),
            Some((_, verifier)) if verifier != member.verifier => gone("its password was reset"),
            Some((record, _)) if record.reach.action() != member.action() => gone("its action was changed"),
            Some(_) => None,
        })
    }
}
