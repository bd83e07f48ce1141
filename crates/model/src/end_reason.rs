//! The reasons why a console did not open, or ended. API errors, WebSocket closes, pages, logs and
//! metrics share this one list.

use std::fmt;
use std::str::FromStr;

use crate::id::ParseIdError;

/// The side on which the cause lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Side {
    /// The person or program at the viewing end.
    Viewer,
    /// The machine with the console, or the way to it.
    Instance,
    /// A deliberate act of the service's operator or the project's owner.
    Operator,
    /// Transom itself.
    Transom,
}

/// A page's automatic reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Retry {
    /// The session is over.
    Never,
    /// Reconnect at once with the resume ticket.
    Resume,
    /// Try the same link again later.
    Later,
    /// Ask for a new link.
    NewLink,
}

macro_rules! end_reasons {
    ($($close:literal $variant:ident $code:literal $status:literal $side:ident $retry:ident
       $sentence:literal, $next:literal $(, $remedy:literal)?;)+) => {
        /// A reason why a console did not open, or ended.
        ///
        /// The numbers are WebSocket close codes (RFC 6455 §7.4.2, the private range) and are never
        /// reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum EndReason { $(#[doc = $sentence] $variant = $close,)+ }

        impl EndReason {
            /// Every reason, ordered by close code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for APIs, logs and metrics.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// A sentence for people, at most 120 bytes so that it fits a WebSocket close frame.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }

            /// The viewer's next step.
            #[must_use]
            pub fn next_step(self) -> &'static str {
                match self { $(Self::$variant => $next,)+ }
            }

            /// The next step for the people who manage the machine, if it differs. Viewers do not
            /// see it because it names commands, settings and paths of this installation.
            #[must_use]
            pub fn remedy(self) -> Option<&'static str> {
                match self { $(Self::$variant => None$(.or(Some($remedy)))?,)+ }
            }

            /// The side on which the cause lies.
            #[must_use]
            pub fn side(self) -> Side {
                match self { $(Self::$variant => Side::$side,)+ }
            }

            /// A page's automatic reaction.
            #[must_use]
            pub fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)+ }
            }

            /// The HTTP status of a response that carries this reason.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

