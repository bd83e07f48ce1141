//! Sessions of devices: each has a slot in the table, through which enforcement cuts it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use transom_model::audit::Origin;
use transom_model::cloud::CloudAddress;
use transom_model::id::ProjectId;
use transom_tunnel::{Refusal, RefusalCode};

use crate::devices::Devices;
use crate::devices::member::Member;
use crate::devices::table::{SessionEntry, Table, Viewer};

/// The longest wait for a viewer's previous session to end. A viewer that returns at once may
/// arrive before that end.
const LEAVING: Duration = Duration::from_secs(1);

/// A session's slot in the table. Dropping it frees the slot.
pub struct Slot {
    devices: Arc<Devices>,
    serial: u64,
    cut: CancellationToken,
    over: CancellationToken,
}

impl Slot {
    /// Returns the token that is cancelled once the slot is free.
    #[must_use]
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// Returns the token that tells the session to end.
    #[must_use]
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({})", self.serial)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.devices.joined.table.lock().forget_session(self.serial);
        self.devices.joined.vacancies.send_modify(|count| *count += 1);
        self.over.cancel();
    }
}

impl Devices {
    /// Takes a slot for a session of a connector, which may have one at a time with each peer
    /// (requirement S8).
    pub async fn slot_for_connector(
        self: &Arc<Self>,
        connector: &Member,
        listener: &CloudAddress,
    ) -> Result<Slot, Refusal> {
        let has_one = |entry: &SessionEntry| {
            entry.listener == *listener
                && matches!(&entry.viewer, Viewer::Connector { serial, .. } if *serial == connector.serial)
        };
        let viewer = Viewer::Connector {
            serial: connector.serial,
            address: connector.address.clone(),
            project: connector.project,
            origin: connector.origin.clone(),
        };
        let most = self.core.config.limits.device_sessions_per_address;
        let mut vacancies = self.joined.vacancies.subscribe();
        let vacant = async {
            loop {
                {
                    // The check and the insertion share one lock, since calls are simultaneous.
                    let mut table = self.joined.table.lock();
                    if table.of_connectors.get(&connector.address).is_some_and(|count| *count >= most) {
                        return Err(Refusal::from(RefusalCode::PeerBusy)
                            .because(format!("{most} sessions of this address are open")));
                    }
                    if !table.sessions.values().any(has_one) {
                        return Ok(self.slot(&mut table, viewer, listener));
                    }
                }
                // The sender lives as long as `self`.
                let _ = vacancies.changed().await;
            }
        };
        timeout(LEAVING, vacant).await.map_err(|_| RefusalCode::PeerBusy)?
    }

    /// Takes a slot for a console, or for another viewer that the audit names as `who`.
    pub fn slot_for_console(
        self: &Arc<Self>,
        who: &str,
        project: ProjectId,
        listener: &CloudAddress,
        origin: &Origin,
    ) -> Slot {
        let viewer = Viewer::Gateway { who: who.to_owned(), project, origin: origin.clone() };
        self.slot(&mut self.joined.table.lock(), viewer, listener)
    }

    fn slot(self: &Arc<Self>, table: &mut Table, viewer: Viewer, listener: &CloudAddress) -> Slot {
        let (serial, cut) = (self.joined.next_serial(), CancellationToken::new());
        if let Viewer::Connector { address, .. } = &viewer {
            *table.of_connectors.entry(address.clone()).or_default() += 1;
        }
        let entry = SessionEntry { viewer, listener: listener.clone(), cut: cut.clone() };
        table.sessions.insert(serial, entry);
        Slot { devices: Arc::clone(self), serial, cut, over: CancellationToken::new() }
    }
}
