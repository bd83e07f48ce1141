//! `transom grant`

use reqwest::Method;
use transom_model::api::GrantBody;

use crate::args::{Common, Grant};
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, command: Grant) -> Result<(), Failure> {
    let client = Client::new(common)?;
    match command {
        Grant::Revoke { id } => client.act(Method::DELETE, &format!("/api/v1/grants/{id}")).await,
        Grant::List { all } => {
            let grants: Vec<GrantBody> = client.list(&format!("/api/v1/grants?live={}", !all)).await?;
            if common.json {
                return output::json(&grants);
            }
            let rows: Vec<_> = grants
                .into_iter()
                .map(|grant| {
                    let uses = match (grant.uses_left, grant.uses) {
                        (Some(left), Some(uses)) => format!("{left}/{uses}"),
                        _ => "unlimited".to_owned(),
                    };
                    let state =
                        if grant.revoked_at.is_some() { "revoked".to_owned() } else { grant.expires_at };
                    let by = grant.key.unwrap_or_else(|| "operator".to_owned());
                    vec![
                        grant.id,
                        grant.instance,
                        grant.dialect.to_string(),
                        grant.kind.to_string(),
                        uses,
                        state,
                        by,
                    ]
                })
                .collect();
            let header = ["ID", "INSTANCE", "DIALECT", "KIND", "USES LEFT", "EXPIRES", "BY"];
            output::table(&header, &rows, "No grant would open a session now.")
        }
    }
}