end_reasons! {
    4400 TokenMissing "token-missing" 400 Viewer NewLink
        "This console link has no token.", "Copy the whole link, up to its last character, or ask for a new one.";
    4401 TokenUnknown "token-unknown" 401 Viewer NewLink
        "This console link is not valid.", "Copy the whole link, or ask for a new one.";
    4402 TokenExpired "token-expired" 401 Viewer NewLink
        "This console link has expired.", "Ask for a new link and open it soon: a link is valid only for a short time.";
    4403 TokenSpent "token-spent" 401 Viewer NewLink
        "This console link has already been used.", "Ask for a new link. If you did not use this one, tell the person who gave it to you.";
    4404 LinkRevoked "link-revoked" 403 Operator NewLink
        "Access to this console was revoked.", "Ask the person who gave you the link whether you should still have access.";
    4405 TicketInvalid "ticket-invalid" 401 Viewer NewLink
        "This page can no longer return to its session.", "Ask for a new link.";
    4406 TicketReplayed "ticket-replayed" 403 Viewer NewLink
        "This session's resume ticket was used twice, so Transom ended the session.", "Another person may have copied the ticket. Ask for a new link, and tell the operator of this service.";
    4407 OriginRefused "origin-refused" 403 Operator Never
        "The page that opened this console is not allowed to open it.", "Open the console link directly. If you already did, tell the operator of this service.",
        "Behind a proxy, set [http] public_url. For another site's page, set [console] allowed_origins.";
    4408 TakenOver "taken-over" 409 Viewer Never
        "This session was opened again elsewhere.", "Continue there. If that was not you, tell the person who gave you the link.";
    4409 SessionKilled "session-killed" 403 Operator Never
        "This session was ended by an operator.", "Ask the operator of this service before you open it again.";
    4410 KeyRevoked "key-revoked" 403 Operator NewLink
        "The access key behind this console was revoked.", "Ask the person who gave you the link whether you should still have access.";
    4411 InstanceRemoved "instance-removed" 404 Operator Never
        "The machine of this console was removed.", "Ask the machine's owner.";
    4412 SessionExpired "session-expired" 403 Operator NewLink
        "The session reached its maximum duration.", "Ask for a new link to continue.";
    4413 SessionIdle "session-idle" 403 Operator NewLink
        "The session was idle for too long.", "Ask for a new link to continue.";
    4414 TooManySessions "too-many-sessions" 429 Operator Later
        "Too many sessions are open at once.", "Close a console that is no longer needed, then try again.";
    4415 ShuttingDown "shutting-down" 503 Transom Resume
        "Transom is being restarted.", "Wait: the page reconnects automatically.";
    4416 RateLimited "rate-limited" 429 Viewer Later
        "Too many attempts were made in a short time.", "Wait a moment, then try again.";
    4417 LinkEnded "link-ended" 403 Operator NewLink
        "This console link has ended.", "Ask for a new link to continue.";
    4418 InstanceMoved "instance-moved" 503 Operator Resume
        "The machine behind this console was moved.", "Wait: the page reconnects automatically.";
    4419 EndpointChanged "endpoint-changed" 403 Operator NewLink
        "This console now leads to a different machine.", "Open the link again, or ask for a new one.";
    4420 InstanceNotRunning "instance-not-running" 409 Instance Later
        "The machine is not running.", "Start the machine, then open the console again.";
    4421 EndpointNotAllowed "endpoint-not-allowed" 403 Operator Never
        "Transom is not allowed to connect to the machine's address.", "Tell the machine's administrator and give the request id.",
        "Ask the operator to set the endpoint, or to allow it: in [endpoints] allow, or for an existing Nova in [openstack] nova_targets.";
    4422 EndpointUnresolved "endpoint-unresolved" 502 Instance Later
        "The machine's host name cannot be resolved.", "Try again in a moment. If the problem persists, tell the machine's administrator and give the request id.",
        "Check the endpoint's spelling and the DNS that Transom uses.";
    4423 InstanceRefusedConnection "instance-refused-connection" 502 Instance Later
        "The machine refuses VNC connections.", "The machine may be starting: try again in a moment. If the problem persists, tell the machine's administrator and give the request id.",
        "Check that the VNC server runs and listens on the endpoint's port.";
    4424 InstanceUnreachable "instance-unreachable" 504 Instance Later
        "The machine cannot be reached.", "Try again in a moment. If the problem persists, tell the machine's administrator and give the request id.",
        "Check address, routes and firewalls between Transom and the endpoint.";
    4425 InstanceSilent "instance-silent" 504 Instance Later
        "The machine accepts the connection but sends nothing.", "Try again in a moment. If the problem persists, tell the machine's administrator and give the request id.",
        "Check that a VNC server listens on the port and that it does not hang.";
    4426 InstanceNotVnc "instance-not-vnc" 502 Instance Never
        "The machine's address does not lead to a VNC server.", "Tell the machine's administrator and give the request id.",
        "Check the endpoint's port: the details quote the answer.";
    4427 InstanceClosedEarly "instance-closed-early" 502 Instance Later
        "The machine closed the connection before the console opened.", "Try again in a moment. If the problem persists, tell the machine's administrator and give the request id.",
        "Read the VNC server's log: it may limit or block connections.";
    4428 InstanceSecurityUnsupported "instance-security-unsupported" 502 Instance Never
        "The VNC server offers no security type that Transom supports.", "Tell the machine's administrator and give the request id.",
        "Configure it for VNC authentication or VeNCrypt X509, and set the credentials on the instance.";
    4429 InstancePasswordMissing "instance-password-missing" 502 Operator Never
        "The VNC server requires a password, but none is set for the machine.", "Tell the machine's administrator and give the request id.",
        "Set it: transom instance set ID --project P --password-file F.";
    4430 InstancePasswordWrong "instance-password-wrong" 502 Operator Never
        "The VNC server rejected the password that is set for the machine.", "Tell the machine's administrator and give the request id.",
        "Set the right one: transom instance set ID --project P --password-file F.";
    4431 InstanceRefusedSession "instance-refused-session" 502 Instance Later
        "The VNC server refused the session.", "Try again in a moment. If the problem persists, tell the machine's administrator and give the request id.",
        "The details quote its answer. Read its log. A WebSocket server that answers 401 or 403 needs --header-file.";
    4432 InstanceProtocolError "instance-protocol-error" 502 Instance Never
        "The VNC server does not follow the RFB protocol.", "Tell the machine's administrator and give the request id.",
        "Check its version. The details name the message that it sent.";
    4433 InstanceGone "instance-gone" 502 Instance Resume
        "The machine closed the connection.", "The machine or its VNC server may have been stopped or restarted. The page tries again automatically.";
    4434 InstanceTlsFailed "instance-tls-failed" 502 Instance Never
        "The TLS connection to the VNC server failed.", "Tell the machine's administrator and give the request id.",
        "Check its certificate against the CA or fingerprint that is set for the instance.";
    4435 DeviceOffline "device-offline" 502 Instance Later
        "The device behind this console is not online.", "Switch the device on and check its network, then try again. If the problem persists, tell its administrator and give the request id.",
        "Check that its agent runs and reaches Transom: transom address show ADDRESS.";
    4436 DeviceRefused "device-refused" 502 Instance Later
        "The device refused the console.", "Try again in a moment. If the problem persists, tell the device's administrator and give the request id.",
        "The details quote its reason. Read the agent's log, and check its --to and --allow-key lists.";
    4437 DeviceEndToEndOnly "device-end-to-end-only" 403 Instance Never
        "The device accepts only end-to-end connections, so it cannot be opened in a browser.", "Ask the device's administrator for another way to connect: browser access is disabled on purpose.",
        "Connect with transom connect and a VNC viewer.";
    4438 DeviceKeyChanged "device-key-changed" 502 Instance Never
        "The device presents a different key than before.", "Tell the device's administrator and give the request id: the device may have been reinstalled, or the connection may be intercepted.",
        "If it was reinstalled, compare its key and accept it: transom address accept-key. Otherwise the connection may be intercepted.";
    4439 InstanceSecretsWithheld "instance-secrets-withheld" 502 Operator Never
        "The device has new credentials, so Transom does not send it the machine's password.",
        "Tell the machine's administrator and give the request id.",
        "If the device is the intended one, set the password again: transom instance set ID --project P --password-file F.";
    4440 ViewerClosed "viewer-closed" 400 Viewer Never
        "The console was closed.", "No action is needed: the viewer closed the console.";
    4441 ViewerLost "viewer-lost" 408 Viewer Resume
        "The connection to the viewer was lost.", "Check the network. The page reconnects automatically.";
    4442 ViewerWebsocketError "viewer-websocket-error" 400 Viewer Never
        "The viewer violated the WebSocket protocol.", "Use a current browser or viewer. Only binary frames are accepted.";
    4443 ViewerProtocolError "viewer-protocol-error" 400 Viewer Never
        "The viewer violated the RFB protocol.", "Use another viewer, or report this to its developers. The details name the message.";
    4444 ViewerUnknownMessage "viewer-unknown-message" 400 Viewer Never
        "The viewer sent a message that Transom does not know.", "Turn off the viewer's extensions. The details name the message type.";
    4445 ViewerTooSlow "viewer-too-slow" 408 Viewer Resume
        "The viewer did not respond in time.", "Check the network and try again.";
    4450 InternalError "internal-error" 500 Transom Later
        "An internal error occurred in Transom.", "Try again. If the problem persists, tell the operator of this service and give the request id.";
    4451 Overloaded "overloaded" 503 Transom Later
        "Transom is at capacity.", "Wait a moment, then try again.";
    4452 StoreUnavailable "store-unavailable" 503 Transom Resume
        "Transom cannot reach its database.", "Wait a moment, then try again. If the problem persists, tell the operator of this service and give the request id.";
    4453 CloudUnavailable "cloud-unavailable" 503 Operator Later
        "The cloud that this console belongs to does not answer.", "Wait a moment, then try again. If the problem persists, tell the operator of this service and give the request id.";
}

