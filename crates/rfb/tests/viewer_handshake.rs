//! Tests of the handshake with a viewer, byte for byte, in every version.

use transom_rfb::version::Announced;
use transom_rfb::viewer::ViewerHandshakeError as Error;
use transom_rfb::{
    PixelFormat, SecurityType, ServerInit, Version, ViewerHandshake, ViewerProgress, VncPassword,
};

const V33: &[u8] = b"RFB 003.003\n";
const V37: &[u8] = b"RFB 003.007\n";
const V38: &[u8] = b"RFB 003.008\n";
const CHALLENGE: &[u8; 16] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const RESPONSE: &[u8] = &0x5002_a20f_40d9_6c59_ec8a_26f4_7ae5_688d_u128.to_be_bytes();

/// Feeds `parts` whole and then byte by byte, which must not make a difference. Returns the end,
/// and everything written.
fn run(machine: fn() -> ViewerHandshake, parts: &[&[u8]]) -> (Result<ViewerProgress, Error>, Vec<u8>) {
    let stream = parts.concat();
    let feed = |chunks: &mut dyn Iterator<Item = &[u8]>| {
        let mut machine = machine();
        let mut written = machine.take_output().concat();
        for mut chunk in chunks {
            let progress = machine.receive(&mut chunk);
            written.extend(machine.take_output().concat());
            if progress != Ok(ViewerProgress::NeedMore) {
                return (progress, written);
            }
        }
        (Ok(ViewerProgress::NeedMore), written)
    };
    let whole = feed(&mut std::iter::once(&stream[..]));
    assert_eq!(whole, feed(&mut stream.chunks(1)), "cutting the stream made a difference");
    whole
}

fn done(version: Version, shared: bool) -> Result<ViewerProgress, Error> {
    Ok(ViewerProgress::Done { version, shared })
}

fn with_password() -> ViewerHandshake {
    ViewerHandshake::with_password(VncPassword::new("secretpw"), *CHALLENGE)
}

fn refusing() -> ViewerHandshake {
    ViewerHandshake::new().refusing("token expired")
}

#[test]
fn none_is_offered_in_every_version() {
    let (end, written) = run(ViewerHandshake::new, &[V33, b"\x01"]);
    assert_eq!((end, written), (done(Version::V3_3, true), [V38, b"\0\0\0\x01"].concat()));
    let (end, written) = run(ViewerHandshake::new, &[V37, b"\x01", b"\0"]);
    assert_eq!((end, written), (done(Version::V3_7, false), [V38, b"\x01\x01"].concat()));
    let (end, written) = run(ViewerHandshake::new, &[V38, b"\x01", b"\x01"]);
    assert_eq!((end, written), (done(Version::V3_8, true), [V38, b"\x01\x01", b"\0\0\0\0"].concat()));
}

