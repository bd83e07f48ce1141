//! `transom session`

use reqwest::Method;
use transom_model::api::SessionBody;

use crate::args::{Common, Session};
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, command: Session) -> Result<(), Failure> {
    let client = Client::new(common)?;
    match command {
        Session::Kill { id } => client.act(Method::DELETE, &format!("/api/v1/sessions/{id}")).await,
        Session::List { all } => {
            let sessions: Vec<SessionBody> = client.list(&format!("/api/v1/sessions?live={}", !all)).await?;
            if common.json {
                return output::json(&sessions);
            }
            let rows: Vec<_> = sessions
                .into_iter()
                .map(|session| {
                    let state = session.end_reason.unwrap_or_else(|| session.state.as_str().to_owned());
                    let bytes = (session.bytes_to_viewer + session.bytes_to_instance).to_string();
                    vec![session.id, session.instance, state, session.viewer, bytes, session.created_at]
                })
                .collect();
            let header = ["ID", "INSTANCE", "STATE", "VIEWER", "BYTES", "SINCE"];
            output::table(&header, &rows, "Nobody is looking.")
        }
    }
}
