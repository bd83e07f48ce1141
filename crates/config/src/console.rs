//! `[console]`: consoles in the browser.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use transom_model::instance::HANDSHAKE;

use crate::duration::{HumanDuration, Limit};
use crate::web;

/// The minimum of `resume`. It exceeds the time that dial and handshakes may take.
const MIN_RESUME: Duration = Duration::from_secs(30);
/// The minimum of `accept_wait`, the time that every VNC server has for a step of its handshake.
const MIN_ACCEPT_WAIT: Duration = HANDSHAKE;
/// The maximum of `accept_wait`. The sum of this, the dial and the handshakes is shorter than the
/// time for which the store reserves a grant's use.
const MAX_ACCEPT_WAIT: Duration = Duration::from_secs(180);

/// Consoles in the browser.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Origins other than the server's own whose pages may open consoles, such as
    /// `https://portal.example.com`.
    #[serde(deserialize_with = "web::origins")]
    pub allowed_origins: BTreeSet<String>,
    /// Origins whose pages may show the console page in a frame; none by default.
    pub frame_ancestors: Vec<String>,
    /// The time within which a page may reconnect with its resume ticket.
    pub resume: HumanDuration,
    /// The time that a VNC server may take, after its greeting, to ask a person for permission.
    pub accept_wait: HumanDuration,
    /// The longest duration of a session.
    pub max_session: Limit,
    /// The longest time for which a session may carry neither input nor pixels.
    pub idle: Limit,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            allowed_origins: BTreeSet::new(),
            frame_ancestors: Vec::new(),
            resume: HumanDuration(Duration::from_secs(5 * 60)),
            accept_wait: HumanDuration(Duration::from_secs(60)),
            max_session: Limit(Some(Duration::from_secs(12 * 3600))),
            idle: Limit(None),
        }
    }
}

impl Console {
    pub(crate) fn check(&self) -> Result<(), String> {
        for ancestor in &self.frame_ancestors {
            let plain = ancestor.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b','));
            if !plain || !(ancestor.starts_with("https://") || ancestor.starts_with("http://")) {
                return Err(format!(
                    "console.frame_ancestors: {ancestor:?} is not an origin such as https://portal.example.com"
                ));
            }
        }
        if self.resume.0 < MIN_RESUME {
            return Err(
                "console.resume: must be at least 30s, because a slow instance may take that long".to_owned()
            );
        }
        if !(MIN_ACCEPT_WAIT..=MAX_ACCEPT_WAIT).contains(&self.accept_wait.0) {
            return Err("console.accept_wait: must be from 10s to 3m".to_owned());
        }
        for (key, limit) in [("max_session", self.max_session), ("idle", self.idle)] {
            if limit == Limit(Some(Duration::ZERO)) {
                return Err(format!("console.{key}: must be more than 0, or \"off\""));
            }
        }
        Ok(())
    }
}
