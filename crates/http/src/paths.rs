//! The paths of the console: its page's, and those of its WebSockets.

/// Where the console page is; the names that noVNC's pages had in their time lead here too.
pub const CONSOLE_PATHS: [&str; 4] = ["/console", "/vnc_auto.html", "/vnc_lite.html", "/vnc.html"];
/// Where our own page opens its WebSocket.
pub const SESSION_PATH: &str = "/console/session";
/// Where other noVNC pages, vncdotool and websocat open theirs.
pub const WEBSOCKIFY_PATH: &str = "/websockify";

/// Whether a WebSocket at this path is a console.
pub fn is_console_socket(path: &str) -> bool {
    path == "/" || matches!(bare(path), SESSION_PATH | WEBSOCKIFY_PATH)
}

/// Whether a path is the console page's.
pub fn is_console_page(path: &str) -> bool {
    CONSOLE_PATHS.contains(&bare(path))
}

/// A path without the slashes that people and proxies put behind it and in front of it.
fn bare(path: &str) -> &str {
    let path = path.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}
