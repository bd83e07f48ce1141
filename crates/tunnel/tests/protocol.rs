//! Tests of the wire format: golden bytes, round trips, and arbitrary bytes.

use std::time::Duration;

use proptest::prelude::*;
use transom_tunnel::frame::Inbox;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::raw::{self, Claim};
use transom_tunnel::scram::{self, Channel, Examiner, Prover, ScramError};
use transom_tunnel::ticket::TicketHeader;
use transom_tunnel::{
    Availability, Binding, Cause, Enrollment, FrameError, MeetingTicket, Message, PublicKey, Refusal,
    RefusalCode, Report, Retry, Role, Versions,
};

fn ticket(fill: u8) -> MeetingTicket {
    MeetingTicket::from_bytes([fill; MeetingTicket::LENGTH])
}

fn refusal() -> Refusal {
    Refusal {
        code: RefusalCode::Superseded,
        retry: Retry::After(Duration::from_secs(300)),
        detail: None,
        advice: None,
    }
}

/// Every message with its bytes.
fn golden() -> Vec<(Message, Vec<u8>)> {
    let ticket_bytes = "aa".repeat(MeetingTicket::LENGTH);
    let enrollment = Enrollment {
        id: [1; 16],
        salt: [2; 16],
        stored_key: [3; 32],
        server_key: [4; 32],
        proof: [5; 32],
        binding: "biws".into(),
    };
    let enroll = [("01", 16), ("02", 16), ("03", 32), ("04", 32), ("05", 32)];
    let enroll = enroll.map(|(byte, count)| byte.repeat(count)).concat();
    let golden: Vec<(Message, String)> = vec![
        (
            Message::Hello { versions: Versions { oldest: 1, newest: 2 }, binding: Binding::TlsExporter },
            "010003 01 02 01".into(),
        ),
        (
            Message::Prove {
                version: 1,
                role: Role::Agent,
                end_to_end_only: true,
                client_first: "n".into(),
                program: "p".into(),
                report: None,
            },
            "020009 01 01 01 0001 6e 0001 70".into(),
        ),
        (Message::Challenge("r".into()), "030003 0001 72".into()),
        (Message::Proof("c".into()), "040003 0001 63".into()),
        (
            Message::Joined { heartbeat: Duration::from_secs(20), server_final: "v".into() },
            "050005 0014 0001 76".into(),
        ),
        (Message::Refused(refusal()), "060008 0005 0000012c 0000".into()),
        (
            Message::Refused(Refusal::from(RefusalCode::CloudAuthenticationFailed).because("x")),
            "060009 0001 ffffffff 0001 78".into(),
        ),
        (Message::Ping, "070000".into()),
        (Message::Pong, "080000".into()),
        (Message::Ask { call: 7, wait: true, peer: "a".into() }, "100008 00000007 01 0001 61".into()),
        (
            Message::Connect { call: 7, limit: 1024, peer: "a".into() },
            "11000b 00000007 00000400 0001 61".into(),
        ),
        (Message::Available { call: 7 }, "120004 00000007".into()),
        (
            Message::Meet { call: 7, ticket: ticket(0xaa), relay: String::new(), renewal: None },
            format!("130036 00000007 {ticket_bytes} 0000"),
        ),
        (Message::Watch { call: 7, peer: "a".into() }, "150007 00000007 0001 61".into()),
        (Message::Seen { call: 7, availability: Availability::Unavailable }, "160005 00000007 02".into()),
        (Message::Failed { call: 7, refusal: refusal() }, "14000c 00000007 0005 0000012c 0000".into()),
        (
            Message::Dial { ticket: ticket(0xaa), standby: None, relay: "h:1".into(), peer: "a".into() },
            format!("200048 {ticket_bytes} {} 0003 683a31 0001 61", "00".repeat(16)),
        ),
        (
            Message::Dial {
                ticket: ticket(0xaa),
                standby: Some([2; 16]),
                relay: String::new(),
                peer: "a".into(),
            },
            format!("200045 {ticket_bytes} {} 0000 0001 61", "02".repeat(16)),
        ),
        (
            Message::Standby { ticket: ticket(0xaa), relay: "h:1".into() },
            format!("230035 {ticket_bytes} 0003 683a31"),
        ),
        (
            Message::Declined { ticket: [1; 16], cause: Cause::EndToEndOnly, why: "a".into() },
            format!("210014 {} 01 0001 61", "01".repeat(16)),
        ),
        (Message::Enroll { version: 1, enrollment }, format!("320087 01 {enroll} 0004 62697773")),
        (
            Message::Enrolled { proof: [1; 32], address: "a".into() },
            format!("330023 {} 0001 61", "01".repeat(32)),
        ),
    ];
    let bytes = |text: String| hex::decode(text.replace(' ', "")).expect("golden bytes");
    golden.into_iter().map(|(message, text)| (message, bytes(text))).collect()
}

