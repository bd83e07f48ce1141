//! RFB's handshake from the viewer's side. It is written independently of the gateway's, in order
//! to test that one.

use transom_rfb::Version;

use super::{Closed, Viewer};

/// The contents of ServerInit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The desktop's name.
    pub name: String,
}

impl Viewer {
    /// Completes the handshake in RFB 3.8, up to ServerInit.
    pub async fn greet(&mut self) -> Result<Screen, Closed> {
        self.greet_in(Version::V3_8).await
    }

    /// Completes the handshake in a version (RFC 6143 §7.1, §7.3).
    ///
    /// # Panics
    /// Panics if the gateway sends a message that the version does not have.
    pub async fn greet_in(&mut self, version: Version) -> Result<Screen, Closed> {
        self.choose(version).await?;
        if version == Version::V3_8 {
            assert_eq!(self.take(4).await?, [0; 4], "SecurityResult");
        }
        // ClientInit with the shared flag.
        self.send(&[1]).await?;
        self.screen().await
    }

    /// The handshake up to the choice of a security type.
    async fn choose(&mut self, version: Version) -> Result<(), Closed> {
        assert_eq!(self.take(12).await?, b"RFB 003.008\n");
        self.send(version.message()).await?;
        if version == Version::V3_3 {
            assert_eq!(self.take(4).await?, [0, 0, 0, 1], "the gateway dictates None");
        } else {
            assert_eq!(self.take(2).await?, [1, 1], "the gateway offers None and nothing else");
            self.send(&[1]).await?;
        }
        Ok(())
    }

    /// Reads ServerInit.
    async fn screen(&mut self) -> Result<Screen, Closed> {
        let header = self.take(24).await?;
        let length = u32::from_be_bytes([header[20], header[21], header[22], header[23]]);
        let name = self.take(length as usize).await?;
        Ok(Screen {
            width: u16::from_be_bytes([header[0], header[1]]),
            height: u16::from_be_bytes([header[2], header[3]]),
            name: String::from_utf8_lossy(&name).into_owned(),
        })
    }

    /// Agrees on RFB 3.8 and reads the reason of a refused console (RFC 6143 §7.1.2).
    ///
    /// # Panics
    /// Panics if the console opens.
    pub async fn refusal(&mut self) -> Result<String, Closed> {
        assert_eq!(self.take(12).await?, b"RFB 003.008\n");
        self.send(b"RFB 003.008\n").await?;
        assert_eq!(self.take(1).await?, [0], "no security types");
        let length = self.take(4).await?;
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        Ok(String::from_utf8_lossy(&self.take(length as usize).await?).into_owned())
    }
}
