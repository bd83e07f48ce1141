//! Settlements: the ends of connections. They are written at once, or as soon as the database
//! answers again.

use transom_store::Ending;

use crate::consoles::Consoles;
use crate::consoles::debts::{How, Settlement};
use crate::error::{Error, Result};

impl Consoles {
    /// Writes a settlement to the store. If the database is unavailable, it is stored in the debts
    /// for later.
    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<()> {
        let settled = self.write_settlement(&settlement).await;
        if let Err(Error::Unavailable(_)) = settled {
            self.debts.owe(settlement);
        }
        settled
    }

    /// Writes the owed settlements, until the database becomes unavailable. Only the heartbeat
    /// calls this.
    pub(crate) async fn settle_sessions(&self) {
        loop {
            let Some(owed) = self.debts.oldest() else { return };
            match self.write_settlement(&owed).await {
                Err(Error::Unavailable(_)) => return,
                Err(error) => {
                    let session = owed.hold.session;
                    tracing::error!(%error, %session, "the end of a session could not be recorded");
                }
                Ok(()) => {}
            }
            self.debts.strike();
        }
    }

    async fn write_settlement(&self, settlement: &Settlement) -> Result<()> {
        let Settlement { hold, traffic, how } = settlement;
        let ending = match how {
            How::Detached => self.core.store.detach(*hold, *traffic).await?,
            How::Ended(reason, audit) => self.core.store.end(*hold, *reason, *traffic, audit).await?,
        };
        if let Ending::Ended(reason) = ending {
            self.core.metrics.session_ended(reason);
        }
        Ok(())
    }
}
