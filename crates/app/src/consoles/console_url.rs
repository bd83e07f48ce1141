//! The forms of a console URL. The form never limits what the grant may do.

use transom_model::console_kind::ConsoleKind;
use transom_model::secret::Secret;
use url::Url;

use transom_config::NovncForm;

/// The forms of console URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `https://…/console#token=…`: a fragment never reaches a log.
    Fragment,
    /// `https://…/console?token=…`: the token is the only parameter.
    Query,
    /// `wss://…/websockify?token=…`
    WebSocket,
    /// `https://…:443/console?token=…`: the Java viewer needs an explicit port.
    Connect,
    /// `https://…/vnc_auto.html?path=%3Ftoken%3D…` or `…?token=…`: noVNC's page, with the name that
    /// OpenStack uses.
    Novnc(NovncForm),
}

impl Shape {
    /// Returns the form for a kind of console.
    #[must_use]
    pub fn of(kind: ConsoleKind) -> Self {
        match kind {
            ConsoleKind::Page => Self::Fragment,
            ConsoleKind::Websocket => Self::WebSocket,
            ConsoleKind::Xvpvnc => Self::Connect,
        }
    }

    /// Returns the URL. It contains the token, so it must not be logged.
    #[must_use]
    pub fn url(self, public: &Url, token: &Secret) -> String {
        let base = public.as_str().trim_end_matches('/');
        let token = token.expose();
        match self {
            Self::Fragment => format!("{base}/console#token={token}"),
            Self::Query => format!("{base}/console?token={token}"),
            // http becomes ws, and https wss.
            Self::WebSocket => format!("{}/websockify?token={token}", base.replacen("http", "ws", 1)),
            Self::Novnc(NovncForm::Path) => format!("{base}/vnc_auto.html?path=%3Ftoken%3D{token}"),
            Self::Novnc(NovncForm::Token) => format!("{base}/vnc_auto.html?token={token}"),
            Self::Connect => {
                let host = public.host_str().unwrap_or_default();
                let port = public.port_or_known_default().unwrap_or(443);
                let path = public.path().trim_end_matches('/');
                format!("{}://{host}:{port}{path}/console?token={token}", public.scheme())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_form() {
        let token = Secret::new("T");
        let url = |shape: Shape, public: &str| shape.url(&public.parse().expect("URL"), &token);
        assert_eq!(url(Shape::Fragment, "https://c.example/"), "https://c.example/console#token=T");
        assert_eq!(url(Shape::Query, "https://c.example/"), "https://c.example/console?token=T");
        assert_eq!(url(Shape::WebSocket, "https://c.example"), "wss://c.example/websockify?token=T");
        assert_eq!(url(Shape::WebSocket, "http://[::1]:7900"), "ws://[::1]:7900/websockify?token=T");
        assert_eq!(url(Shape::Connect, "https://c.example"), "https://c.example:443/console?token=T");
        let path = "https://c.example/vnc_auto.html?path=%3Ftoken%3DT";
        assert_eq!(url(Shape::Novnc(NovncForm::Path), "https://c.example/"), path);
        let token = "https://c.example/vnc_auto.html?token=T";
        assert_eq!(url(Shape::Novnc(NovncForm::Token), "https://c.example/"), token);
        assert_eq!(url(Shape::Connect, "http://[::1]:7900/"), "http://[::1]:7900/console?token=T");
    }
}