fn next(bytes: &[u8]) -> Result<Option<Message>, FrameError> {
    let mut inbox = Inbox::default();
    inbox.push(bytes);
    Message::next(&mut inbox)
}

/// Adds bytes after the last field of a frame.
fn longer(frame: &[u8], more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(frame.len() - 3 + more.len()).expect("a short message");
    [&frame[..1], &length.to_be_bytes(), &frame[3..], more].concat()
}

#[test]
fn every_message_has_its_bytes() {
    for (message, bytes) in golden() {
        assert_eq!(hex::encode(message.encode()), hex::encode(&bytes), "{message:?}");
        let mut inbox = Inbox::default();
        for byte in &bytes {
            assert_eq!(Message::next(&mut inbox), Ok(None), "{message:?} came too early");
            inbox.push(&[*byte]);
        }
        assert_eq!(Message::next(&mut inbox), Ok(Some(message)));
        assert_eq!(Message::next(&mut inbox), Ok(None));
    }
}

#[test]
fn a_report_follows_the_program_and_may_be_missing_or_of_a_later_version() {
    let without = next(&hex::decode("0200090101000001 6e000170".replace(' ', "")).expect("bytes"));
    let Ok(Some(Message::Prove { version, role, end_to_end_only, client_first, program, report: None })) =
        without
    else {
        panic!("{without:?}")
    };
    let report = Report {
        host_name: "h".into(),
        run: [1; 16],
        key: PublicKey::from_bytes([2; 32]),
        targets: vec!["a=b:1".into(), "c:2".into()],
    };
    let with = Message::Prove { version, role, end_to_end_only, client_first, program, report: Some(report) };
    let told = format!("0001 68 {} {} 02 0005 613d623a31 0003 633a32", "01".repeat(16), "02".repeat(32));
    let bytes = hex::decode(format!("0200490101000001 6e000170{told}").replace(' ', "")).expect("bytes");
    assert_eq!(hex::encode(with.encode()), hex::encode(&bytes));
    assert_eq!(next(&bytes), Ok(Some(with.clone())));
    assert_eq!(next(&longer(&bytes, b"of a later version")), Ok(Some(with.clone())));
    // A malformed report does not prevent an agent from joining, because it is only informative.
    for cut in 13..bytes.len() {
        let payload = &bytes[3..cut];
        let length = u16::try_from(payload.len()).expect("a short message");
        let read = next(&[&bytes[..1], &length.to_be_bytes(), payload].concat());
        assert!(matches!(read, Ok(Some(Message::Prove { report: None, .. }))), "{cut}: {read:?}");
    }
    // The longest report that an agent can send fits into a frame.
    let Message::Prove { report: Some(mut longest), .. } = with.clone() else { panic!("it has one") };
    longest.host_name = "h".repeat(1000);
    longest.targets = vec!["t".repeat(1000); 20];
    let first =
        Prover::new(&"a".repeat(99), scram::nonce([1; scram::NONCE]), Binding::TlsExporter, Some(&[7; 32]))
            .first();
    let said = Message::Prove {
        version: 1,
        role: Role::Agent,
        end_to_end_only: true,
        client_first: first,
        program: "p".repeat(100),
        report: Some(longest),
    };
    let Ok(Some(Message::Prove { report: Some(heard), .. })) = next(&said.encode()) else {
        panic!("it fits")
    };
    assert_eq!((heard.host_name.len(), heard.targets.len(), heard.targets[7].len()), (255, 8, 128));
}

#[test]
fn the_statement_about_a_new_key_follows_a_meeting() {
    let bytes =
        format!("13{:04x} 00000007 {} 0000 {:016x} {}", 54 + 136, "aa".repeat(48), 9, "02".repeat(128));
    let bytes = hex::decode(bytes.replace(' ', "")).expect("bytes");
    let Ok(Some(meet @ Message::Meet { renewal: Some(_), .. })) = next(&bytes) else {
        panic!("it is a meeting")
    };
    let Message::Meet { renewal: Some(word), .. } = &meet else { panic!("with a word") };
    assert_eq!((word.at, word.key), (9, PublicKey::from_bytes([2; 32])));
    assert_eq!(word.signed_by("a"), None);
    assert_eq!(hex::encode(meet.encode()), hex::encode(&bytes));
    assert_eq!(next(&longer(&bytes, b"of a later version")), Ok(Some(meet)));
}

