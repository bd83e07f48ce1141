//! Reaches an instance and authenticates to it: what comes back is a stream that is ready for ClientInit's answer.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::instance::Instance;
use transom_rfb::instance::{InstanceHandshakeError, Stage};
use transom_rfb::{
    InstanceCredentials, InstanceHandshake, InstanceProgress, PlainLogin, ServerInit, VncPassword,
};

use super::limits::{ACCEPTANCE, DIAL, INSTANCE_HANDSHAKE};
use super::reception::Dialling;
use super::{access_path, verify};
use crate::app::App;
use crate::app::console::Place;
use crate::app::target::DialTarget;
use crate::relay::Relay;
use crate::stream::Stream;

/// A handshake's messages are short; what comes behind them is put back in front of the stream.
const READ: usize = 1024;

/// An instance whose screen was announced.
pub struct Dialled {
    /// What follows ServerInit is still in it.
    pub stream: Stream,
    /// Size, pixel format and name.
    pub init: ServerInit,
}

/// Dials the instance's endpoint and goes through RFB's handshake up to ServerInit.
///
/// A port that takes the connection and never greets is given up soon. Where the instance has greeted, a person may have to
/// accept the viewer, and has the time for it.
pub async fn dial(app: &App, relay: &Relay, place: &Place, dialling: &Dialling) -> Result<Dialled, End> {
    let instance = &place.instance;
    let target = app.dial_target(instance).await?;
    let credentials = credentials(app, instance)?;
    let truncated =
        credentials.login.is_none() && credentials.password.as_ref().is_some_and(VncPassword::is_truncated);
    let stream = connect(relay, instance, &target, place.access_path.as_deref()).await?;
    let mut machine = InstanceHandshake::new(credentials);
    match timeout(ACCEPTANCE, handshake(app, instance, stream, &mut machine, dialling)).await {
        Ok(Err(end)) if truncated && end.reason == EndReason::InstancePasswordWrong => {
            let said = end.detail().unwrap_or_default();
            Err(End::new(end.reason, format!("{said}; only its first 8 characters count")))
        }
        Ok(done) => done,
        Err(_) => Err(silent(&machine)),
    }
}

/// The end of a handshake in which the instance said no more.
fn silent(machine: &InstanceHandshake) -> End {
    match machine.closed() {
        InstanceHandshakeError::Closed(Stage::Version) => EndReason::InstanceSilent.into(),
        InstanceHandshakeError::Closed(stage) => {
            End::new(EndReason::InstanceSilent, format!("it fell silent during the {stage}"))
        }
        // Its verdict is known, and only the explanation is missing.
        verdict => named(verdict),
    }
}

fn credentials(app: &App, instance: &Instance) -> Result<InstanceCredentials, End> {
    let password = app.instance_password(instance).map_err(|error| {
        tracing::error!(%error, instance = %instance.id, "the instance's password cannot be opened");
        End::new(EndReason::InternalError, "the instance's password cannot be opened")
    })?;
    let login = match (&instance.security.username, &password) {
        (Some(user), Some(password)) => {
            Some(PlainLogin { user: user.clone(), password: password.expose().to_owned().into() })
        }
        _ => None,
    };
    Ok(InstanceCredentials {
        password: password.map(|password| VncPassword::new(password.expose())),
        login,
        tls: verify::is_configured(&instance.security),
    })
}

async fn connect(
    relay: &Relay,
    instance: &Instance,
    target: &DialTarget,
    access_path: Option<&str>,
) -> Result<Stream, End> {
    // A device has to be told first, and to dial in turn: the relay knows how long that takes.
    if let DialTarget::Device(address) = target {
        return relay.dial(instance, address).await;
    }
    let attempt = async {
        let stream = match target {
            DialTarget::Unix(path) => connect_unix(path).await,
            DialTarget::Tcp(addresses) => connect_tcp(addresses).await,
            DialTarget::Device(_) => Err(EndReason::InternalError.into()),
        }?;
        match access_path {
            Some(path) => access_path::ask(stream, path).await,
            None => Ok(stream),
        }
    };
    match timeout(DIAL, attempt).await {
        Ok(connected) => connected,
        Err(_) => Err(End::new(EndReason::InstanceUnreachable, "no answer in time")),
    }
}

