//! The behaviour of a fake VNC server.

use transom_rfb::Version;

/// A fake VNC server's parameters and its defect, if any.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) version: Version,
    pub(super) security: Security,
    pub(super) defect: Option<(Step, Defect)>,
    pub(super) greeting: Option<Vec<u8>>,
    width: u16,
    height: u16,
    name: String,
    name_length: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) enum Security {
    None,
    Password(String),
    Offers(Vec<u8>),
    Refuses(String),
}

/// A step of a VNC server in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// ProtocolVersion.
    Greeting,
    /// The security types.
    Security,
    /// The challenge and its result.
    Authentication,
    /// ServerInit.
    Init,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Defect {
    Closes,
    Holds,
}

impl Default for Script {
    /// A correct machine: RFB 3.8, no password, 640 × 480.
    fn default() -> Self {
        Self {
            version: Version::V3_8,
            security: Security::None,
            defect: None,
            greeting: None,
            width: 640,
            height: 480,
            name: "fake".to_owned(),
            name_length: None,
        }
    }
}

impl Script {
    /// Uses this protocol version.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Requires a password (VNC authentication).
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        Self { security: Security::Password(password.to_owned()), ..self }
    }

    /// Offers these security types and continues as if `None` was chosen.
    #[must_use]
    pub fn offers(self, types: &[u8]) -> Self {
        Self { security: Security::Offers(types.to_vec()), ..self }
    }

    /// Refuses every viewer with this reason.
    #[must_use]
    pub fn refuses(self, reason: &str) -> Self {
        Self { security: Security::Refuses(reason.to_owned()), ..self }
    }

    /// Announces a screen of this size.
    #[must_use]
    pub fn screen(self, width: u16, height: u16) -> Self {
        Self { width, height, ..self }
    }

    /// Announces this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Announces a name of this length, regardless of the name that it sends.
    #[must_use]
    pub fn name_length(self, length: u32) -> Self {
        Self { name_length: Some(length), ..self }
    }

    /// Sends these bytes instead of RFB's greeting, and nothing more.
    #[must_use]
    pub fn greets(self, greeting: &[u8]) -> Self {
        Self { greeting: Some(greeting.to_vec()), ..self }
    }

    /// Closes the connection instead of this step.
    #[must_use]
    pub fn closes_before(self, step: Step) -> Self {
        Self { defect: Some((step, Defect::Closes)), ..self }
    }

    /// Waits before this step until [`Instance::release`](super::Instance::release) is called.
    #[must_use]
    pub fn holds(self, step: Step) -> Self {
        Self { defect: Some((step, Defect::Holds)), ..self }
    }

    /// ServerInit (RFC 6143 §7.3.2) with 32 bits per pixel, as most VNC servers have it.
    pub(super) fn server_init(&self) -> Vec<u8> {
        const FORMAT: [u8; 16] = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
        let length = self.name_length.unwrap_or(self.name.len() as u32);
        [
            &self.width.to_be_bytes()[..],
            &self.height.to_be_bytes(),
            &FORMAT,
            &length.to_be_bytes(),
            self.name.as_bytes(),
        ]
        .concat()
    }
}