#[test]
fn additions_of_later_versions_are_skipped() {
    let later = hex::decode("ff0003 010203 300000 220001 00".replace(' ', "")).expect("unknown messages");
    assert_eq!(next(&later), Ok(None));
    for (message, bytes) in golden() {
        assert_eq!(next(&longer(&bytes, b"and more")), Ok(Some(message.clone())), "a field more");
        assert_eq!(next(&[&later[..], &bytes].concat()), Ok(Some(message)), "a message between");
    }
}

#[test]
fn a_message_that_ends_early_is_named_wherever_it_ends() {
    for (message, bytes) in golden() {
        for end in 3..bytes.len() {
            assert_eq!(next(&longer(&bytes[..end], b"")), Err(FrameError::Short), "{message:?} to {end}");
        }
    }
}

#[test]
fn unknown_values_of_later_versions_have_a_meaning() {
    let read = |text: &str| next(&hex::decode(text.replace(' ', "")).expect("bytes"));
    let words =
        |number| format!("the server gave reason number {number}, which this version does not know: x");
    let hour = Retry::After(Duration::from_secs(3600));
    let refused = |retry, number| {
        let refusal = Refusal::from(RefusalCode::ProtocolError).because(words(number));
        Ok(Some(Message::Refused(Refusal { retry, ..refusal })))
    };
    // An unknown code never ends an agent for good.
    assert_eq!(read("060009 0000 ffffffff 0001 78"), refused(hour, 0));
    assert_eq!(read("060009 0063 00000007 0001 78"), refused(Retry::After(Duration::from_secs(7)), 99));
    let seen = Message::Seen { call: 0, availability: Availability::Unknown };
    assert_eq!(read("160005 00000000 09"), Ok(Some(seen)));
    let declined = Message::Declined { ticket: [0; 16], cause: Cause::Failed, why: String::new() };
    assert_eq!(read(&format!("210013 {} 09 0000", "00".repeat(16))), Ok(Some(declined)));
    let ask = Message::Ask { call: 0, wait: false, peer: "a".into() };
    assert_eq!(read("100008 00000000 fe 0001 61"), Ok(Some(ask)));
}

#[test]
fn malformed_messages_are_named() {
    for (bytes, error) in [
        ("01ffff", FrameError::Long),
        ("070801", FrameError::Long),
        ("01000101", FrameError::Short),
        ("010003 01 01 02", FrameError::Value("binding")),
        ("020002 01 03", FrameError::Value("role")),
        ("030003 0001 ff", FrameError::Text),
        ("030003 0401 61", FrameError::Long),
    ] {
        assert_eq!(next(&hex::decode(bytes.replace(' ', "")).expect("bytes")), Err(error), "{bytes}");
    }
}

#[test]
fn the_first_words_inside_a_session_have_their_bytes_and_may_grow() {
    let (request, answer) = (opening::request("plc"), opening::answer(Outcome::Unreachable, "no"));
    assert_eq!(hex::encode(&request), "000601 0003 706c63".replace(' ', ""));
    assert_eq!(hex::encode(&answer), "000502 0002 6e6f".replace(' ', ""));
    assert_eq!(opening::length([0, 6]), Ok(6));
    assert_eq!(opening::length([0xff, 0xff]), Err(FrameError::Long));
    let later = |words: &[u8]| [&words[opening::LENGTH..], b"and more"].concat();
    assert_eq!(opening::read_request(&later(&request)), Ok(Some("plc".to_owned())));
    assert_eq!(opening::read_answer(&later(&answer)), Ok((Outcome::Unreachable, "no".to_owned())));
    // A request of a later version is recognised, and an unknown outcome has a meaning.
    assert_eq!(opening::read_request(&[2, 0xff]), Ok(None));
    assert_eq!(opening::read_answer(&[77, 0, 2, b'n', b'o']), Ok((Outcome::Other, "no".to_owned())));
    for short in [&[][..], &[1], &[1, 0], &[1, 0, 2, b'p']] {
        assert_eq!(opening::read_request(short), Err(FrameError::Short));
        assert_eq!(opening::read_answer(short), Err(FrameError::Short));
    }
    assert_eq!(opening::read_request(&[1, 1, 0]), Err(FrameError::Long));
}

