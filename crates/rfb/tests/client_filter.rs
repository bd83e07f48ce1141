//! Tests of the filter on a viewer's messages, byte for byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use transom_rfb::client_message::ClientMessage;
use transom_rfb::fuzz::filtered;
use transom_rfb::limits::{MAX_CUT_TEXT, MAX_EXTENDED_CUT_TEXT};
use transom_rfb::{
    Announcements, ClientFilter, ClientMessageError as Error, ClientPolicy, ClipboardFate, Encoding,
};

const NO_CLIPBOARD: ClientPolicy = ClientPolicy { view_only: false, clipboard_to_instance: false };

const SET_PIXEL_FORMAT: &[u8] = b"\0\0\0\0\x20\x18\0\x01\0\xff\0\xff\0\xff\0\x08\x10\0\0\0";
const UPDATE_REQUEST: &[u8] = b"\x03\x01\0\0\0\0\x03\x20\x02\x58";
const KEY: &[u8] = b"\x04\x01\0\0\0\0\xff\x0d";
const POINTER: &[u8] = b"\x05\x01\0\x7b\0\x2d";
const BUTTON_8: &[u8] = b"\x05\x80\0\x7b\0\x2d";
const WIDE_POINTER: &[u8] = b"\x05\x80\0\x7b\0\x2d\x01";
const CUT_TEXT: &[u8] = b"\x06\0\0\0\0\0\0\x05hello";
const EXTENDED_CUT_TEXT: &[u8] = b"\x06\0\0\0\xff\xff\xff\xfc\x02\0\0\x01";
const CONTINUOUS_UPDATES: &[u8] = b"\x96\x01\0\0\0\0\x03\x20\x02\x58";
const FENCE: &[u8] = b"\xf8\0\0\0\x80\0\0\x01\x03abc";
const XVP: &[u8] = b"\xfa\0\x01\x02";
const SET_DESKTOP_SIZE: &[u8] = b"\xfb\0\x04\0\x03\0\x01\0\0\0\0\x01\0\0\0\0\x04\0\x03\0\0\0\0\0";
const GII_BIG: &[u8] = b"\xfd\x80\0\x04\x03\x08\0\0";
const GII_LITTLE: &[u8] = b"\xfd\x01\x02\0\x01\0";
const QEMU_KEY: &[u8] = b"\xff\0\0\x01\0\0\0\x61\0\0\0\x1e";
const QEMU_AUDIO_ON: &[u8] = b"\xff\x01\0\0";
const QEMU_AUDIO_FORMAT: &[u8] = b"\xff\x01\0\x02\x03\x02\0\0\xac\x44";

const ALWAYS: &[&[u8]] = &[SET_PIXEL_FORMAT, UPDATE_REQUEST];
/// Messages that some instances do not know and would misread as other messages.
const EXTENSIONS: &[&[u8]] = &[CONTINUOUS_UPDATES, FENCE, QEMU_AUDIO_ON, QEMU_AUDIO_FORMAT];
const INPUT: &[&[u8]] = &[KEY, POINTER, QEMU_KEY, XVP, GII_BIG, GII_LITTLE];
const CLIPBOARD: &[&[u8]] = &[CUT_TEXT, EXTENDED_CUT_TEXT];

fn set_encodings(encodings: &[i32]) -> Vec<u8> {
    let mut message = vec![2, 0];
    message.extend(u16::try_from(encodings.len()).unwrap().to_be_bytes());
    message.extend(encodings.iter().flat_map(|encoding| encoding.to_be_bytes()));
    message
}

/// Filters `input` in one chunk, and cut in several ways. The cuts must not make a difference.
fn pass(policy: ClientPolicy, stream: &[u8]) -> (Vec<u8>, bool) {
    let (whole, input, end) = filtered(policy, stream, &[stream.len().max(1)]);
    assert_eq!(end, Ok(true), "the stream ends with a message");
    for sizes in [&[1][..], &[2], &[3, 1], &[5, 2, 11]] {
        assert_eq!(filtered(policy, stream, sizes), (whole.clone(), input, Ok(true)), "cut by {sizes:?}");
    }
    (whole, input)
}

fn error(stream: &[u8]) -> Error {
    let end = filtered(ClientPolicy::FULL, stream, &[stream.len()]).2;
    assert_eq!(filtered(ClientPolicy::FULL, stream, &[1]).2, end);
    end.unwrap_err()
}

#[test]
fn with_full_rights_every_message_passes_as_it_is() {
    for message in [ALWAYS, EXTENSIONS, INPUT, CLIPBOARD, &[SET_DESKTOP_SIZE]].concat() {
        let twice = [message, message].concat();
        assert_eq!(pass(ClientPolicy::FULL, &twice).0, twice, "{message:02x?}");
    }
    let stream = [ALWAYS, EXTENSIONS, INPUT, CLIPBOARD, &[SET_DESKTOP_SIZE]].concat().concat();
    assert_eq!(pass(ClientPolicy::FULL, &stream), (stream, true));
}

