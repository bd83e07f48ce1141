//! `transom repeater`

use reqwest::Method;
use serde_json::json;
use transom_model::api::{NewTicketBody, TicketBody, ViewerIdBody};
use transom_model::cloud::CloudAddress;

use crate::args::{Common, Repeater};
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, command: Repeater) -> Result<(), Failure> {
    let client = Client::new(common)?;
    let at = |address: &CloudAddress, what: &str| format!("/api/v1/addresses/{address}/{what}");
    match command {
        Repeater::Ticket { address, numeric } => {
            let new = NewTicketBody { numeric };
            let made: TicketBody = client.send(Method::POST, &at(&address, "repeater-ticket"), &new).await?;
            if common.json {
                return output::json(&made);
            }
            output::line(&made.ticket)?;
            output::say(
                "Save the ticket now. It is not shown again. It is valid until it is revoked or replaced.",
            );
            Ok(())
        }
        Repeater::Revoke { address } => {
            client.act(Method::DELETE, &at(&address, "repeater-ticket")).await?;
            let sentence = format_args!("revoked the repeater ticket of {address}");
            output::done(common.json, &json!({ "address": address }), sentence)
        }
        Repeater::Viewer { address } => {
            let made: ViewerIdBody =
                client.send(Method::POST, &at(&address, "repeater-viewer"), &json!({})).await?;
            if common.json {
                return output::json(&made);
            }
            output::line(&made.id)?;
            output::say(format_args!("It opens the device once, until {}.", made.expires_at));
            Ok(())
        }
    }
}