#[test]
fn a_ticket_is_header_one_side_and_does_not_print_its_secret() {
    let ticket = MeetingTicket::from_bytes(std::array::from_fn(|n| n as u8));
    let text = ticket.header(Role::Agent);
    assert_eq!(text.parse::<TicketHeader>(), Ok(TicketHeader { role: Role::Agent, ticket: ticket.clone() }));
    let shown = format!("{text} and=more").parse::<TicketHeader>();
    assert_eq!(shown, Ok(TicketHeader { role: Role::Agent, ticket: ticket.clone() }), "a later version's");
    assert_eq!(format!("{ticket:?}"), "MeetingTicket(000102030405060708090a0b0c0d0e0f, ..)");
    for bad in ["", "agent", "agent 00", "viewer 00", "agent zz"] {
        assert!(bad.parse::<TicketHeader>().is_err(), "{bad}");
    }
}

#[test]
fn the_messages_of_a_raw_connection_have_their_bytes_and_malformed_ones_are_named() {
    let nonce = [5; raw::NONCE];
    let greeting = raw::greeting(&nonce);
    assert_eq!(hex::encode(greeting), format!("5452414e534f4d01{}", "05".repeat(32)));
    assert_eq!(raw::read_greeting(&greeting), Ok(nonce));
    let mut other = greeting;
    other[7] = 2;
    assert_eq!(raw::read_greeting(&other), Err(FrameError::Value("greeting")));
    let claim = Claim::of(&ticket(0xaa), Role::Agent, &nonce);
    let bytes = claim.encode();
    assert_eq!(
        hex::encode(bytes),
        format!("01{}65cfedcd8da92f02183dbe3dfdc1fe9e353a56da261b51e7d395f70168c9facb", "aa".repeat(16))
    );
    assert_eq!(Claim::decode(&bytes), Ok(claim));
    let mut nobody = bytes;
    nobody[0] = 3;
    assert_eq!(Claim::decode(&nobody), Err(FrameError::Value("role")));
}

#[test]
fn a_claim_holds_for_its_ticket_its_nonce_and_its_role_only() {
    let (ticket, nonce) = (MeetingTicket::from_bytes([7; MeetingTicket::LENGTH]), [5; raw::NONCE]);
    let claim = Claim::of(&ticket, Role::Agent, &nonce);
    assert!(claim.is_of(&ticket, &nonce));
    assert!(!claim.is_of(&ticket, &[6; raw::NONCE]), "replayed on another connection");
    let mut other_side = claim;
    other_side.role = Role::Connector;
    assert!(!other_side.is_of(&ticket, &nonce), "shown by the other side");
    let mut bytes = [7; MeetingTicket::LENGTH];
    bytes[47] = 8;
    assert!(!claim.is_of(&MeetingTicket::from_bytes(bytes), &nonce), "of another secret");
}

#[test]
fn an_end_vouches_for_one_connection_and_for_its_own_side_of_it() {
    let (ticket, exporter) = (ticket(7), [1; 32]);
    let voucher = ticket.vouch(Role::Agent, &exporter);
    assert!(ticket.vouched(Role::Agent, &exporter, &voucher));
    assert!(!ticket.vouched(Role::Connector, &exporter, &voucher), "sent back to where it came from");
    assert!(!ticket.vouched(Role::Agent, &[2; 32], &voucher), "TLS ended in between");
}