#[test]
fn a_watching_viewer_neither_types_nor_points_nor_pastes_nor_reboots() {
    for dropped in [INPUT, CLIPBOARD, EXTENSIONS, &[SET_DESKTOP_SIZE]].concat() {
        let stream = [UPDATE_REQUEST, dropped, SET_PIXEL_FORMAT, dropped, dropped, UPDATE_REQUEST].concat();
        let (passed, input) = pass(ClientPolicy::VIEW_ONLY, &stream);
        assert_eq!(passed, [UPDATE_REQUEST, SET_PIXEL_FORMAT, UPDATE_REQUEST].concat(), "{dropped:02x?}");
        assert_eq!(input, [INPUT, CLIPBOARD].concat().contains(&dropped));
    }
    let always = ALWAYS.concat();
    assert_eq!(pass(ClientPolicy::VIEW_ONLY, &always), (always, false));
}

/// The messages by which an instance announces fences, continuous updates and QEMU's audio.
const ANNOUNCED: &[&[u8]] =
    &[b"\xf8\0\0\0\x80\0\0\x01\0", b"\x96", b"\0\0\0\x01\0\0\0\0\0\0\0\0\xff\xff\xfe\xfd"];

#[test]
fn a_watching_viewer_speaks_of_an_extension_once_the_instance_has() {
    for (known, passes) in ANNOUNCED.iter().zip([&EXTENSIONS[1..2], &EXTENSIONS[..1], &EXTENSIONS[2..]]) {
        let mut announcements = Announcements::default();
        announcements.see(known);
        for message in EXTENSIONS {
            let mut filter = ClientFilter::new(ClientPolicy::VIEW_ONLY);
            filter.hear(&announcements);
            let mut sent = message.to_vec();
            let expected = if passes.contains(message) { *message } else { b"" };
            assert_eq!(filter.filter(&mut sent).unwrap().body, expected, "{known:02x?}");
        }
    }
}

#[test]
fn an_announcement_in_the_middle_of_a_message_affects_only_the_next_one() {
    let mut announcements = Announcements::default();
    announcements.see(&ANNOUNCED.concat());
    for message in EXTENSIONS {
        for cut in 1..message.len() {
            let mut filter = ClientFilter::new(ClientPolicy::VIEW_ONLY);
            let (mut begun, mut rest) = (message[..cut].to_vec(), [&message[cut..], message].concat());
            assert_eq!(filter.filter(&mut begun).unwrap().body, b"");
            filter.hear(&announcements);
            let passed = filter.filter(&mut rest).unwrap();
            let passed = [&passed.head, passed.body].concat();
            // A message whose kind or length was not known yet passes as a whole.
            let uncertain = message[0] == 255 && cut == 1 || message[0] == 248 && cut < 9;
            let expected = if uncertain { [*message, message].concat() } else { message.to_vec() };
            assert_eq!(passed, expected, "{message:02x?} cut at {cut}");
        }
    }
}

#[test]
fn a_watching_viewer_may_ask_for_extensions_only_while_announcements_are_seen() {
    let asked = set_encodings(&[7, -312, -313]);
    let plain = set_encodings(&[7]);
    let stream = [&asked, UPDATE_REQUEST, &asked].concat();
    assert_eq!(pass(ClientPolicy::VIEW_ONLY, &stream).0, [&asked, UPDATE_REQUEST, &plain].concat());
    assert_eq!(pass(ClientPolicy::FULL, &stream).0, stream);
    let mut painted = Announcements::default();
    painted.see(b"\xf8\0\0\0\x80\0\0\x01\0\0\0\0\x01\0\0\0\0\0\x01\0\x01\0\0\0\0");
    let mut filter = ClientFilter::new(ClientPolicy::VIEW_ONLY);
    filter.hear(&painted);
    assert!(!filter.listens());
    let mut again = asked.clone();
    assert_eq!(
        filter.filter(&mut again).unwrap().body,
        set_encodings(&[7, -312]),
        "it is known to know fences"
    );
}

#[test]
fn without_the_clipboard_right_only_the_clipboard_is_dropped() {
    let kept = [ALWAYS, EXTENSIONS, INPUT, &[SET_DESKTOP_SIZE]].concat().concat();
    let stream = [CUT_TEXT, &kept, EXTENDED_CUT_TEXT].concat();
    assert_eq!(pass(NO_CLIPBOARD, &stream).0, kept);
}

