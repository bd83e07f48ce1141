//! Instances.

use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_model::endpoint::Endpoint;
use transom_model::id::{ImportName, InstanceId, InstanceUid, ProjectId};
use transom_model::instance::{Instance, InstanceSecurity, InstanceStatus, Sealed, SetBy};

use crate::audit::write_down;
use crate::database::{Bind, Connection, Row, Sql, sql};
use crate::revision::raise;
use crate::session::{Waiting, end_waiting};
use crate::{Page, Result, Store, StoreError};

/// A new instance.
#[derive(Clone, Debug)]
pub struct NewInstance {
    /// A fresh uid. The caller chooses it before sealing, because the seals cover it as associated
    /// data.
    pub uid: InstanceUid,
    /// The name that the owner chose.
    pub id: InstanceId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The display name.
    pub name: String,
    /// The power state.
    pub status: InstanceStatus,
    /// The endpoint of its VNC server.
    pub endpoint: Endpoint,
    /// The party that set the endpoint.
    pub endpoint_set_by: SetBy,
    /// The gateway's credentials for the VNC server.
    pub security: InstanceSecurity,
    /// The import that adds it.
    pub import_name: Option<ImportName>,
    /// True if its secrets may also go to the holder of its cloud address's repeater ticket.
    pub for_ticket_holder: bool,
}

/// A change of an instance. Members without a value stay unchanged.
#[derive(Clone, Debug, Default)]
pub struct InstanceChange {
    /// The new display name.
    pub name: Option<String>,
    /// The new power state.
    pub status: Option<InstanceStatus>,
    /// The new endpoint, and the party that set it.
    pub endpoint: Option<(Endpoint, SetBy)>,
    /// True if the new endpoint leads to the same machine. Its sessions then dial again instead of
    /// ending.
    pub moved: bool,
    /// The user for VeNCrypt Plain.
    pub username: Change<String>,
    /// The VNC or VeNCrypt Plain password.
    pub password: Change<Sealed>,
    /// The CA certificates.
    pub ca: Change<String>,
    /// The gateway's certificate chain.
    pub certificate: Change<String>,
    /// The private key of the certificate chain.
    pub key: Change<Sealed>,
    /// The SHA-256 of the VNC server's certificate.
    pub fingerprint: Change<String>,
    /// The headers of the request for a WebSocket.
    pub headers: Change<Sealed>,
    /// True if the new secrets may also go to the holder of its cloud address's repeater ticket.
    pub for_ticket_holder: bool,
}

/// A change of an optional value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Leaves the value.
    #[default]
    Keep,
    /// Removes the value.
    Clear,
    /// Sets the value.
    Set(T),
}

macro_rules! instance_columns {
    () => {
        "instances.uid, instances.id, instances.project_id, instances.name, instances.status, instances.endpoint, \
         instances.endpoint_by_project, instances.username, instances.password, instances.ca, instances.certificate, \
         instances.certificate_key, instances.fingerprint, instances.headers, instances.password_generation, instances.key_generation, \
         (SELECT generation FROM cloud_addresses WHERE address = substr(instances.endpoint, 7) \
         AND instances.endpoint LIKE 'cloud:%' AND cloud_addresses.project_id = instances.project_id), \
         instances.place, instances.import_name, instances.created_at, instances.updated_at"
    };
}
pub(crate) use instance_columns;

pub(crate) const SELECT: &str = concat!("SELECT ", instance_columns!(), " FROM instances");

const TICKET_IS_OUT: &str = "the cloud address has a repeater ticket, and the ticket's holder would receive this password or key: \
    if that device is the machine, confirm it (for_ticket_holder, --for-ticket-holder); otherwise revoke the ticket first \
    (transom repeater revoke ADDRESS)";

