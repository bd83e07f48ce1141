//! Test servers, fake VNC servers, WebSocket viewers and a fault proxy, for tests only.

pub mod postgres;
