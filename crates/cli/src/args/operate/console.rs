//! Consoles: links, sessions and the audit.

use std::net::IpAddr;

use clap::{Args as ClapArgs, Subcommand};
use transom_config::HumanDuration;
use transom_model::grant::{ConsoleKind, MAX_USES};
use transom_model::id::{GrantId, InstanceId, RequestWord, SessionId};
#[derive(Debug, ClapArgs)]
pub(crate) struct Console {
    /// The instance.
    pub(crate) id: InstanceId,
    /// The project, by name or id.
    #[arg(long, value_name = "P")]
    pub(crate) project: String,
    /// page, websocket or xvpvnc.
    #[arg(long, value_name = "KIND", default_value = "page")]
    pub(crate) kind: ConsoleKind,
    /// Drop keys, pointer and clipboard from the viewer.
    #[arg(long)]
    pub(crate) view_only: bool,
    /// Time to connect, such as 60s, 10m, 24h.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) ttl: Option<HumanDuration>,
    /// How often the URL opens; 0: as often as wanted until it expires.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = uses)]
    pub(crate) uses: Option<u32>,
    /// When everything under the URL is over, counted from now, such as 1h: --ttl bounds only how long it opens.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) ends_after: Option<HumanDuration>,
    /// Open it in the browser.
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Link {
    /// List links that open, or that a session is open under, the newest first.
    List {
        /// Also those that are used up, expired or revoked.
        #[arg(long)]
        all: bool,
    },
    /// Show a link: who made it, and who used it when and from where.
    Show {
        /// The console URL, its token, or the link's id; - reads it from standard input, so that it stands neither in the
        /// shell's history nor in the list of processes. The token itself is not sent.
        #[arg(value_name = "URL|ID")]
        link: String,
    },
    /// Revoke a link and end everything under it, and show what there was. A key with the role member may revoke every link of
    /// its project, the operator's too.
    Revoke {
        /// The console URL, its token, or the link's id; - reads it from standard input, so that it stands neither in the
        /// shell's history nor in the list of processes. The token itself is not sent.
        #[arg(value_name = "URL|ID")]
        link: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List sessions, the newest first.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
    },
    /// End a session. A key with the role member may end every session of its project.
    End {
        /// The session.
        id: SessionId,
        /// Why, for the audit; the viewer does not see it.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Audit {
    /// Go on as things happen (one JSON object per line with --json).
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only of this project.
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Only of this link.
    #[arg(long, value_name = "ID")]
    pub(crate) link: Option<GrantId>,
    /// Only of this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,
    /// Only of this call: its id, or the last eight characters of it.
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<RequestWord>,
    /// Only what came from this address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    /// How many, the newest; at most 1000.
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

/// Parses the number of uses of a URL.
fn uses(text: &str) -> Result<u32, String> {
    let uses = text.parse().ok().filter(|uses| *uses <= MAX_USES);
    uses.ok_or_else(|| {
        format!("type a number from 1 to {MAX_USES}, or 0: as often as wanted until it expires")
    })
}