impl EndReason {
    /// The next step for the people who manage the machine.
    #[must_use]
    pub fn manager_step(self) -> &'static str {
        self.remedy().unwrap_or_else(|| self.next_step())
    }

    /// The WebSocket close code.
    #[must_use]
    pub fn close_code(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for EndReason {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == text)
            .ok_or(ParseIdError { what: "end reason", problem: "is not on the list" })
    }
}

/// An end reason with details of one case.
///
/// Viewers see a detail only if [`End::for_viewers`] made it. Other details may contain an
/// endpoint's host, address or path, the names in a certificate, or a banner. Everything that is
/// displayed, including by `Display`, contains the viewers' part only. The log, the audit and the
/// people who manage the machine get [`End::detail`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", .detail.for_viewers().map(|words| format!(": {words}")).unwrap_or_default())]
pub struct End {
    /// The reason.
    pub reason: EndReason,
    detail: Detail,
    machine: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Detail {
    None,
    ForViewers(String),
    Internal(String),
}

impl Detail {
    fn for_viewers(&self) -> Option<&str> {
        match self {
            Self::ForViewers(words) => Some(words),
            Self::None | Self::Internal(_) => None,
        }
    }
}

impl From<EndReason> for End {
    fn from(reason: EndReason) -> Self {
        Self { reason, detail: Detail::None, machine: None }
    }
}

/// Replaces control characters. A detail may quote a peer, which must not begin new lines in a log
/// or a table.
fn one_line(mut detail: String) -> String {
    if detail.contains(char::is_control) {
        detail = detail.replace(char::is_control, " ");
    }
    detail
}

/// A close frame's payload holds 125 bytes, of which the code takes 2 (RFC 6455 §5.5).
const MAX_CLOSE_TEXT: usize = 123;

impl End {
    /// A reason with a detail that viewers do not see, such as the VNC server's message or the
    /// address that does not answer. The detail must not contain a secret.
    pub fn new(reason: EndReason, detail: impl Into<String>) -> Self {
        Self { detail: Detail::Internal(one_line(detail.into())), ..reason.into() }
    }

