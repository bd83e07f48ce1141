//! Tests of the handshake with an instance, byte for byte, in every version.

#![expect(clippy::unwrap_used, reason = "tests")]

use transom_rfb::instance::{InstanceHandshakeError as Error, Stage};
use transom_rfb::limits::MAX_NAME;
use transom_rfb::version::Announced;
use transom_rfb::{
    InstanceCredentials, InstanceHandshake, InstanceProgress, PlainLogin, SecurityType, VeNCryptSubtype,
    VncPassword,
};

const V33: &[u8] = b"RFB 003.003\n";
const V37: &[u8] = b"RFB 003.007\n";
const V38: &[u8] = b"RFB 003.008\n";
const SERVER_INIT: &[u8] = b"\x03\x20\x02\x58\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04QEMU";
const CHALLENGE: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The answer to CHALLENGE with "secretpw", computed by another implementation.
const RESPONSE: &[u8] = &0x5002_a20f_40d9_6c59_ec8a_26f4_7ae5_688d_u128.to_be_bytes();
const OK: &[u8] = &[0, 0, 0, 0];
const FAILED: &[u8] = &[0, 0, 0, 1];

fn nothing() -> InstanceCredentials {
    InstanceCredentials::default()
}

fn password() -> InstanceCredentials {
    InstanceCredentials { password: Some(VncPassword::new("secretpw")), ..nothing() }
}

fn tls(inside: InstanceCredentials) -> InstanceCredentials {
    InstanceCredentials { tls: true, ..inside }
}

/// The end of a run, and everything that the machine wrote.
type Run = (Result<InstanceProgress, Error>, Vec<u8>);

/// Feeds `parts` whole and then byte by byte, which must not make a difference.
fn run(credentials: &InstanceCredentials, parts: &[&[u8]]) -> Run {
    let stream = parts.concat();
    let feed = |chunks: &mut dyn Iterator<Item = &[u8]>| {
        let mut machine = InstanceHandshake::new(credentials.clone());
        let mut written = Vec::new();
        for mut chunk in chunks {
            let progress = machine.receive(&mut chunk);
            written.extend(machine.take_output());
            if progress != Ok(InstanceProgress::NeedMore) {
                return (progress, written);
            }
        }
        (Err(machine.closed()), written)
    };
    let whole = feed(&mut std::iter::once(&stream[..]));
    let bytewise = feed(&mut stream.chunks(1));
    assert_eq!(whole, bytewise, "cutting the stream made a difference");
    whole
}

fn opens(credentials: &InstanceCredentials, parts: &[&[u8]], writes: &[&[u8]]) {
    let (progress, written) = run(credentials, parts);
    let Ok(InstanceProgress::Done(init)) = progress else { panic!("{progress:?}") };
    assert_eq!((init.width, init.height, init.display_name().as_str()), (800, 600, "QEMU"));
    assert_eq!(init.message(), SERVER_INIT);
    assert_eq!(written, writes.concat());
}

fn fails(credentials: &InstanceCredentials, parts: &[&[u8]]) -> Error {
    run(credentials, parts).0.unwrap_err()
}

#[test]
fn none_opens_in_every_version() {
    opens(&nothing(), &[V33, b"\0\0\0\x01", SERVER_INIT], &[V33, b"\x01"]);
    opens(&nothing(), &[V37, b"\x01\x01", SERVER_INIT], &[V37, b"\x01", b"\x01"]);
    opens(&nothing(), &[V38, b"\x01\x01", OK, SERVER_INIT], &[V38, b"\x01", b"\x01"]);
}

#[test]
fn vnc_authentication_opens_in_every_version() {
    opens(&password(), &[V33, b"\0\0\0\x02", CHALLENGE, OK, SERVER_INIT], &[V33, RESPONSE, b"\x01"]);
    opens(&password(), &[V37, b"\x01\x02", CHALLENGE, OK, SERVER_INIT], &[V37, b"\x02", RESPONSE, b"\x01"]);
    opens(
        &password(),
        &[V38, b"\x02\x10\x02", CHALLENGE, OK, SERVER_INIT],
        &[V38, b"\x02", RESPONSE, b"\x01"],
    );
}

#[test]
fn apple_and_intel_are_answered_with_three_point_eight() {
    opens(&nothing(), &[b"RFB 003.889\n", b"\x01\x01", OK, SERVER_INIT], &[V38, b"\x01", b"\x01"]);
    opens(&nothing(), &[b"RFB 004.000\n", b"\x01\x01", OK, SERVER_INIT], &[V38, b"\x01", b"\x01"]);
    opens(&nothing(), &[b"RFB 003.005\n", b"\0\0\0\x01", SERVER_INIT], &[V33, b"\x01"]);
}

