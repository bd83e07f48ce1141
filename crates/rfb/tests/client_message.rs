//! Tests of decoded client messages.

use transom_rfb::{ClientMessage as Message, ClientMessageError as Error, PixelFormat};

fn read(bytes: &[u8]) -> Message<'_> {
    for cut in 0..bytes.len() {
        assert_eq!(Message::parse(&bytes[..cut]), Ok(None), "not whole after {cut} bytes");
    }
    let (message, len) = Message::parse(bytes).expect("well-formed").expect("whole");
    assert_eq!(len, bytes.len());
    message
}

#[test]
fn the_core_messages_are_read() {
    let format = b"\0\0\0\0\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0";
    assert_eq!(read(format), Message::SetPixelFormat(PixelFormat::RGB888));
    assert_eq!(
        read(b"\x02\0\0\x02\0\0\0\x07\xff\xff\xff\x21"),
        Message::SetEncodings(&[[0, 0, 0, 7], [255, 255, 255, 33]])
    );
    assert_eq!(
        read(b"\x03\x01\0\x01\0\x02\0\x03\0\x04"),
        Message::UpdateRequest { incremental: true, area: [1, 2, 3, 4] }
    );
    assert_eq!(read(b"\x04\x01\0\0\0\0\xff\x0d"), Message::Key { down: true, keysym: 0xff0d });
    assert_eq!(read(b"\x05\x81\0\x7b\0\x2d"), Message::Pointer { buttons: 0x81, x: 123, y: 45 });
    assert_eq!(read(b"\x06\0\0\0\0\0\0\x02hi"), Message::CutText(b"hi"));
    assert_eq!(read(b"\x06\0\0\0\xff\xff\xff\xfc\x02\0\0\x01"), Message::Extension(6));
    assert_eq!(read(b"\xff\x01\0\0"), Message::Extension(255));
}

#[test]
fn an_unknown_message_is_an_error() {
    assert_eq!(Message::parse(b"\x08"), Err(Error::UnknownType(8)));
}