/// The example of RFC 7677 §3.
#[test]
fn the_example_of_the_rfc_passes_between_both_sides() {
    let prover = Prover::new("user", "rOprNGfwEbeRWgbNEkqO".into(), Binding::None, None);
    assert_eq!(prover.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let examiner = Examiner::new(&prover.first(), Channel::Plain).expect("first");
    assert_eq!(examiner.address, "user");
    let salt = hex::decode("5b6d99689d122a8ebf3f8fd9be0f0f06").expect("salt");
    let asked = examiner.challenge("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &salt, 4096);
    assert!(asked.server_first.starts_with("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s="));
    let challenge = prover.challenged(&asked.server_first).expect("challenge");
    assert_eq!((challenge.salt.clone(), challenge.iterations.get()), (salt, 4096));
    let answer = challenge.answer(&[7; 32]);
    assert!(answer.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
    let read = asked.read_answer(&answer, Channel::Plain).expect("answer");
    assert_eq!((*read.proof, read.auth_message), ([7; 32], challenge.auth_message));
    assert_eq!(scram::read_server_final(&scram::server_final(&[9; 32])), Ok([9; 32]));
}

#[test]
fn a_proof_that_is_bound_elsewhere_is_refused() {
    let nonce = || scram::nonce([1; scram::NONCE]);
    let (ours, theirs) = ([1; 32], [2; 32]);
    let here = Channel::Tls(&ours);
    // A man in the middle terminates TLS, and forwards the messages.
    let prover = Prover::new("a", nonce(), Binding::TlsExporter, Some(&theirs));
    let asked = Examiner::new(&prover.first(), here).expect("first").challenge("more", b"salt", 1);
    let answer = prover.challenged(&asked.server_first).expect("challenge").answer(&[0; 32]);
    assert_eq!(asked.read_answer(&answer, here).err(), Some(ScramError::Binding));
    let first = |offered, exporter| Prover::new("a", nonce(), offered, exporter).first();
    let (bound, talked_out_of_it, plain) = (
        first(Binding::TlsExporter, Some(&theirs)),
        first(Binding::None, Some(&theirs)),
        first(Binding::None, None),
    );
    for (first, channel, refused) in [
        (&talked_out_of_it, here, Some(ScramError::Binding)),
        (&plain, here, Some(ScramError::Binding)),
        (&bound, Channel::Plain, Some(ScramError::Binding)),
        (&bound, Channel::Proxied, Some(ScramError::Binding)),
        // An undeclared proxy terminates TLS on the server's own machine.
        (&talked_out_of_it, Channel::Plain, Some(ScramError::Undeclared)),
        (&plain, Channel::Plain, None),
        // Behind a proxy that is declared to terminate TLS, there is no binding.
        (&talked_out_of_it, Channel::Proxied, None),
        (&plain, Channel::Proxied, None),
    ] {
        assert_eq!(Examiner::new(first, channel).err(), refused, "{first} {channel:?}");
    }
}

#[test]
fn a_challenge_of_another_exchange_is_refused() {
    let prover = Prover::new("a", scram::nonce([1; scram::NONCE]), Binding::None, None);
    for bad in ["r=other,s=AAAA,i=1", "r=,s=AAAA,i=1"] {
        assert_eq!(prover.challenged(bad).err(), Some(ScramError::Nonce));
    }
    let own = scram::nonce([1; scram::NONCE]);
    assert_eq!(prover.challenged(&format!("r={own},s=AAAA,i=1")).err(), Some(ScramError::Nonce));
    for bad in [format!("r={own}x,s=AAAA,i=0"), format!("r={own}x,s=AAAA,i=99999999"), "m=x".to_owned()] {
        assert_eq!(prover.challenged(&bad).err(), Some(ScramError::Malformed), "{bad}");
    }
}

proptest! {
    #[test]
    fn texts_and_numbers_come_back(call: u32, wait: bool, peer in "\\PC{0,200}", detail in "\\PC{1,200}", seconds: u32) {
        for message in [
            Message::Ask { call, wait, peer: peer.clone() },
            Message::Connect { call, limit: seconds, peer: peer.clone() },
            Message::Dial { ticket: ticket(3), standby: None, relay: "h:1".into(), peer },
            Message::Failed { call, refusal: Refusal {
                code: RefusalCode::DeviceRefused,
                retry: if seconds == u32::MAX { Retry::Never } else { Retry::After(Duration::from_secs(seconds.into())) },
                detail: Some(detail),
                advice: None,
            } },
        ] {
            let mut inbox = Inbox::default();
            inbox.push(&message.encode());
            prop_assert_eq!(Message::next(&mut inbox), Ok(Some(message)));
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600), text in "\\PC{0,200}") {
        let mut inbox = Inbox::default();
        inbox.push(&bytes);
        while let Ok(Some(_)) = Message::next(&mut inbox) {}
        let _ = text.parse::<TicketHeader>();
        let _ = (opening::read_request(&bytes), opening::read_answer(&bytes));
        let _ = scram::read_server_final(&text);
        if let Ok(examiner) = Examiner::new(&text, Channel::Proxied) {
            let _ = examiner.challenge("x", b"s", 1).read_answer(&text, Channel::Proxied);
        }
        let _ = Prover::new("a", "b".into(), Binding::None, None).challenged(&text);
    }
}
