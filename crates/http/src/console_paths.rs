//! The paths of the console page and of its WebSockets, and the token in their query.

/// The paths of the console page. They include the names that noVNC's pages had in older versions.
pub const CONSOLE_PATHS: [&str; 4] = ["/console", "/vnc_auto.html", "/vnc_lite.html", "/vnc.html"];
/// The path of the WebSocket that Transom's own page opens.
pub const SESSION_PATH: &str = "/console/session";
/// The path of the WebSocket that other noVNC pages, vncdotool and websocat open.
pub const WEBSOCKIFY_PATH: &str = "/websockify";

/// Tells whether a WebSocket at this path is a console.
pub fn is_console_socket(path: &str) -> bool {
    path == "/" || matches!(bare(path), SESSION_PATH | WEBSOCKIFY_PATH)
}

/// Tells whether a path leads to the console page.
pub fn is_console_page(path: &str) -> bool {
    CONSOLE_PATHS.contains(&bare(path))
}

/// Returns the console URL's token in a query.
pub fn token_of(query: &str) -> Option<String> {
    let found = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    found.map(|(_, token)| token.into_owned()).filter(|token| !token.is_empty())
}

/// The path without the superfluous slashes that people and proxies put in front or at the end.
fn bare(path: &str) -> &str {
    let path = path.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}