async fn connect_tcp(addresses: &[SocketAddr]) -> Result<Stream, End> {
    let mut last = End::from(EndReason::InstanceUnreachable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp.into()),
            Err(error) => last = unreachable(&error, address),
        }
    }
    Err(last)
}

async fn connect_unix(path: &Path) -> Result<Stream, End> {
    UnixStream::connect(path).await.map(Stream::from).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => End::new(EndReason::InstanceUnreachable, "there is no such socket"),
        io::ErrorKind::PermissionDenied => {
            End::new(EndReason::InstanceUnreachable, "Transom may not open the socket")
        }
        _ => unreachable(&error, &path.display()),
    })
}

fn unreachable(error: &io::Error, place: &dyn Display) -> End {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => EndReason::InstanceRefusedConnection,
        _ => EndReason::InstanceUnreachable,
    };
    End::new(reason, format!("{place}: {}", error.kind()))
}

async fn handshake(
    app: &App,
    instance: &Instance,
    mut stream: Stream,
    machine: &mut InstanceHandshake,
    dialling: &Dialling,
) -> Result<Dialled, End> {
    let mut buffer = [0; READ];
    loop {
        let limit = if machine.may_wait_for_a_person() { ACCEPTANCE } else { INSTANCE_HANDSHAKE };
        let read = timeout(limit, stream.read(&mut buffer)).await.map_err(|_| silent(machine))?;
        let count = read.map_err(|error| gone(&error))?;
        if count == 0 {
            return Err(named(machine.closed()));
        }
        let mut bytes = &buffer[..count];
        let progress = machine.receive(&mut bytes);
        // There may be something to say after an error, too.
        stream.write_all(&machine.take_output()).await.map_err(|error| gone(&error))?;
        stream.flush().await.map_err(|error| gone(&error))?;
        match progress.map_err(named)? {
            InstanceProgress::NeedMore if machine.stage() == Stage::Version => {}
            InstanceProgress::NeedMore => dialling.greeted(),
            InstanceProgress::StartTls(_) => {
                let secured = timeout(INSTANCE_HANDSHAKE, verify::start_tls(app, instance, stream)).await;
                stream = secured.unwrap_or_else(|_| Err(silent(machine)))?;
                machine.tls_established();
                stream.write_all(&machine.take_output()).await.map_err(|error| gone(&error))?;
                stream.flush().await.map_err(|error| gone(&error))?;
            }
            InstanceProgress::Done(init) => {
                stream.unread(bytes);
                return Ok(Dialled { stream, init });
            }
        }
    }
}

fn gone(error: &io::Error) -> End {
    End::new(EndReason::InstanceClosedEarly, error.kind().to_string())
}

/// The end reason for each way in which a VNC server fails.
fn named(error: InstanceHandshakeError) -> End {
    use InstanceHandshakeError as Error;
    let reason = match &error {
        Error::NotRfb { .. } => EndReason::InstanceNotVnc,
        Error::UnsupportedSecurity { .. }
        | Error::TlsNotOffered { .. }
        | Error::UnsupportedVeNCrypt { .. } => EndReason::InstanceSecurityUnsupported,
        Error::PasswordMissing { .. } => EndReason::InstancePasswordMissing,
        Error::PasswordWrong { .. } => EndReason::InstancePasswordWrong,
        Error::Refused { .. } => EndReason::InstanceRefusedSession,
        Error::Closed(_) => EndReason::InstanceClosedEarly,
        Error::UnsupportedVersion(_)
        | Error::NameTooLong(_)
        | Error::ScreenSize { .. }
        | Error::Protocol(_) => EndReason::InstanceProtocolError,
    };
    End::new(reason, format!("it {error}"))
}
