//! Console kinds: the forms of a console URL.

use std::fmt;
use std::str::FromStr;

use crate::id::ParseIdError;
use crate::words::words;

words! {
    /// The form of a console URL. It does not limit the rights of the grant.
    ConsoleKind, "kind", "must be page, websocket or xvpvnc";
    Page = "page", "A page to open in a browser.";
    Websocket = "websocket", "A WebSocket that speaks RFB.";
    Xvpvnc = "xvpvnc", "A URL for the Java viewer, opened by CONNECT.";
}
