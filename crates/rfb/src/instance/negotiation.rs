//! The transitions of the handshake with an instance, message by message.

use crate::init::{SERVER_INIT_HEADER_LEN, ServerInit};
use crate::limits::MAX_REASON;
use crate::security::SecurityType;
use crate::vencrypt::VeNCryptSubtype;
use crate::version::{Announced, VERSION_LEN, Version};
use crate::vnc_auth::CHALLENGE_LEN;
use crate::wire::{Reader, Writer};

use super::{InstanceHandshake, InstanceHandshakeError as Error, InstanceProgress, State, Verdict};

/// ClientInit with the shared flag set: a console never throws other viewers out (RFC 6143 §7.3.1).
const CLIENT_INIT_SHARED: u8 = 1;

/// The credentials' names in [`Error::PasswordMissing`].
const VNC_PASSWORD: &str = "VNC password";
const PLAIN_LOGIN: &str = "user name and password";

impl InstanceHandshake {
    /// Handles one whole item. `Some` ends or interrupts the handshake.
    pub(super) fn step(&mut self, item: Vec<u8>) -> Result<Option<InstanceProgress>, Error> {
        let mut reader = Reader::new(&item);
        self.state = match self.state {
            State::Version => self.version(reader.array()?)?,
            State::DictatedType => self.dictated(reader.u32()?)?,
            State::TypeCount => match reader.u8()? {
                0 => State::ReasonLength(Verdict::Refused),
                count => State::Types(count),
            },
            State::Types(_) => self.choose(item.iter().copied().map(SecurityType::from_number).collect())?,
            State::VeNCryptVersion => self.vencrypt_version(reader.array()?)?,
            State::VeNCryptAck => match reader.u8()? {
                0 => State::VeNCryptCount,
                _ => return Err(Error::Protocol("VeNCrypt 0.2 was offered and then refused")),
            },
            State::VeNCryptCount => State::VeNCryptSubtypes(reader.u8()?),
            State::VeNCryptSubtypes(_) => self.choose_subtype(item.as_chunks().0)?,
            State::VeNCryptAccepted(subtype) => match reader.u8()? {
                1 => {
                    self.state = State::Tls(subtype);
                    return Ok(Some(InstanceProgress::StartTls(subtype)));
                }
                _ => {
                    return Err(Error::Refused { reason: format!("{subtype} was offered and then refused") });
                }
            },
            State::Challenge => self.answer(reader.array()?)?,
            State::Result { authenticated } => self.result(reader.u32()?, authenticated)?,
            State::ReasonLength(verdict) => {
                // Bytes over the limit are not read: the connection ends here anyway.
                State::Reason(verdict, reader.u32()?.min(MAX_REASON) as usize)
            }
            State::Reason(verdict, _) => return Err(verdict.because(&item)),
            State::ServerInit => {
                let header: [u8; SERVER_INIT_HEADER_LEN] = reader.array()?;
                State::Name { len: ServerInit::name_len(&header)?, header }
            }
            State::Name { header, .. } => {
                self.state = State::Over;
                let init = ServerInit::parse(&[&header[..], &item].concat())?;
                return Ok(Some(InstanceProgress::Done(init)));
            }
            State::Tls(_) => return Err(Error::Protocol("bytes arrived before the TLS handshake")),
            State::Over => return Err(Error::Protocol("the handshake is over")),
        };
        Ok(None)
    }

    /// Continues with authentication inside TLS.
    pub(super) fn begin_inside_tls(&mut self, subtype: VeNCryptSubtype) {
        self.state = match (subtype, &self.credentials.login) {
            (VeNCryptSubtype::X509Vnc, _) => State::Challenge,
            (VeNCryptSubtype::X509Plain, Some(login)) => {
                let (user, password) = (login.user.as_bytes(), login.password.as_bytes());
                let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let mut writer = Writer::new();
                writer.u32(len(user)).u32(len(password)).bytes(user).bytes(password);
                self.output.append(&mut writer.take());
                State::Result { authenticated: true }
            }
            _ => State::Result { authenticated: false },
        };
    }

    fn version(&mut self, message: [u8; VERSION_LEN]) -> Result<State, Error> {
        let announced = Announced::parse(&message)
            .ok_or(Error::Protocol("its protocol version is not of the form \"003.008\""))?;
        self.version = announced.spoken().ok_or(Error::UnsupportedVersion(announced))?;
        self.output.extend(self.version.message());
        Ok(match self.version {
            Version::V3_3 => State::DictatedType,
            Version::V3_7 | Version::V3_8 => State::TypeCount,
        })
    }

