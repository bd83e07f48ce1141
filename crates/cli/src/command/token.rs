//! `transom token`

use std::path::Path;

use transom_model::api::{EndedBody, ListedTokenBody};
use transom_model::api_token::ApiTokenId;
use transom_model::secret::TokenDigest;

use super::file::read_password;
use super::key::ended;
use crate::args::{Common, Token, TokenName};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

const ALL: &str = "/api/v1/tokens";

pub(crate) async fn run(common: &Common, command: Token) -> Result<(), Failure> {
    match command {
        Token::List { key } => {
            let filter = key.map(|key| format!("?key={}", escape(&key))).unwrap_or_default();
            list(common, Client::new(common)?.list(&format!("{ALL}{filter}")).await?)
        }
        Token::Revoke { id } => {
            let id = match id {
                TokenName::Id(id) => id,
                TokenName::Input => named(read_password(Path::new("-"))?.trim()),
            };
            let done: EndedBody = Client::new(common)?.remove(&format!("{ALL}/{id}")).await?;
            ended(common, &done, format_args!("revoked token {id}"))
        }
    }
}

/// Returns the id in this text, or the id of the token in it: the token itself is not sent.
fn named(text: &str) -> ApiTokenId {
    text.parse().unwrap_or_else(|_| ApiTokenId::of(TokenDigest::of(text)))
}

/// Prints the tokens, the newest first.
fn list(common: &Common, mut tokens: Vec<ListedTokenBody>) -> Result<(), Failure> {
    tokens.sort_by(|one, other| other.created_at.cmp(&one.created_at));
    if common.json {
        return output::json(&tokens);
    }
    let rows: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let used = token.last_used_at.unwrap_or_else(|| "-".to_owned());
            vec![token.id, token.key, token.created_at, token.expires_at, used]
        })
        .collect();
    let header = ["ID", "KEY", "CREATED", "EXPIRES", "LAST USED"];
    output::table(&header, &rows, "There are no valid tokens. To create one: transom key token ID")
}