#[test]
fn none_is_preferred_to_a_password() {
    opens(&password(), &[V38, b"\x02\x02\x01", OK, SERVER_INIT], &[V38, b"\x01", b"\x01"]);
}

#[test]
fn bytes_behind_server_init_stay_in_the_slice() {
    let stream = [V33, b"\0\0\0\x01", SERVER_INIT, b"\x02bell"].concat();
    let mut input = &stream[..];
    let progress = InstanceHandshake::new(nothing()).receive(&mut input).unwrap();
    assert!(matches!(progress, InstanceProgress::Done(_)));
    assert_eq!(input, b"\x02bell");
}

#[test]
fn a_wrong_password_is_told_with_the_servers_words_where_it_has_any() {
    let wrong = |reason: &str| Error::PasswordWrong { reason: reason.to_owned() };
    let reason = b"\0\0\0\x15Authentication failed";
    assert_eq!(
        fails(&password(), &[V38, b"\x01\x02", CHALLENGE, FAILED, reason]),
        wrong("Authentication failed")
    );
    // A server may close the connection before its reason has arrived.
    assert_eq!(fails(&password(), &[V38, b"\x01\x02", CHALLENGE, FAILED, &reason[..10]]), wrong("Authen"));
    assert_eq!(fails(&password(), &[V38, b"\x01\x02", CHALLENGE, FAILED]), wrong(""));
    assert_eq!(fails(&password(), &[V37, b"\x01\x02", CHALLENGE, FAILED]), wrong(""));
    assert_eq!(fails(&password(), &[V33, b"\0\0\0\x02", CHALLENGE, FAILED]), wrong(""));
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let refused = Error::Refused { reason: "Too many security failures".to_owned() };
    let reason = b"\0\0\0\x1aToo many security failures";
    assert_eq!(fails(&password(), &[V38, b"\0", reason]), refused);
    assert_eq!(fails(&password(), &[V37, b"\0", reason]), refused);
    assert_eq!(fails(&password(), &[V33, b"\0\0\0\0", reason]), refused);
    assert_eq!(fails(&nothing(), &[V38, b"\x01\x01", FAILED, reason]), refused);
    assert_eq!(refused.to_string(), "refused the connection: \"Too many security failures\"");
}

#[test]
fn a_four_gigabyte_reason_is_cut() {
    let Error::Refused { reason } = fails(&nothing(), &[V38, b"\0", &[0xff; 4], &[b'a'; 4096]]) else {
        panic!()
    };
    assert_eq!(reason.len(), 4096);
}

#[test]
fn a_password_that_is_missing_is_told() {
    let missing = Error::PasswordMissing { wanted: "VNC password" };
    assert_eq!(fails(&nothing(), &[V33, b"\0\0\0\x02"]), missing);
    assert_eq!(fails(&nothing(), &[V38, b"\x01\x02"]), missing);
    assert_eq!(missing.to_string(), "requires a VNC password, but none is configured");
}

#[test]
fn unsupported_security_types_are_named() {
    let error = fails(&password(), &[V38, b"\x03\x10\x1e\x63"]);
    let offered = vec![SecurityType::Tight, SecurityType::AppleRemoteDesktop, SecurityType::Other(0x63)];
    assert_eq!(error, Error::UnsupportedSecurity { offered });
    assert_eq!(error.to_string(), "offers only Tight (16), Apple Remote Desktop (30), type 99");
    assert!(matches!(fails(&password(), &[V33, b"\0\0\0\x10"]), Error::UnsupportedSecurity { .. }));
    assert!(matches!(fails(&password(), &[V33, b"\0\0\x01\0"]), Error::Protocol(_)));
}

#[test]
fn a_foreign_greeting_is_quoted() {
    let quote = |excerpt: &str| Error::NotRfb { excerpt: excerpt.to_owned() };
    let mut input = &b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nand so on and so on"[..];
    let error = InstanceHandshake::new(nothing()).receive(&mut input).unwrap_err();
    assert_eq!(error, quote("HTTP/1.1 400 Bad Request Server: nginx a"));
    let mut input = &b"\xff\xfd\x18"[..];
    assert!(matches!(InstanceHandshake::new(nothing()).receive(&mut input), Err(Error::NotRfb { .. })));
    assert!(matches!(fails(&nothing(), &[b"RFB 3.8 but not quite"]), Error::Protocol(_)));
}

#[test]
fn a_repeater_and_prehistory_are_told_by_their_version() {
    assert_eq!(
        fails(&nothing(), &[b"RFB 000.000\n"]),
        Error::UnsupportedVersion(Announced { major: 0, minor: 0 })
    );
}