impl Store {
    /// Adds an instance. Returns `Conflict` if the project has one of this id, `NotFound` if the
    /// project does not exist. Also returns `Conflict` if it has secrets and its cloud address has
    /// a repeater ticket whose holder may not receive them.
    pub async fn create_instance(&self, instance: NewInstance, audit: &AuditEntry) -> Result<Instance> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, instance, &audit).await })).await
    }

    /// Returns the project's instance of this id.
    pub async fn instance(&self, project: ProjectId, id: &InstanceId) -> Result<Option<Instance>> {
        let instance = sql(SELECT).push_value(" WHERE project_id = ", project).push_value(" AND id = ", id);
        self.first(instance).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Returns the instance of this uid.
    pub async fn instance_by_uid(&self, uid: InstanceUid) -> Result<Option<Instance>> {
        let instance = sql(SELECT).push_value(" WHERE uid = ", uid);
        self.first(instance).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Lists a project's instances by id.
    pub async fn instances(&self, project: ProjectId, page: Page) -> Result<Vec<Instance>> {
        let instances =
            sql(SELECT).push_value(" WHERE project_id = ", project).push_some(" AND id > ", page.after);
        let rows = self.all(instances.push_value(" ORDER BY id LIMIT ", page.limit)).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Applies a change and returns the resulting instance.
    ///
    /// A different endpoint raises the revision; [`to_end`](Self::to_end) then returns the
    /// instance's sessions with `EndpointChanged`, or with `InstanceMoved` if the change says so.
    /// No other change ends a session. Returns `Conflict` if it entrusts secrets to a cloud address
    /// with a repeater ticket whose holder may not receive them.
    pub async fn update_instance(
        &self,
        project: ProjectId,
        id: &InstanceId,
        change: InstanceChange,
        audit: &AuditEntry,
    ) -> Result<Option<Instance>> {
        let (id, audit) = (id.clone(), audit.clone());
        self.write_ending(move |db| Box::pin(async move { update(db, project, &id, change, &audit).await }))
            .await
    }

    /// Removes an instance and raises the revision. Its grants stay on record but open nothing.
    /// Returns false if it does not exist.
    pub async fn remove_instance(
        &self,
        project: ProjectId,
        id: &InstanceId,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let (id, audit) = (id.clone(), audit.clone());
        self.write_ending(move |db| Box::pin(async move { remove(db, project, &id, &audit).await })).await
    }
}

async fn create(db: &mut Connection<'_>, instance: NewInstance, audit: &AuditEntry) -> Result<Instance> {
    let made = insert(db, std::slice::from_ref(&instance)).await?.pop().ok_or(TAKEN)?;
    if !instance.for_ticket_holder {
        keep_from_ticket_holder(db, &made).await?;
    }
    write_down(db, audit).await?;
    Ok(made)
}

/// Adds instances with one statement. Returns `Conflict` if the project has one of their ids.
pub(crate) async fn insert(db: &mut Connection<'_>, instances: &[NewInstance]) -> Result<Vec<Instance>> {
    const INSERT: &str = "INSERT INTO instances (uid, id, project_id, name, status, endpoint, endpoint_by_project, \
        username, password, ca, certificate, certificate_key, fingerprint, headers, import_name, password_generation, \
        key_generation, created_at, updated_at)";
    const GENERATION: &str = ", (SELECT generation FROM cloud_addresses WHERE address = ";
    let mut insert = sql(INSERT);
    for (number, instance) in instances.iter().enumerate() {
        let (security, address) = (&instance.security, cloud_address(&instance.endpoint));
        insert = insert
            .push_value(if number == 0 { " SELECT " } else { " UNION ALL SELECT " }, instance.uid)
            .push_value(", ", &instance.id)
            .push_value(", ", instance.project)
            .push_value(", ", instance.name.as_str())
            .push_value(", ", instance.status)
            .push_value(", ", &instance.endpoint)
            .push_value(", ", instance.endpoint_set_by == SetBy::Project)
            .push_value(", ", security.username.as_deref())
            .push_value(", ", security.password.as_ref())
            .push_value(", ", security.ca.as_deref())
            .push_value(", ", security.certificate.as_deref())
            .push_value(", ", security.key.as_ref())
            .push_value(", ", security.fingerprint.as_deref())
            .push_value(", ", security.headers.as_ref())
            .push_value(", ", instance.import_name.as_ref())
            .push_value(GENERATION, address)
            .push(")")
            .push_value(GENERATION, address)
            // SQLite requires a condition before ON CONFLICT.
            .push("), now, now FROM clock WHERE 1 = 1");
    }
    let rows =
        db.all(insert.push(concat!(" ON CONFLICT DO NOTHING RETURNING ", instance_columns!()))).await?;
    if rows.len() < instances.len() {
        return Err(TAKEN);
    }
    rows.into_iter().map(|mut row| read(&mut row)).collect()
}

const TAKEN: StoreError = StoreError::Conflict("the project already has an instance with this id");

/// Refuses to entrust secrets to a cloud address with an existing repeater ticket. A device with
/// that ticket proves nothing else, and would receive secrets that are meant for the present
/// device.
pub(crate) async fn keep_from_ticket_holder(db: &mut Connection<'_>, instance: &Instance) -> Result<()> {
    const TICKET: &str = "SELECT 1 FROM cloud_addresses WHERE address = $1 AND project_id = $2 \
        AND repeater_ticket IS NOT NULL";
    let Some(address) = cloud_address(&instance.endpoint).filter(|_| instance.security.has_secret()) else {
        return Ok(());
    };
    match db.first(sql(TICKET).bind(address).bind(instance.project)).await? {
        Some(_) => Err(StoreError::Conflict(TICKET_IS_OUT)),
        None => Ok(()),
    }
}

async fn update(
    db: &mut Connection<'_>,
    project: ProjectId,
    id: &InstanceId,
    change: InstanceChange,
    audit: &AuditEntry,
) -> Result<(Option<Instance>, Vec<EndReason>)> {
    let leads_elsewhere = change.endpoint.is_some();
    let Some(instance) = apply(db, project, id, change).await? else { return Ok((None, Vec::new())) };
    let waiting = if leads_elsewhere {
        raise(db).await?;
        end_waiting(db, " AND grants.instance_uid = ", instance.uid).await?
    } else {
        Waiting::default()
    };
    write_down(db, audit).await?;
    Ok((Some(instance), waiting.write_down(db).await?))
}

/// Applies a change. If it changes the endpoint, the caller must raise the revision and end the
/// sessions that wait.
pub(crate) async fn apply(
    db: &mut Connection<'_>,
    project: ProjectId,
    id: &InstanceId,
    change: InstanceChange,
) -> Result<Option<Instance>> {
    // New secrets are entrusted to the device that is at the address now. A new endpoint changes
    // the recipient of all remaining secrets.
    let moved = change.endpoint.as_ref().map(|(endpoint, _)| cloud_address(endpoint));
    let entrusts = [
        (", password_generation = ", matches!(change.password, Change::Set(_))),
        (", key_generation = ", matches!(change.key, Change::Set(_))),
    ];
    let update = sql("UPDATE instances SET updated_at = (SELECT now FROM clock)")
        .push_some(", name = ", change.name)
        .push_some(", status = ", change.status)
        .push_some(", endpoint = ", change.endpoint.as_ref().map(|(endpoint, _)| endpoint))
        .push_some(", endpoint_by_project = ", change.endpoint.as_ref().map(|(_, by)| *by == SetBy::Project));
    let update = change.username.push_to(update, ", username = ");
    let update = change.password.as_ref().push_to(update, ", password = ");
    let update = change.ca.push_to(update, ", ca = ");
    let update = change.certificate.push_to(update, ", certificate = ");
    let update = change.key.as_ref().push_to(update, ", certificate_key = ");
    let update = change.fingerprint.push_to(update, ", fingerprint = ");
    let mut update = change.headers.as_ref().push_to(update, ", headers = ");
    let entrusted = moved.is_some() || entrusts.iter().any(|(_, is_set)| *is_set);
    if let Some((endpoint, _)) = &change.endpoint {
        update = leads_elsewhere(update, endpoint, change.moved);
    }
    for (column, is_set) in entrusts {
        update = match &moved {
            Some(address) => update
                .push(column)
                .push_value("(SELECT generation FROM cloud_addresses WHERE address = ", *address)
                .push(")"),
            // The right-hand side refers to the old endpoint; the address follows `cloud:`.
            None if is_set => update.push(column).push(
                "(SELECT generation FROM cloud_addresses WHERE address = substr(instances.endpoint, 7))",
            ),
            None => update,
        };
    }
    let update = update
        .push_value(" WHERE project_id = ", project)
        .push_value(" AND id = ", id)
        .push(concat!(" RETURNING ", instance_columns!()));
    let Some(mut row) = db.first(update).await? else { return Ok(None) };
    let instance = read(&mut row)?;
    if entrusted && !change.for_ticket_holder {
        keep_from_ticket_holder(db, &instance).await?;
    }
    Ok(Some(instance))
}

/// Raises the endpoint's version unless the endpoint stays the same, so that sessions lead
/// elsewhere.
fn leads_elsewhere(update: Sql, endpoint: &Endpoint, moved: bool) -> Sql {
    let update =
        update.push_value(", place = place + CASE WHEN endpoint <> ", endpoint).push(" THEN 1 ELSE 0 END");
    if moved {
        return update;
    }
    update
        .push_value(", held_from = CASE WHEN endpoint <> ", endpoint)
        .push(" THEN place + 1 ELSE held_from END")
}

fn cloud_address(endpoint: &Endpoint) -> Option<&str> {
    match endpoint {
        Endpoint::Cloud { address } => Some(address.as_str()),
        Endpoint::Tcp { .. } | Endpoint::WebSocket { .. } | Endpoint::Unix { .. } => None,
    }
}

impl<T> Change<T> {
    fn as_ref(&self) -> Change<&T> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(value),
        }
    }

    fn push_to(self, update: Sql, text: &'static str) -> Sql
    where
        T: Bind,
    {
        match self {
            Self::Keep => update,
            Self::Clear => update.push_value(text, None::<T>),
            Self::Set(value) => update.push_value(text, Some(value)),
        }
    }
}

async fn remove(
    db: &mut Connection<'_>,
    project: ProjectId,
    id: &InstanceId,
    audit: &AuditEntry,
) -> Result<(bool, Vec<EndReason>)> {
    const DELETE: &str = "DELETE FROM instances WHERE project_id = $1 AND id = $2 RETURNING uid";
    let Some(mut row) = db.first(sql(DELETE).bind(project).bind(id)).await? else {
        return Ok((false, Vec::new()));
    };
    let uid: InstanceUid = row.parsed()?;
    raise(db).await?;
    let waiting = end_waiting(db, " AND grants.instance_uid = ", uid).await?;
    write_down(db, audit).await?;
    Ok((true, waiting.write_down(db).await?))
}

pub(crate) fn read(row: &mut Row) -> Result<Instance> {
    Ok(Instance {
        uid: row.parsed()?,
        id: row.parsed()?,
        project: row.parsed()?,
        name: row.value()?,
        status: row.parsed()?,
        endpoint: row.parsed()?,
        endpoint_set_by: if row.value()? { SetBy::Project } else { SetBy::Operator },
        security: InstanceSecurity {
            username: row.value()?,
            password: row.sealed_or_null()?,
            ca: row.value()?,
            certificate: row.value()?,
            key: row.sealed_or_null()?,
            fingerprint: row.value()?,
            headers: row.sealed_or_null()?,
            password_generation: row.count_or_null()?,
            key_generation: row.count_or_null()?,
            address_generation: row.count_or_null()?,
        },
        endpoint_version: row.value()?,
        import_name: row.parsed_or_null()?,
        created_at: row.time()?,
        updated_at: row.time()?,
    })
}