#[test]
fn encodings_with_unknown_client_messages_are_struck() {
    let asked =
        set_encodings(&[7, -311, 16, -32766, -223, 0x574d_5664, 0x574d_566a, Encoding::EXTENDED_CLIPBOARD.0]);
    let passed = set_encodings(&[7, 16, -223, 0x574d_5664, Encoding::EXTENDED_CLIPBOARD.0]);
    assert_eq!(pass(ClientPolicy::FULL, &[KEY, &asked, KEY].concat()).0, [KEY, &passed, KEY].concat());
    assert_eq!(pass(ClientPolicy::FULL, &set_encodings(&[-311])).0, set_encodings(&[]));
    assert_eq!(pass(ClientPolicy::FULL, &set_encodings(&[])).0, set_encodings(&[]));
}

#[test]
fn encodings_that_serve_a_withheld_right_are_struck() {
    let asked = set_encodings(&[0, -305, -309, -316, Encoding::EXTENDED_CLIPBOARD.0]);
    assert_eq!(pass(ClientPolicy::FULL, &asked).0, asked);
    assert_eq!(pass(NO_CLIPBOARD, &asked).0, set_encodings(&[0, -305, -309]));
    assert_eq!(pass(ClientPolicy::VIEW_ONLY, &asked).0, set_encodings(&[0]));
}

#[test]
fn the_eighth_bit_of_the_buttons_means_what_the_viewer_announced() {
    let narrow = [BUTTON_8, KEY].concat();
    assert_eq!(pass(ClientPolicy::FULL, &narrow).0, narrow);
    let wide = [&set_encodings(&[7, -316]), WIDE_POINTER, POINTER, KEY].concat();
    assert_eq!(pass(ClientPolicy::FULL, &wide).0, wide);
    let taken_back = [&set_encodings(&[-316]), WIDE_POINTER, &set_encodings(&[7]), BUTTON_8, KEY].concat();
    assert_eq!(pass(ClientPolicy::FULL, &taken_back).0, taken_back);
}

#[test]
fn a_clipboard_cannot_hide_in_the_length_of_a_pointer_event() {
    // An instance that does not know ExtendedMouseButtons takes the last byte of a wide pointer
    // event for the beginning of a message.
    let stream = [&set_encodings(&[-316]), BUTTON_8, CUT_TEXT, KEY].concat();
    assert_eq!(pass(NO_CLIPBOARD, &stream).0, [&set_encodings(&[]), BUTTON_8, KEY].concat());
}

#[test]
fn a_large_clipboard_streams_through_and_is_never_gathered() {
    let len = 64 * 1024_u32;
    let message = [&b"\x06\0\0\0"[..], &len.to_be_bytes(), &vec![b'x'; len as usize], KEY].concat();
    assert_eq!(filtered(ClientPolicy::FULL, &message, &[1000]).0, message);
    assert_eq!(filtered(NO_CLIPBOARD, &message, &[1000]).0, KEY);
    let mut filter = ClientFilter::new(ClientPolicy::FULL);
    for chunk in message.chunks(1000) {
        let mut owned = chunk.to_vec();
        let passed = filter.filter(&mut owned).unwrap();
        assert_eq!((passed.head.capacity(), passed.body), (0, chunk), "every byte goes on at once");
    }
}

/// Pads a message with this beginning to `len` bytes.
fn long(beginning: &[u8], len: usize) -> Vec<u8> {
    let mut message = beginning.to_vec();
    message.resize(len, 4);
    message
}

fn cut_text(announced: u32) -> Vec<u8> {
    [&b"\x06\0\0\0"[..], &announced.to_be_bytes()].concat()
}

#[test]
fn a_message_over_its_limit_is_dropped_and_the_next_one_passes() {
    let over = MAX_CUT_TEXT + 1;
    let extended = MAX_EXTENDED_CUT_TEXT + 1;
    for message in [
        long(&cut_text(over), 8 + over as usize),
        long(&cut_text(extended.wrapping_neg()), 8 + extended as usize),
        // The length leaves no room for the flags.
        long(&cut_text(3_u32.wrapping_neg()), 8 + 3),
        long(b"\x02\0\x04\x01", 4 + 4 * 1025),
        long(b"\x02\0\xff\xff", 4 + 4 * 65535),
        long(b"\xf8\0\0\0\0\0\0\0\x41", 9 + 65),
        long(b"\xf8\0\0\0\0\0\0\0\xff", 9 + 255),
    ] {
        let stream = [KEY, &message, UPDATE_REQUEST].concat();
        for policy in [ClientPolicy::FULL, NO_CLIPBOARD, ClientPolicy::VIEW_ONLY] {
            let kept =
                if policy.view_only { UPDATE_REQUEST.to_vec() } else { [KEY, UPDATE_REQUEST].concat() };
            for size in if message.len() < 300_000 { [1, 7, stream.len()] } else { [9, 65_536, stream.len()] }
            {
                // The chunks of a long message may be long after its header.
                let sizes = [[size; 8].as_slice(), &[size.max(message.len().min(65_536))]].concat();
                let (passed, _, end) = filtered(policy, &stream, &sizes);
                assert_eq!(
                    (passed, end),
                    (kept.clone(), Ok(true)),
                    "{:02x?} in chunks of {size}",
                    &message[..9]
                );
            }
        }
    }
    // A message of the longest possible length is counted, not gathered.
    assert_eq!(filtered(ClientPolicy::FULL, &cut_text(i32::MIN.cast_unsigned()), &[8]).2, Ok(false));
    assert_eq!(filtered(ClientPolicy::FULL, &cut_text(MAX_CUT_TEXT), &[8]).2, Ok(false));
}

