//! WebSocket (RFC 6455), the server's side: just what a console needs.

pub mod frame;
pub mod upgrade;
