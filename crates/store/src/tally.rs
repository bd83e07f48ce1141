//! Counts of the links and sessions that depend on a key, a secret, a token or an instance.

use transom_model::access_key::AccessKeyId;
use transom_model::id::InstanceUid;
use transom_model::secret::TokenDigest;
use uuid::Uuid;

use crate::database::{Sql, sql};
use crate::grant::{LIVE, judged};
use crate::{Result, Store};

/// The numbers of dependent links and sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of links that would open a session or have an open one.
    pub links: u32,
    /// The number of open sessions.
    pub sessions: u32,
}

/// An object that links and sessions depend on.
#[derive(Clone, Copy, Debug)]
pub enum Ground<'a> {
    /// An access key, including links created with its secrets for other keys.
    Key(&'a AccessKeyId),
    /// An older secret of a key, including links of that key whose secret is unknown.
    Secret(&'a AccessKeyId, Uuid),
    /// An API token and its descendants.
    Token(TokenDigest),
    /// An instance.
    Instance(InstanceUid),
}

impl Ground<'_> {
    fn narrow(self, counting: Sql) -> Sql {
        match self {
            Self::Key(key) => counting
                .push_value(" AND (grants.key_id = ", key)
                .push(" OR grants.made_with_secret IN (SELECT access_key_secrets.id FROM access_key_secrets")
                .push_value(" WHERE access_key_secrets.key_id = ", key)
                .push("))"),
            Self::Secret(key, secret) => counting
                .push_value(" AND (grants.made_with_secret = ", secret)
                .push_value(" OR (grants.made_with_secret IS NULL AND grants.key_id = ", key)
                .push("))"),
            Self::Token(token) => counting
                .push(" AND grants.made_with_token IN (")
                .push("WITH RECURSIVE family (token_hash) AS (SELECT api_tokens.token_hash FROM api_tokens")
                .push_value(" WHERE api_tokens.token_hash = ", token)
                .push(" UNION SELECT child.token_hash FROM api_tokens AS child")
                .push(" JOIN family ON child.parent_hash = family.token_hash)")
                .push(" SELECT token_hash FROM family)"),
            Self::Instance(uid) => counting.push_value(" AND grants.instance_uid = ", uid),
        }
    }
}

impl Store {
    /// Counts the links and sessions that depend on an object now.
    pub async fn tally(&self, ground: Ground<'_>) -> Result<Tally> {
        const LINKS: &str = concat!("SELECT COUNT(*)", judged!());
        const SESSIONS: &str = "SELECT COUNT(*) FROM sessions JOIN grants ON grants.id = sessions.grant_id \
            WHERE sessions.state <> 'ended'";
        let mut counts = [0; 2];
        for (count, counting) in counts.iter_mut().zip([sql(LINKS).push(LIVE), sql(SESSIONS)]) {
            let rows = self.all(ground.narrow(counting)).await?;
            *count = rows.into_iter().next().map(|mut row| row.count()).transpose()?.unwrap_or(0);
        }
        let [links, sessions] = counts;
        Ok(Tally { links, sessions })
    }
}