#[test]
fn insane_screens_and_names_are_refused() {
    let mut huge = SERVER_INIT.to_vec();
    huge.splice(..4, [0xff; 4]);
    assert_eq!(
        fails(&nothing(), &[V33, b"\0\0\0\x01", &huge]),
        Error::ScreenSize { width: 65535, height: 65535 }
    );
    let mut later = SERVER_INIT.to_vec();
    later.splice(..4, [0; 4]);
    let (progress, _) = run(&nothing(), &[V33, b"\0\0\0\x01", &later]);
    assert!(matches!(progress, Ok(InstanceProgress::Done(_))), "its size comes with the first update");
    let named = |len: u32| [&SERVER_INIT[..20], &len.to_be_bytes()].concat();
    assert_eq!(fails(&nothing(), &[V33, b"\0\0\0\x01", &named(u32::MAX)]), Error::NameTooLong(u32::MAX));
    assert_eq!(
        fails(&nothing(), &[V33, b"\0\0\0\x01", &named(MAX_NAME + 1)]),
        Error::NameTooLong(MAX_NAME + 1)
    );
    let (progress, _) = run(&nothing(), &[V33, b"\0\0\0\x01", &named(MAX_NAME), &[b'n'; MAX_NAME as usize]]);
    assert!(matches!(progress, Ok(InstanceProgress::Done(_))));
    let (progress, _) = run(&nothing(), &[V33, b"\0\0\0\x01", &named(0)]);
    assert!(matches!(progress, Ok(InstanceProgress::Done(_))));
}

#[test]
fn closing_is_told_with_the_stage() {
    let closed = |parts: &[&[u8]]| fails(&password(), parts);
    assert_eq!(closed(&[]), Error::Closed(Stage::Version));
    assert_eq!(closed(&[&V38[..5]]), Error::Closed(Stage::Version));
    assert_eq!(closed(&[V38]), Error::Closed(Stage::Security));
    assert_eq!(closed(&[V38, b"\x01\x02", &CHALLENGE[..9]]), Error::Closed(Stage::Authentication));
    assert_eq!(closed(&[V38, b"\x01\x02", CHALLENGE, OK]), Error::Closed(Stage::Init));
    assert_eq!(
        Error::Closed(Stage::Init).to_string(),
        "closed the connection during the screen announcement"
    );
}

#[test]
fn a_verdict_stands_before_its_reason_has_come() {
    let verdict = |parts: &[&[u8]]| {
        let mut machine = InstanceHandshake::new(password());
        for part in parts {
            assert_eq!(machine.receive(&mut &part[..]), Ok(InstanceProgress::NeedMore));
        }
        machine.verdict()
    };
    let wrong = |reason: &str| Some(Error::PasswordWrong { reason: reason.to_owned() });
    let refused = |reason: &str| Some(Error::Refused { reason: reason.to_owned() });
    assert_eq!(verdict(&[V38, b"\x01\x02", CHALLENGE, b"\0\0\0"]), None);
    assert_eq!(verdict(&[V38, b"\x01\x02", CHALLENGE, FAILED]), wrong(""));
    assert_eq!(verdict(&[V38, b"\x01\x02", CHALLENGE, FAILED, b"\0\0\0\x1ebad pass"]), wrong("bad pass"));
    assert_eq!(verdict(&[V38, b"\x01\x02", CHALLENGE, b"\0\0\0\x02"]), refused(""));
    assert_eq!(verdict(&[V38, b"\0"]), refused(""));
    assert_eq!(verdict(&[V37, b"\0", b"\0\0\0\x09too"]), refused("too"));
    assert_eq!(verdict(&[V33, b"\0\0\0\0"]), refused(""));
}

#[test]
fn an_over_machine_takes_nothing() {
    let mut machine = InstanceHandshake::new(nothing());
    assert!(machine.receive(&mut &b"SSH-2.0"[..]).is_err());
    let mut more = &b"more"[..];
    assert!(matches!(machine.receive(&mut more), Err(Error::Protocol(_))));
    assert_eq!((more.len(), machine.stage()), (4, Stage::Over));
}

/// Runs VeNCrypt up to TLS with these `subtypes`. Returns the choice and the machine.
fn until_tls(
    credentials: &InstanceCredentials,
    subtypes: &[u32],
) -> Result<(InstanceHandshake, Vec<u8>), Error> {
    let count = u8::try_from(subtypes.len()).unwrap();
    let list: Vec<u8> = subtypes.iter().flat_map(|subtype| subtype.to_be_bytes()).collect();
    let offer = [V38, b"\x02\x01\x13", b"\0\x02", b"\0", &[count], &list, b"\x01"].concat();
    let mut machine = InstanceHandshake::new(credentials.clone());
    let mut input = &offer[..];
    let progress = machine.receive(&mut input)?;
    assert!(matches!(progress, InstanceProgress::StartTls(_)), "{progress:?}");
    assert_eq!((input.len(), machine.stage()), (0, Stage::Tls));
    let written = machine.take_output();
    let choice = written.strip_prefix(&[V38, b"\x13", b"\0\x02"].concat()[..]).unwrap().to_vec();
    Ok((machine, choice))
}

