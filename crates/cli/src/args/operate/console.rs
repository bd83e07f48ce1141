//! Consoles: links, sessions and the audit.

use std::net::IpAddr;

use clap::{Args as ClapArgs, Subcommand};
use transom_config::HumanDuration;
use transom_model::console_kind::ConsoleKind;
use transom_model::grant::MAX_USES;
use transom_model::id::{GrantId, InstanceId, RequestWord, SessionId};
#[derive(Debug, ClapArgs)]
pub(crate) struct Console {
    /// The instance's id.
    pub(crate) id: InstanceId,
    /// The project, by name or id.
    #[arg(long, value_name = "P")]
    pub(crate) project: String,
    /// The form of the URL: page, websocket or xvpvnc.
    #[arg(long, value_name = "KIND", default_value = "page")]
    pub(crate) kind: ConsoleKind,
    /// Ignore the viewer's keys, pointer and clipboard.
    #[arg(long)]
    pub(crate) view_only: bool,
    /// The time within which the URL must be opened, such as 60s, 10m, 24h.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) ttl: Option<HumanDuration>,
    /// The number of times that the URL can be opened; 0: no limit until it expires.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = uses)]
    pub(crate) uses: Option<u32>,
    /// The time after which all sessions of the URL end, such as 1h. --ttl limits only the time
    /// within which the URL must be opened.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) ends_after: Option<HumanDuration>,
    /// Open the URL in a browser.
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Link {
    /// List links that can still open a session or have one open, the newest first.
    List {
        /// Include used, expired and revoked links.
        #[arg(long)]
        all: bool,
    },
    /// Show a link, its creator, and each use with time and source.
    Show {
        /// The console URL, its token, or the link's id; - reads it from standard input, so that it
        /// does not appear in the shell's history or the process list. The token itself is not
        /// sent.
        #[arg(value_name = "URL|ID")]
        link: String,
    },
    /// Revoke a link, end its sessions, and print them. A key with the role member may revoke every
    /// link of its project, including the operator's.
    Revoke {
        /// The console URL, its token, or the link's id; - reads it from standard input, so that it
        /// does not appear in the shell's history or the process list. The token itself is not
        /// sent.
        #[arg(value_name = "URL|ID")]
        link: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List sessions, the newest first.
    List {
        /// Include sessions that have ended.
        #[arg(long)]
        all: bool,
    },
    /// End a session. A key with the role member may end every session of its project.
    End {
        /// The session's id.
        id: SessionId,
        /// A reason for the audit. The viewer does not see it.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Audit {
    /// Print new events as they happen (with --json, one JSON object per line).
    #[arg(long)]
    pub(crate) follow: bool,
    /// Limit to this project.
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Limit to this link.
    #[arg(long, value_name = "ID")]
    pub(crate) link: Option<GrantId>,
    /// Limit to this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,
    /// Limit to this request, by its id or the id's last eight characters.
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<RequestWord>,
    /// Limit to requests from this IP address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    /// The maximum number of events, at most 1000. The newest are printed.
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

/// Parses the number of uses of a URL.
fn uses(text: &str) -> Result<u32, String> {
    let uses = text.parse().ok().filter(|uses| *uses <= MAX_USES);
    uses.ok_or_else(|| format!("give a number from 1 to {MAX_USES}, or 0 for no limit until it expires"))
}
