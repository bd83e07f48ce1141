//! Repeater tickets and viewer ids, which identify devices and viewers that cannot prove a
//! password.

use std::time::Duration;

use transom_model::Timestamp;
use transom_model::audit::AuditEntry;
use transom_model::cloud::{AddressRecord, CloudAddress};
use transom_model::grant::MadeWith;
use transom_model::secret::TokenDigest;

use super::address::Scope;
use super::change::{Guarded, Precondition, renewing, update};
use super::row::{address_columns, corrupt, read};
use crate::database::{Connection, sql};
use crate::{Result, Store, proof};

/// The outcome of a request for a viewer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewViewerId {
    /// The id is valid until this time.
    Until(Timestamp),
    /// The id exists: the caller must draw another one.
    Taken,
    /// The key has the maximum number of ids.
    TooMany,
    /// The address does not exist.
    Missing,
}

impl Store {
    /// Sets or clears an address's repeater ticket. Returns `Conflict` if another address has the
    /// same ticket.
    pub async fn set_repeater_ticket(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        ticket: Option<TokenDigest>,
        audit: &AuditEntry,
    ) -> Result<Guarded<AddressRecord>> {
        let (scope, address, audit) = (scope.clone(), address.clone(), audit.clone());
        self.write(move |db| {
            Box::pin(async move {
                let set = sql("UPDATE cloud_addresses SET changed_at = (SELECT now FROM clock)")
                    .push_value(", repeater_ticket = ", ticket);
                // Clearing a ticket admits no device.
                let set = if ticket.is_some() { renewing(set, &audit) } else { set };
                update(db, &scope, &address, &Precondition::Any, set, &audit).await
            })
        })
        .await
    }

    /// Returns the address of this ticket.
    pub async fn address_by_ticket(&self, ticket: TokenDigest) -> Result<Option<AddressRecord>> {
        const SELECT: &str =
            concat!("SELECT ", address_columns!(), " FROM cloud_addresses WHERE repeater_ticket = $1");
        self.first(sql(SELECT).bind(ticket)).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Creates an id with which a viewer can open this address once, no later than `no_later_than`.
    /// The id ends with the credential that it is created with. A key has at most `most` ids at a
    /// time.
    pub async fn create_viewer_id(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        id: TokenDigest,
        (ttl, no_later_than, made_with): (Duration, Option<Timestamp>, MadeWith),
        most: u32,
        audit: &AuditEntry,
    ) -> Result<NewViewerId> {
        let (scope, address, audit) = (scope.clone(), address.clone(), audit.clone());
        self.write(move |db| {
            Box::pin(async move {
                proof::hold(db, made_with).await?;
                create(db, &scope, &address, (id, ttl, no_later_than, made_with, most), &audit).await
            })
        })
        .await
    }

    /// Consumes an id and returns its address. Only the first caller gets it.
    pub async fn take_viewer_id(&self, id: TokenDigest) -> Result<Option<CloudAddress>> {
        const TAKE: &str = "DELETE FROM repeater_ids WHERE id_hash = $1 \
            RETURNING address, expires_at > (SELECT now FROM clock)";
        self.write(move |db| {
            Box::pin(async move {
                let Some(mut row) = db.first(sql(TAKE).bind(id)).await? else { return Ok(None) };
                let address = row.parsed()?;
                Ok(row.value::<bool>()?.then_some(address))
            })
        })
        .await
    }
}

async fn create(
    db: &mut Connection<'_>,
    scope: &Scope,
    address: &CloudAddress,
    (id, ttl, no_later_than, made_with, most): (TokenDigest, Duration, Option<Timestamp>, MadeWith, u32),
    audit: &AuditEntry,
) -> Result<NewViewerId> {
    const OLD: &str = "DELETE FROM repeater_ids WHERE expires_at <= (SELECT now FROM clock)";
    const COUNT: &str = "SELECT COUNT(*) FROM repeater_ids WHERE key_id = $1";
    const INSERT: &str = "INSERT INTO repeater_ids (id_hash, address, key_id, expires_at, made_with_token, \
        made_with_secret) \
        SELECT $1, $2, $3, CASE WHEN $5 < now + $4 THEN $5 ELSE now + $4 END, $6, $7 FROM clock WHERE 1 = 1 ON CONFLICT DO NOTHING RETURNING expires_at";
    let found =
        scope.push_to(sql("SELECT key_id FROM cloud_addresses").push_value(" WHERE address = ", address));
    let Some(mut row) = db.first(found).await? else { return Ok(NewViewerId::Missing) };
    let key: String = row.value()?;
    db.run(sql(OLD)).await?;
    let count: i64 =
        db.first(sql(COUNT).bind(key.as_str())).await?.ok_or_else(|| corrupt("no count"))?.value()?;
    if count >= i64::from(most) {
        return Ok(NewViewerId::TooMany);
    }
    let insert = sql(INSERT).bind(id).bind(address).bind(key).bind(ttl).bind(no_later_than);
    let insert = insert.bind(made_with.token).bind(made_with.secret);
    let Some(mut row) = db.first(insert).await? else {
        return Ok(NewViewerId::Taken);
    };
    let until = row.time()?;
    crate::audit::write_down(db, audit).await?;
    Ok(NewViewerId::Until(until))
}
