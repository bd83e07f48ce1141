//! Reaches an instance and authenticates to it, up to the screen that the instance announces in
//! ServerInit.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};
use transom_model::EndReason;
use transom_model::audit::Origin;
use transom_model::dial_step::DialStep;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::instance::Instance;
use transom_model::request_headers;
use transom_model::secret::Secret;
use transom_net::Stream;
use transom_rfb::instance::{InstanceHandshakeError, Stage};
use transom_rfb::{
    InstanceCredentials, InstanceHandshake, InstanceProgress, PlainLogin, ServerInit, VncPassword,
};

use super::dial_attempts::{late, unreachable};
use super::limits::{DIAL, INSTANCE_HANDSHAKE, REASON};
use super::reception::Dialling;
use super::{access_path, dial_attempts, endpoint_tls, endpoint_websocket};
use transom_app::App;
use transom_app::consoles::claim::Destination;
use transom_app::consoles::target::DialTarget;
use transom_app::devices::DialDevice;

/// The size of one read. Handshake messages are short, and bytes that follow them return to the
/// front of the stream.
const READ: usize = 1024;

/// An instance that has announced its screen.
pub struct Dialled {
    /// The stream, which still holds the bytes after ServerInit.
    pub stream: Stream,
    /// Size, pixel format and name.
    pub init: ServerInit,
}

/// Dials the instance's endpoint and goes through RFB's handshake up to ServerInit.
///
/// A port that accepts the connection and never greets is given up soon. After a greeting, a person
/// at the instance may have to accept the viewer, and gets the time for that.
pub async fn dial(
    app: &App,
    devices: &dyn DialDevice,
    destination: &Destination,
    origin: &Origin,
    dialling: &Dialling,
) -> Result<Dialled, End> {
    let instance = &destination.instance;
    dialling.begins(match instance.endpoint {
        Endpoint::Tcp { .. } | Endpoint::WebSocket { .. } => DialStep::Resolve,
        Endpoint::Unix { .. } | Endpoint::Cloud { .. } => DialStep::Connect,
    });
    let target = app.consoles.dial_target(instance).await?;
    let credentials = credentials(app, instance)?;
    dialling.begins(DialStep::Connect);
    let truncated =
        credentials.login.is_none() && credentials.password.as_ref().is_some_and(VncPassword::is_truncated);
    let stream = connect(app, devices, destination, origin, &target, dialling).await?;
    dialling.begins(DialStep::Version);
    let mut machine = InstanceHandshake::new(credentials);
    // The time that a person has, and the time for all other steps.
    let longest = app.config().console.accept_wait.0 + INSTANCE_HANDSHAKE;
    let done = match timeout(longest, handshake(app, instance, stream, &mut machine, dialling)).await {
        Ok(done) => done,
        Err(_) => Err(silent(&machine)),
    };
    done.map_err(|end| match end.reason {
        EndReason::InstancePasswordWrong if truncated => {
            let said = end.detail().unwrap_or_default();
            End::new(end.reason, format!("{said}; only its first 8 characters count"))
        }
        _ => end,
    })
}

/// The end of a handshake in which the instance fell silent.
fn silent(machine: &InstanceHandshake) -> End {
    match machine.closed() {
        InstanceHandshakeError::Closed(Stage::Version) => EndReason::InstanceSilent.into(),
        InstanceHandshakeError::Closed(stage) => {
            End::new(EndReason::InstanceSilent, format!("it stopped responding during the {stage}"))
        }
        // The verdict is known; only its explanation is missing.
        verdict => named(verdict),
    }
}

fn credentials(app: &App, instance: &Instance) -> Result<InstanceCredentials, End> {
    let password = app.inventory.instance_password(instance).map_err(|error| {
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
        tls: endpoint_tls::is_vencrypt_required(instance),
    })
}

async fn connect(
    app: &App,
    devices: &dyn DialDevice,
    destination: &Destination,
    origin: &Origin,
    target: &DialTarget,
    dialling: &Dialling,
) -> Result<Stream, End> {
    let Destination { instance, access_path } = destination;
    // The relay has to tell the device to dial in, and sets its own deadline for that.
    if let DialTarget::Device(address) = target {
        return devices.dial(instance, address, origin).await;
    }
    let deadline = Instant::now() + DIAL;
    let attempt = async {
        let stream = match target {
            DialTarget::Unix(path) => connect_unix(path).await,
            DialTarget::Tcp(addresses) => dial_attempts::connect(addresses, deadline).await.map(Stream::from),
            DialTarget::Device(_) => Err(EndReason::InternalError.into()),
        }?;
        match (&instance.endpoint, access_path) {
            (_, Some(path)) => {
                dialling.begins(DialStep::Upgrade);
                access_path::ask(stream, path).await
            }
            (Endpoint::WebSocket { is_secure, host, port, path }, None) => {
                let stream = if *is_secure {
                    dialling.begins(DialStep::Tls);
                    endpoint_tls::start_tls(app, instance, stream).await?
                } else {
                    stream
                };
                dialling.begins(DialStep::Upgrade);
                ask_web_socket(app, instance, stream, &authority(host, *port, *is_secure), path).await
            }
            (_, None) => Ok(stream),
        }
    };
    match timeout_at(deadline, attempt).await {
        Ok(connected) => connected,
        Err(_) => Err(late()),
    }
}

