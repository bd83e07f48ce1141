//! Projects, access keys and API tokens.

use std::str::FromStr;

use clap::Subcommand;
use transom_config::HumanDuration;
use transom_model::access_key::Role;
use transom_model::api_token::ApiTokenId;
use transom_model::id::ParseIdError;
#[derive(Debug, Subcommand)]
pub(crate) enum Project {
    /// Create a project.
    Add {
        /// The project's name, which must be unique.
        name: String,
    },
    /// List projects.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Create an access key. Its secret is shown only once.
    Add {
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
        /// A display name.
        #[arg(long, value_name = "N", default_value = "")]
        name: String,
        /// reader: lists and shows; member: also opens consoles and ends any link or session of the
        /// project; admin: also manages the project.
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: Role,
    },
    /// List access keys.
    List {
        /// Limit the list to this project.
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Add a second secret; the old one stays valid until `key retire`.
    Rotate {
        /// The key's id.
        id: String,
    },
    /// Revoke the older of two secrets, and end the tokens, links and sessions made with it.
    Retire {
        /// The key's id.
        id: String,
    },
    /// Create a token that replaces the key until it expires. Prints only the token on stdout.
    Token {
        /// The key's id.
        id: String,
        /// The token's lifetime, such as 10m, 1h, 30d.
        #[arg(long, value_name = "T", default_value = "1h", allow_hyphen_values = true)]
        ttl: HumanDuration,
    },
    /// Revoke a key and end its consoles.
    Revoke {
        /// The key's id.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// List valid tokens by their ids, the newest first.
    List {
        /// Limit the list to this access key.
        #[arg(long, value_name = "K")]
        key: Option<String>,
    },
    /// Revoke a token and every token obtained with it, and end the links and sessions made with
    /// them.
    Revoke {
        /// The token's id; - reads the id or the token from standard input. The token itself is not
        /// sent.
        id: TokenName,
    },
}

/// A reference to a token.
#[derive(Clone, Debug)]
pub(crate) enum TokenName {
    /// By its id.
    Id(ApiTokenId),
    /// By the text on standard input.
    Input,
}

impl FromStr for TokenName {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text == "-" { Ok(Self::Input) } else { text.parse().map(Self::Id) }
    }
}
