//! Opens a URL in the browser, where there is one.

use std::process::{Command, Stdio};

/// Asks a browser to open the URL. Returns `false` if there is no browser.
pub(crate) fn open(url: &str) -> bool {
    if cfg!(not(target_os = "macos"))
        && std::env::var_os("DISPLAY").is_none()
        && std::env::var_os("WAYLAND_DISPLAY").is_none()
    {
        return false;
    }
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
