//! Projects, access keys and API tokens.

use std::str::FromStr;

use clap::Subcommand;
use transom_config::HumanDuration;
use transom_model::access_key::Role;
use transom_model::api_token::ApiTokenId;
use transom_model::id::ParseIdError;
#[derive(Debug, Subcommand)]
pub(crate) enum Project {
    /// Make a project.
    Add {
        /// Its name, unique.
        name: String,
    },
    /// List projects.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make an access key. Its secret is shown this once.
    Add {
        /// The project, by name or id.
        #[arg(long, value_name = "P")]
        project: String,
        /// What people call it.
        #[arg(long, value_name = "N", default_value = "")]
        name: String,
        /// reader views; member also opens consoles and ends any link or session of the project; admin manages
        /// the project.
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: Role,
    },
    /// List access keys.
    List {
        /// Only those of this project.
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Add a second secret; the old one stays valid until `key retire`.
    Rotate {
        /// The key.
        id: String,
    },
    /// End the older of two secrets, and the tokens, links and consoles that were made with it.
    Retire {
        /// The key.
        id: String,
    },
    /// Make a token that stands for the key until it expires: the token alone on stdout.
    Token {
        /// The key.
        id: String,
        /// How long it is valid, such as 10m, 1h, 30d.
        #[arg(long, value_name = "T", default_value = "1h", allow_hyphen_values = true)]
        ttl: HumanDuration,
    },
    /// Make a key worth nothing and end the consoles that were opened under it.
    Revoke {
        /// The key.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// List tokens that are valid, the newest first; the tokens themselves are not shown.
    List {
        /// Only those of this access key.
        #[arg(long, value_name = "K")]
        key: Option<String>,
    },
    /// Revoke a token and every token obtained with it, and end the links and consoles made with them.
    Revoke {
        /// The token's id; - reads it from standard input, or the token itself, which is not sent.
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