async fn ask_web_socket(
    app: &App,
    instance: &Instance,
    stream: Stream,
    host: &str,
    target: &str,
) -> Result<Stream, End> {
    let unusable = |error: &dyn std::error::Error| {
        tracing::error!(%error, instance = %instance.id, "the instance's request headers cannot be used");
        End::new(EndReason::InternalError, "the instance's request headers cannot be used")
    };
    let text = app.inventory.instance_headers(instance).map_err(|error| unusable(&error))?;
    let text = text.as_ref().map_or("", Secret::expose);
    let headers = request_headers::parse(text).map_err(|error| unusable(&error))?;
    endpoint_websocket::ask(stream, host, target, &headers).await
}

/// The value of `Host` for a request to an endpoint (RFC 9110 §7.2).
fn authority(host: &str, port: u16, is_secure: bool) -> String {
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    match (port, is_secure) {
        (80, false) | (443, true) => format!("{open}{host}{close}"),
        _ => format!("{open}{host}{close}:{port}"),
    }
}

async fn connect_unix(path: &Path) -> Result<Stream, End> {
    UnixStream::connect(path).await.map(Stream::from).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => End::new(EndReason::InstanceUnreachable, "there is no such socket"),
        io::ErrorKind::PermissionDenied => {
            End::new(EndReason::InstanceUnreachable, "Transom has no permission to open the socket")
        }
        _ => unreachable(&error, &path.display()),
    })
}

async fn handshake(
    app: &App,
    instance: &Instance,
    mut stream: Stream,
    machine: &mut InstanceHandshake,
    dialling: &Dialling,
) -> Result<Dialled, End> {
    let mut buffer = [0; READ];
    // An instance that has hung up may have sent the reason first, so that is still read.
    let mut unheard = None;
    loop {
        let limit = match machine.verdict() {
            Some(_) => REASON,
            None if machine.may_wait_for_a_person() => app.config().console.accept_wait.0,
            None => INSTANCE_HANDSHAKE,
        };
        let read = timeout(limit, stream.read(&mut buffer)).await.map_err(|_| silent(machine))?;
        let count = match read {
            Ok(count) if count > 0 => count,
            Ok(_) => return Err(unheard.unwrap_or_else(|| named(machine.closed()))),
            Err(error) => return Err(machine.verdict().map_or_else(|| endpoint_tls::gone(&error), named)),
        };
        let mut bytes = &buffer[..count];
        let progress = machine.receive(&mut bytes);
        // The handshake may have bytes to send even after an error. If they cannot be sent, the
        // error stands.
        let said = say(&mut stream, machine).await;
        match progress.map_err(named)? {
            InstanceProgress::NeedMore => {
                unheard = unheard.or_else(|| said.err());
                dialling.begins(step_of(machine.stage()));
                if machine.stage() != Stage::Version {
                    dialling.greeted();
                }
            }
            InstanceProgress::StartTls(_) => {
                said?;
                dialling.begins(DialStep::Tls);
                let secured =
                    timeout(INSTANCE_HANDSHAKE, endpoint_tls::start_tls(app, instance, stream)).await;
                stream = secured.unwrap_or_else(|_| Err(silent(machine)))?;
                machine.tls_established();
                dialling.begins(step_of(machine.stage()));
                unheard = say(&mut stream, machine).await.err();
            }
            InstanceProgress::Done(init) => {
                stream.unread(bytes);
                return Ok(Dialled { stream, init });
            }
        }
    }
}

/// Returns the step that a stage of the handshake belongs to.
fn step_of(stage: Stage) -> DialStep {
    match stage {
        Stage::Version => DialStep::Version,
        Stage::Security => DialStep::Security,
        Stage::Tls => DialStep::Tls,
        Stage::Authentication => DialStep::Authentication,
        Stage::Init | Stage::Over => DialStep::Screen,
    }
}

/// Sends the handshake's bytes to the instance.
async fn say(stream: &mut Stream, machine: &mut InstanceHandshake) -> Result<(), End> {
    let said = async {
        stream.write_all(&machine.take_output()).await?;
        stream.flush().await
    };
    said.await.map_err(|error| endpoint_tls::gone(&error))
}

/// Returns the end reason for a failed handshake with a VNC server.
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