#[test]
fn the_fate_of_a_clipboard_is_reported_when_it_is_decided() {
    let provide = b"\x06\0\0\0\xff\xff\xff\xfa\x10\0\0\x01zz";
    let notify = b"\x06\0\0\0\xff\xff\xff\xfc\x08\0\0\x01";
    let over = long(&cut_text(MAX_CUT_TEXT + 1), 1000);
    let fates = |policy, message: &[u8], size: usize| {
        let mut filter = ClientFilter::new(policy);
        let fates: Vec<_> = message
            .chunks(size)
            .filter_map(|chunk| filter.filter(&mut chunk.to_vec()).unwrap().clipboard)
            .collect();
        fates
    };
    for (message, fate) in [
        (CUT_TEXT, Some(ClipboardFate::Written)),
        (provide, Some(ClipboardFate::Provided)),
        (notify, Some(ClipboardFate::Offered)),
        // A request of Extended Clipboard has no fate.
        (EXTENDED_CUT_TEXT, None),
        (&over, Some(ClipboardFate::Skipped)),
        (KEY, None),
    ] {
        for size in [1, 3, message.len()] {
            assert_eq!(fates(ClientPolicy::FULL, message, size), Vec::from_iter(fate), "{message:02x?}");
            assert_eq!(fates(NO_CLIPBOARD, message, size), []);
            assert_eq!(fates(ClientPolicy::VIEW_ONLY, message, size), []);
        }
    }
    assert_eq!(fates(ClientPolicy::FULL, &CUT_TEXT[..12], 12), [], "its last byte is missing");
}

#[test]
fn a_reader_refuses_messages_that_a_filter_drops() {
    let over = cut_text(MAX_CUT_TEXT + 1);
    assert_eq!(ClientMessage::parse(&over), Err(Error::Length { number: 6, len: 8 + MAX_CUT_TEXT + 1 }));
    assert_eq!(ClientMessage::parse(b"\x02\0\x04\x01"), Err(Error::Length { number: 2, len: 4 + 4 * 1025 }));
}

#[test]
fn an_unknown_message_ends_the_stream_and_names_its_type() {
    assert_eq!(error(&[KEY, b"\x7f"].concat()), Error::UnknownType(127));
    assert_eq!(error(b"\x07"), Error::UnknownType(7));
    assert_eq!(error(b"\xff\x02"), Error::UnknownQemuType(2));
    assert_eq!(error(b"\xff\x01\0\x03"), Error::UnknownAudioOperation(3));
    assert_eq!(Error::UnknownType(127).to_string(), "sent a message of the unknown type 127");

    let mut filter = ClientFilter::new(ClientPolicy::FULL);
    assert_eq!(filter.filter(&mut [127]), Err(Error::UnknownType(127)));
    assert_eq!(filter.filter(&mut KEY.to_vec()), Err(Error::UnknownType(127)), "and stays ended");
}

#[test]
fn a_message_cut_by_a_chunk_goes_on_at_once_where_its_type_decides() {
    let mut filter = ClientFilter::new(ClientPolicy::FULL);
    assert_eq!(filter.filter(&mut KEY[..3].to_vec()).unwrap().body, &KEY[..3]);
    assert!(!filter.is_at_boundary());
    assert_eq!(filter.filter(&mut KEY[3..].to_vec()).unwrap().body, &KEY[3..]);
    assert!(filter.is_at_boundary());
    assert_eq!(filter.filter(&mut []).unwrap().body, b"");
    // The second byte of a QEMU message tells whether it is a key or audio.
    assert_eq!(filter.filter(&mut [255]).unwrap().body, b"");
    let mut rest = QEMU_KEY[1..].to_vec();
    let passed = filter.filter(&mut rest).unwrap();
    assert_eq!((passed.head, passed.body, passed.input), (vec![255], &QEMU_KEY[1..], true));
}
