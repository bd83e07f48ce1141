//! `transom session`

use transom_model::api::SessionBody;

use super::columns::{by, bytes};
use crate::args::{Common, Session};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, command: Session) -> Result<(), Failure> {
    let client = Client::new(common)?;
    match command {
        Session::End { id, reason } => {
            let why = reason.map(|reason| format!("?reason={}", escape(&reason))).unwrap_or_default();
            let was: SessionBody = client.remove(&format!("/api/v1/sessions/{id}{why}")).await?;
            let SessionBody { instance, viewer, end_reason, .. } = &was;
            match end_reason {
                None => output::done(
                    common.json,
                    &was,
                    format_args!("ended session {id}: {viewer} at {instance}"),
                ),
                Some(why) => {
                    output::done(common.json, &was, format_args!("session {id} had already ended: {why}"))
                }
            }
        }
        Session::List { all } => {
            let sessions: Vec<SessionBody> = client.list(&format!("/api/v1/sessions?live={}", !all)).await?;
            if common.json {
                return output::json(&sessions);
            }
            let rows: Vec<_> = sessions
                .into_iter()
                .map(|session| {
                    let state = session.end_reason.as_deref().unwrap_or(session.state.as_str()).to_owned();
                    let bytes = bytes(&session, session.bytes_to_viewer + session.bytes_to_instance);
                    let by = by(session.key.as_ref());
                    let SessionBody { id, link, instance, viewer, created_at, .. } = session;
                    vec![id, link, instance, state, viewer, by, bytes, created_at]
                })
                .collect();
            let header = ["ID", "LINK", "INSTANCE", "STATE", "VIEWER", "MADE BY", "BYTES", "SINCE"];
            output::table(
                &header,
                &rows,
                if all { "There are no sessions." } else { "There are no open sessions." },
            )
        }
    }
}