#[test]
fn vencrypt_with_a_certificate_opens_without_authentication() {
    let (mut machine, choice) = until_tls(&tls(nothing()), &[257, 260, 262]).unwrap();
    assert_eq!(choice, 260_u32.to_be_bytes());
    machine.tls_established();
    assert!(machine.take_output().is_empty());
    let mut input = &[OK, SERVER_INIT].concat()[..];
    assert!(matches!(machine.receive(&mut input), Ok(InstanceProgress::Done(_))));
    assert_eq!(machine.take_output(), b"\x01");
}

#[test]
fn vencrypt_with_a_certificate_opens_with_a_vnc_password() {
    let (mut machine, choice) = until_tls(&tls(password()), &[258, 261]).unwrap();
    assert_eq!(choice, 261_u32.to_be_bytes());
    machine.tls_established();
    let mut input = &[CHALLENGE, OK, SERVER_INIT].concat()[..];
    assert!(matches!(machine.receive(&mut input), Ok(InstanceProgress::Done(_))));
    assert_eq!(machine.take_output(), [RESPONSE, b"\x01"].concat());
}

#[test]
fn vencrypt_with_a_certificate_opens_with_a_login() {
    let login = PlainLogin { user: "ann".to_owned(), password: "longer than eight".to_owned().into() };
    let credentials = tls(InstanceCredentials { login: Some(login), ..nothing() });
    let (mut machine, choice) = until_tls(&credentials, &[262, 261]).unwrap();
    assert_eq!(choice, 262_u32.to_be_bytes());
    machine.tls_established();
    assert_eq!(machine.take_output(), b"\0\0\0\x03\0\0\0\x11annlonger than eight");
    let failed = machine.receive(&mut &b"\0\0\0\x01\0\0\0\x02no"[..]);
    assert_eq!(failed, Err(Error::PasswordWrong { reason: "no".to_owned() }));
}

#[test]
fn anonymous_tls_is_refused_by_name() {
    let error = until_tls(&tls(password()), &[257, 258, 259]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "offers no VeNCrypt subtype with a certificate, only: TLSNone (257), TLSVnc (258), TLSPlain (259)"
    );
    assert_eq!(
        error,
        Error::UnsupportedVeNCrypt {
            offered: vec![VeNCryptSubtype::TlsNone, VeNCryptSubtype::TlsVnc, VeNCryptSubtype::TlsPlain]
        }
    );
}

#[test]
fn vencrypt_names_the_missing_credential() {
    let missing = |subtypes: &[u32]| until_tls(&tls(nothing()), subtypes).unwrap_err();
    assert_eq!(missing(&[261]), Error::PasswordMissing { wanted: "VNC password" });
    assert_eq!(missing(&[262]), Error::PasswordMissing { wanted: "user name and password" });
}

#[test]
fn a_configured_tls_is_never_given_up_for_a_plain_connection() {
    let offered = vec![SecurityType::None, SecurityType::VncAuth];
    assert_eq!(fails(&tls(password()), &[V38, b"\x02\x01\x02"]), Error::TlsNotOffered { offered });
    assert!(matches!(fails(&tls(password()), &[V33, b"\0\0\0\x01"]), Error::TlsNotOffered { .. }));
}

#[test]
fn vencrypt_is_not_used_unless_configured() {
    assert!(matches!(fails(&nothing(), &[V38, b"\x01\x13"]), Error::UnsupportedSecurity { .. }));
}

#[test]
fn plain_bytes_in_front_of_tls_end_the_handshake() {
    let stream = [V38, b"\x01\x13\0\x02\0\x01\0\0\x01\x04\x01", OK].concat();
    let error = InstanceHandshake::new(tls(nothing())).receive(&mut &stream[..]).unwrap_err();
    assert!(matches!(error, Error::Protocol(_)), "{error}");
}

#[test]
fn credentials_cannot_be_printed() {
    let login = PlainLogin { user: "ann".to_owned(), password: "hunter22".to_owned().into() };
    let mut machine = InstanceHandshake::new(InstanceCredentials { login: Some(login), ..tls(password()) });
    machine.receive(&mut &V38[..]).unwrap();
    let debug = format!("{machine:?}");
    assert!(!debug.contains("hunter22") && !debug.contains("secretpw") && !debug.contains("ann"), "{debug}");
}