    /// A reason with additional text for viewers. The text describes their own actions, or facts
    /// that their link shows them anyway.
    pub fn for_viewers(reason: EndReason, words: impl Into<String>) -> Self {
        Self { detail: Detail::ForViewers(one_line(words.into())), ..reason.into() }
    }

    /// Adds the machine's name. The recipient must have presented a valid link or ticket.
    #[must_use]
    pub fn of_machine(self, name: impl Into<String>) -> Self {
        Self { machine: Some(name.into()), ..self }
    }

    /// The machine's display name, if the recipient may know it.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    /// The complete detail, for the log, the audit and the people who manage the machine.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match &self.detail {
            Detail::None => None,
            Detail::ForViewers(words) | Detail::Internal(words) => Some(words),
        }
    }

    /// The sentence, followed by the text for viewers if there is any.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.detail.for_viewers() {
            Some(words) => format!("{} ({words})", self.reason.sentence()),
            None => self.reason.sentence().to_owned(),
        }
    }

    /// The sentence, followed by the complete detail if there is any, for the people who manage the
    /// machine.
    #[must_use]
    pub fn manager_sentence(&self) -> String {
        match self.detail() {
            Some(detail) => format!("{} ({detail})", self.reason.sentence()),
            None => self.reason.sentence().to_owned(),
        }
    }

    /// The sentence and the text for viewers, as far as they fit a WebSocket close frame. If both
    /// do not fit, the sentence is omitted, because the close code conveys it.
    #[must_use]
    pub fn close_text(&self) -> String {
        let mut text = self.sentence();
        if text.len() > MAX_CLOSE_TEXT
            && let Some(words) = self.detail.for_viewers()
        {
            text = format!("({words})");
        }
        if text.len() > MAX_CLOSE_TEXT {
            let mut end = MAX_CLOSE_TEXT - '…'.len_utf8();
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_unique_and_fits_a_close_frame() {
        assert!(EndReason::ALL.windows(2).all(|pair| pair[0].close_code() < pair[1].close_code()));
        for reason in EndReason::ALL {
            assert!((4400..4500).contains(&reason.close_code()), "{reason}");
            assert!(reason.sentence().len() <= 120, "{reason}");
            assert!(!reason.next_step().is_empty(), "{reason}");
            assert_ne!(reason.remedy(), Some(reason.next_step()), "{reason}");
            assert_eq!(reason.code().parse(), Ok(*reason));
        }
    }

    /// `TRANSOM_UPDATE=1 cargo test -p transom-model` rewrites the file.
    #[test]
    fn the_web_page_has_the_same_list() {
        let rows: Vec<_> = EndReason::ALL
            .iter()
            .map(|reason| {
                serde_json::json!({
                    "code": reason.code(),
                    "close_code": reason.close_code(),
                    "sentence": reason.sentence(),
                    "side": reason.side(),
                    "next_step": reason.next_step(),
                    "retry": reason.retry(),
                })
            })
            .collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/end-reasons.json");
        if std::env::var_os("TRANSOM_UPDATE").is_some() {
            let lines: Vec<_> = rows.iter().map(|row| format!("  {row}")).collect();
            let text = format!("[\n{}\n]\n", lines.join(",\n"));
            std::fs::write(path, text).expect("the file can be written");
        }
        let text = std::fs::read_to_string(path).expect("web/src/end-reasons.json");
        let page: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(page, rows, "the list changed: TRANSOM_UPDATE=1 cargo test -p transom-model");
    }

    #[test]
    fn viewers_see_no_remedy_that_only_the_operator_can_apply() {
        for reason in EndReason::ALL {
            for words in [reason.sentence(), reason.next_step()] {
                let told = |mark: &str| words.contains(mark);
                assert!(
                    !["transom ", "--", "[", "_", "log", "DNS", "Operator"].into_iter().any(told),
                    "{words}"
                );
            }
        }
    }

    #[test]
    fn a_peers_words_stay_in_one_line() {
        let end = End::new(EndReason::DeviceRefused, "no)\nvm-9\tinstance-removed\r");
        assert_eq!(end.detail(), Some("no) vm-9 instance-removed "));
    }

    #[test]
    fn viewers_see_a_detail_only_if_it_is_meant_for_them() {
        let kept = End::new(EndReason::EndpointUnresolved, "rack-12.corp.example: not found");
        assert_eq!(kept.detail(), Some("rack-12.corp.example: not found"));
        for shown in [kept.sentence(), kept.close_text(), kept.to_string()] {
            assert!(!shown.contains("rack-12"), "{shown}");
        }
        let told = End::for_viewers(EndReason::InstanceNotRunning, "it is stopped");
        assert_eq!(told.detail(), Some("it is stopped"));
        assert_eq!(told.sentence(), "The machine is not running. (it is stopped)");
        assert_eq!(told.to_string(), "instance-not-running: it is stopped");
    }

    #[test]
    fn a_long_detail_replaces_the_sentence_and_is_cut_between_characters() {
        let words = "it has the type 77, and a length that no extension of the protocol has given it";
        let end = End::for_viewers(EndReason::ViewerProtocolError, words);
        assert!(end.sentence().len() <= MAX_CLOSE_TEXT);
        let words = format!("{words} in any version of the viewer");
        let end = End::for_viewers(EndReason::ViewerProtocolError, &words);
        assert!(end.sentence().len() > MAX_CLOSE_TEXT);
        assert_eq!(end.close_text(), format!("({words})"));
        let end = End::for_viewers(EndReason::ViewerProtocolError, "short");
        assert_eq!(end.close_text(), end.sentence());
        let end = End::for_viewers(EndReason::ViewerProtocolError, "ä".repeat(200));
        assert!(end.close_text().len() <= MAX_CLOSE_TEXT);
        assert!(end.close_text().ends_with('…'));
    }
}
