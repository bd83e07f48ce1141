//! How a fake VNC server behaves.

use transom_rfb::Version;

/// What a fake VNC server says of itself, and where it goes wrong.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) version: Version,
    pub(super) security: Security,
    pub(super) fault: Option<(Step, Fault)>,
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

/// What a VNC server says in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// ProtocolVersion.
    Greeting,
    /// Its security types.
    Security,
    /// The challenge and its result.
    Authentication,
    /// ServerInit.
    Init,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Closes,
    Holds,
}

impl Default for Script {
    /// A machine as it should be: RFB 3.8, no password, 640 × 480.
    fn default() -> Self {
        Self {
            version: Version::V3_8,
            security: Security::None,
            fault: None,
            greeting: None,
            width: 640,
            height: 480,
            name: "fake".to_owned(),
            name_length: None,
        }
    }
}

impl Script {
    /// Speaks this version.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Demands a password (VNC authentication).
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        Self { security: Security::Password(password.to_owned()), ..self }
    }

    /// Offers these security types, and goes on as if `None` was chosen.
    #[must_use]
    pub fn offers(self, types: &[u8]) -> Self {
        Self { security: Security::Offers(types.to_vec()), ..self }
    }

    /// Refuses every viewer, with its reason.
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

    /// Announces a name of this length, whatever it sends.
    #[must_use]
    pub fn name_length(self, length: u32) -> Self {
        Self { name_length: Some(length), ..self }
    }

    /// Greets with these bytes instead of RFB's, and says nothing more.
    #[must_use]
    pub fn greets(self, greeting: &[u8]) -> Self {
        Self { greeting: Some(greeting.to_vec()), ..self }
    }

    /// Closes the connection instead of this step.
    #[must_use]
    pub fn closes_before(self, step: Step) -> Self {
        Self { fault: Some((step, Fault::Closes)), ..self }
    }

    /// Says nothing instead of this step, until [`Instance::release`](super::Instance::release) lets it.
    #[must_use]
    pub fn holds(self, step: Step) -> Self {
        Self { fault: Some((step, Fault::Holds)), ..self }
    }

    /// ServerInit (RFC 6143 §7.3.2): 32 bits per pixel, as most VNC servers have it.
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