/// The answers depend on no later message of the viewer. They are sent with the security types, as
/// separate messages.
#[test]
fn a_screen_that_is_known_is_announced_behind_the_viewers_version() {
    let screen = ServerInit { width: 2, height: 1, pixel_format: PixelFormat::RGB888, name: "tank".into() };
    let init = screen.message();
    let ok = b"\0\0\0\0".to_vec();
    for (version, choice, answer) in [
        (V33, &b""[..], vec![b"\0\0\0\x01".to_vec(), init.clone()]),
        (V37, b"\x01", vec![b"\x01\x01".to_vec(), init.clone()]),
        (V38, b"\x01", vec![b"\x01\x01".to_vec(), ok, init.clone()]),
    ] {
        let mut machine = ViewerHandshake::new().announcing(&screen);
        assert_eq!(machine.take_output(), [V38]);
        assert_eq!(machine.receive(&mut &version[..]), Ok(ViewerProgress::NeedMore));
        assert_eq!(machine.take_output(), answer);
        let rest = [choice, b"\x01beyond"].concat();
        let mut rest = rest.as_slice();
        assert!(matches!(machine.receive(&mut rest), Ok(ViewerProgress::Done { shared: true, .. })));
        assert_eq!(rest, b"beyond");
        assert_eq!(machine.take_output(), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_viewer_that_chooses_otherwise_behind_the_announcement_is_left() {
    let screen = ServerInit { width: 2, height: 1, pixel_format: PixelFormat::RGB888, name: "tank".into() };
    let mut machine = ViewerHandshake::new().announcing(&screen);
    assert_eq!(machine.receive(&mut &V38[..]), Ok(ViewerProgress::NeedMore));
    machine.take_output();
    assert_eq!(machine.receive(&mut &b"\x02"[..]), Err(Error::NotOffered(SecurityType::VncAuth)));
    assert_eq!(machine.take_output(), Vec::<Vec<u8>>::new());
}

#[test]
fn apples_viewer_is_spoken_to_in_three_point_eight() {
    let (end, _) = run(ViewerHandshake::new, &[b"RFB 003.889\n", b"\x01", b"\x01"]);
    assert_eq!(end, done(Version::V3_8, true));
}

#[test]
fn bytes_behind_client_init_stay_in_the_slice() {
    let stream = [V38, b"\x01", b"\x01", b"\x03rest"].concat();
    let mut input = &stream[..];
    assert_eq!(ViewerHandshake::new().receive(&mut input), done(Version::V3_8, true));
    assert_eq!(input, b"\x03rest");
}

#[test]
fn a_type_that_was_not_offered_is_told_so() {
    let (end, written) = run(ViewerHandshake::new, &[V38, b"\x02"]);
    assert_eq!(end, Err(Error::NotOffered(SecurityType::VncAuth)));
    let told = b"\0\0\0\x01\0\0\0\x22this security type was not offered";
    assert_eq!(written, [V38, b"\x01\x01", told].concat());
    let (end, written) = run(ViewerHandshake::new, &[V37, b"\x02"]);
    assert_eq!(end, Err(Error::NotOffered(SecurityType::VncAuth)));
    assert_eq!(written, [V38, b"\x01\x01", b"\0\0\0\x01"].concat());
}

#[test]
fn a_refusal_is_told_in_every_versions_own_form() {
    let reason = b"\0\0\0\x0dtoken expired";
    assert_eq!(run(refusing, &[V33]), (Ok(ViewerProgress::Refused), [V38, b"\0\0\0\0", reason].concat()));
    assert_eq!(run(refusing, &[V37]), (Ok(ViewerProgress::Refused), [V38, b"\0", reason].concat()));
    assert_eq!(run(refusing, &[V38]), (Ok(ViewerProgress::Refused), [V38, b"\0", reason].concat()));
}

#[test]
fn a_password_is_asked_for_in_every_version() {
    let (end, written) = run(with_password, &[V33, RESPONSE, b"\x01"]);
    assert_eq!(
        (end, written),
        (done(Version::V3_3, true), [V38, b"\0\0\0\x02", CHALLENGE, b"\0\0\0\0"].concat())
    );
    for (version, message) in [(Version::V3_7, V37), (Version::V3_8, V38)] {
        let (end, written) = run(with_password, &[message, b"\x02", RESPONSE, b"\x01"]);
        assert_eq!(
            (end, written),
            (done(version, true), [V38, b"\x01\x02", CHALLENGE, b"\0\0\0\0"].concat())
        );
    }
}

#[test]
fn a_wrong_password_is_told_so() {
    let (end, written) = run(with_password, &[V38, b"\x02", &[0; 16]]);
    assert_eq!(end, Err(Error::PasswordWrong));
    assert!(written.ends_with(b"\0\0\0\x01\0\0\0\x15Authentication failed"));
    let (end, written) = run(with_password, &[V33, &[0; 16]]);
    assert_eq!(end, Err(Error::PasswordWrong));
    assert!(written.ends_with(b"\0\0\0\x01"));
}

#[test]
fn garbage_is_quoted() {
    let garbage = ViewerHandshake::new().receive(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]);
    assert_eq!(garbage, Err(Error::NotRfb { excerpt: "GET / HTTP/1.1".to_owned() }));
    assert!(matches!(run(ViewerHandshake::new, &[b"RFB 3.8 or so"]).0, Err(Error::NotRfb { .. })));
    let ancient = Announced { major: 3, minor: 2 };
    assert_eq!(run(ViewerHandshake::new, &[b"RFB 003.002\n"]).0, Err(Error::UnsupportedVersion(ancient)));
}