    /// RFB 3.3: the server dictates the type as a U32, or fails with 0 and a reason.
    fn dictated(&mut self, number: u32) -> Result<State, Error> {
        let Ok(number) = u8::try_from(number) else {
            return Err(Error::Protocol("it dictates a security type above 255"));
        };
        if number == 0 {
            return Ok(State::ReasonLength(Verdict::Refused));
        }
        let dictated = SecurityType::from_number(number);
        if self.credentials.tls {
            return Err(Error::TlsNotOffered { offered: vec![dictated] });
        }
        match dictated {
            SecurityType::None => Ok(self.client_init()),
            SecurityType::VncAuth if self.credentials.password.is_some() => Ok(State::Challenge),
            SecurityType::VncAuth => Err(Error::PasswordMissing { wanted: VNC_PASSWORD }),
            other => Err(Error::UnsupportedSecurity { offered: vec![other] }),
        }
    }

    /// RFB 3.7 and 3.8: chooses a type from the list.
    fn choose(&mut self, offered: Vec<SecurityType>) -> Result<State, Error> {
        let has = |wanted| offered.contains(&wanted);
        let (choice, next) = if self.credentials.tls {
            if !has(SecurityType::VeNCrypt) {
                return Err(Error::TlsNotOffered { offered });
            }
            (SecurityType::VeNCrypt, State::VeNCryptVersion)
        } else if has(SecurityType::None) {
            (SecurityType::None, State::Result { authenticated: false })
        } else if has(SecurityType::VncAuth) {
            if self.credentials.password.is_none() {
                return Err(Error::PasswordMissing { wanted: VNC_PASSWORD });
            }
            (SecurityType::VncAuth, State::Challenge)
        } else {
            return Err(Error::UnsupportedSecurity { offered });
        };
        self.output.push(choice.number());
        // RFC 6143 §7.2.1: before 3.8, None has no SecurityResult.
        if choice == SecurityType::None && self.version < Version::V3_8 {
            return Ok(self.client_init());
        }
        Ok(next)
    }

    fn vencrypt_version(&mut self, [major, minor]: [u8; 2]) -> Result<State, Error> {
        if (major, minor) < (0, 2) {
            return Err(Error::Protocol("its VeNCrypt is older than 0.2"));
        }
        self.output.extend([0, 2]);
        Ok(State::VeNCryptAck)
    }

    fn choose_subtype(&mut self, offered: &[[u8; 4]]) -> Result<State, Error> {
        let numbers = offered.iter().map(|number| u32::from_be_bytes(*number));
        let offered: Vec<_> = numbers.map(VeNCryptSubtype::from_number).collect();
        let preferred = [
            (VeNCryptSubtype::X509None, true, ""),
            (VeNCryptSubtype::X509Vnc, self.credentials.password.is_some(), VNC_PASSWORD),
            (VeNCryptSubtype::X509Plain, self.credentials.login.is_some(), PLAIN_LOGIN),
        ];
        let mut usable = preferred.iter().filter(|(subtype, ..)| offered.contains(subtype)).peekable();
        let missing = usable.peek().map(|(.., wanted)| *wanted);
        if let Some((subtype, ..)) = usable.find(|(_, presentable, _)| *presentable) {
            self.output.extend(subtype.number().to_be_bytes());
            return Ok(State::VeNCryptAccepted(*subtype));
        }
        Err(match missing {
            Some(wanted) => Error::PasswordMissing { wanted },
            None => Error::UnsupportedVeNCrypt { offered },
        })
    }

    fn answer(&mut self, challenge: [u8; CHALLENGE_LEN]) -> Result<State, Error> {
        let Some(password) = &self.credentials.password else {
            return Err(Error::PasswordMissing { wanted: VNC_PASSWORD });
        };
        self.output.extend(password.respond(&challenge));
        Ok(State::Result { authenticated: true })
    }

    /// SecurityResult (RFC 6143 §7.1.3): 0 is success. From 3.8 on, a reason follows a failure.
    fn result(&mut self, result: u32, authenticated: bool) -> Result<State, Error> {
        // In TightVNC and early servers, 2 is "too many attempts".
        let verdict = if authenticated && result != 2 { Verdict::PasswordWrong } else { Verdict::Refused };
        match result {
            0 => Ok(self.client_init()),
            _ if self.version >= Version::V3_8 => Ok(State::ReasonLength(verdict)),
            2 => Err(verdict.because(b"too many attempts")),
            _ => Err(verdict.because(b"")),
        }
    }

    fn client_init(&mut self) -> State {
        self.output.push(CLIENT_INIT_SHARED);
        State::ServerInit
    }
}
