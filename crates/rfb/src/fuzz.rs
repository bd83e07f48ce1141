//! The bodies of the fuzz targets. Arbitrary bytes must not cause a panic, and must give the same
//! result however the stream is cut into chunks.
//!
//! The first byte chooses rights or credentials. The rest is the peer's input.

use crate::client_filter::{ClientFilter, ClientPolicy};
use crate::client_message::{ClientMessage, ClientMessageError};
use crate::init::ServerInit;
use crate::instance::{InstanceCredentials, InstanceHandshake, InstanceProgress, PlainLogin};
use crate::pixel_format::PixelFormat;
use crate::viewer::{ViewerHandshake, ViewerProgress};
use crate::vnc_auth::VncPassword;

/// Filters `input` in chunks of the given sizes, which repeat. Returns the bytes that passed,
/// whether there was user input, and whether the stream ended at a message boundary or with an
/// error.
pub fn filtered(
    policy: ClientPolicy,
    input: &[u8],
    sizes: &[usize],
) -> (Vec<u8>, bool, Result<bool, ClientMessageError>) {
    let mut filter = ClientFilter::new(policy);
    let (mut passed, mut seen) = (Vec::new(), false);
    for mut chunk in cut(input, sizes) {
        let arrived = chunk.len();
        match filter.filter(&mut chunk) {
            Ok(filtered) => {
                assert!(filtered.body.len() <= arrived, "a chunk grew");
                passed.extend(filtered.head);
                passed.extend(filtered.body);
                seen |= filtered.input;
            }
            Err(error) => return (passed, seen, Err(error)),
        }
    }
    assert!(passed.len() <= input.len(), "the stream grew");
    (passed, seen, Ok(filter.is_at_boundary()))
}

/// Passes client messages through the filter and the reader.
pub fn client_messages(data: &[u8]) {
    let Some((rights, input)) = data.split_first() else { return };
    let policy = ClientPolicy { view_only: rights & 1 != 0, clipboard_to_instance: rights & 2 != 0 };
    let (whole, seen, end) = filtered(policy, input, &[input.len().max(1)]);
    for sizes in [&[1][..], &[2, 3], &[7, 1, 30], &[usize::from(*rights) + 1]] {
        let (cut, seen_cut, end_cut) = filtered(policy, input, sizes);
        assert_eq!(end, end_cut, "the end depends on how the stream is cut");
        if end.is_ok() {
            assert_eq!((&whole, seen), (&cut, seen_cut), "what passes depends on how the stream is cut");
        }
    }
    if end == Ok(true) {
        // The passed bytes are a stream of whole messages, which passes unchanged.
        assert_eq!(filtered(policy, &whole, &[whole.len().max(1)]).0, whole, "filtering twice differs");
    }
    let mut rest = input;
    while let Ok(Some((_, len))) = ClientMessage::parse(rest) {
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// Runs a handshake with an instance that sends `data`.
pub fn instance_handshake(data: &[u8]) {
    let Some((have, input)) = data.split_first() else { return };
    let credentials = InstanceCredentials {
        password: (have & 1 != 0).then(|| VncPassword::new("secretpw")),
        login: (have & 2 != 0)
            .then(|| PlainLogin { user: "user".to_owned(), password: "secretpw".to_owned().into() }),
        tls: have & 4 != 0,
    };
    let run = |sizes: &[usize]| {
        let mut machine = InstanceHandshake::new(credentials.clone());
        let mut written = Vec::new();
        for chunk in cut(input, sizes) {
            let mut rest = &chunk[..];
            let progress = machine.receive(&mut rest);
            written.extend(machine.take_output());
            match progress {
                Ok(InstanceProgress::NeedMore) => assert!(rest.is_empty(), "bytes were left"),
                Ok(InstanceProgress::StartTls(_)) => machine.tls_established(),
                Ok(InstanceProgress::Done(init)) => return (written, Some(init)),
                Err(error) => {
                    drop(error.to_string());
                    return (written, None);
                }
            }
            drop(machine.closed().to_string());
        }
        (written, None)
    };
    let bytewise = run(&[1]);
    // With TLS, the result depends on the chunks: bytes after the start of TLS are refused in the
    // same chunk, but read as decrypted bytes in the next one.
    if !credentials.tls {
        let whole = run(&[input.len().max(1)]);
        assert_eq!(whole, bytewise, "the handshake depends on how the stream is cut");
    }
}

/// Runs a handshake with a viewer that sends `data`.
pub fn viewer_handshake(data: &[u8]) {
    let Some((kind, input)) = data.split_first() else { return };
    let run = |sizes: &[usize]| {
        let mut machine = match kind % 4 {
            0 => ViewerHandshake::new(),
            3 => ViewerHandshake::new().announcing(&ServerInit {
                width: 1,
                height: 1,
                pixel_format: PixelFormat::RGB888,
                name: "a screen".into(),
            }),
            1 => ViewerHandshake::with_password(VncPassword::new("secretpw"), [7; 16]),
            _ => ViewerHandshake::new().refusing("the instance is stopped"),
        };
        let (mut written, mut taken) = (Vec::new(), 0);
        for chunk in cut(input, sizes) {
            let mut rest = &chunk[..];
            let progress = machine.receive(&mut rest);
            written.extend(machine.take_output().concat());
            taken += chunk.len() - rest.len();
            match progress {
                Ok(ViewerProgress::NeedMore) => assert!(rest.is_empty(), "bytes were left"),
                Ok(end) => return (written, Ok((end, taken))),
                Err(error) => {
                    // The error's text depends on the chunks: it may quote more of a greeting that
                    // arrives whole. So only the kind of the error is compared.
                    drop(error.to_string());
                    return (written, Err(std::mem::discriminant(&error)));
                }
            }
        }
        (written, Ok((ViewerProgress::NeedMore, taken)))
    };
    assert_eq!(run(&[1]), run(&[input.len().max(1)]), "the handshake depends on how the stream is cut");
}

/// Cuts `input` into owned chunks of the given sizes, which repeat.
fn cut(input: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut chunks, mut rest) = (Vec::new(), input);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, tail) = rest.split_at((*size).clamp(1, rest.len()));
        chunks.push(chunk.to_vec());
        rest = tail;
    }
    chunks
}
