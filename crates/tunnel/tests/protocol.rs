//! The wire: golden bytes, round trips, and whatever bytes come.

use std::time::Duration;

use proptest::prelude::*;
use transom_tunnel::frame::Inbox;
use transom_tunnel::raw::{self, Claim};
use transom_tunnel::scram::{self, Channel, Examiner, Prover, ScramError};
use transom_tunnel::ticket::Shown;
use transom_tunnel::{
    Availability, Binding, Cause, Enrolment, Fault, FrameError, Message, Refusal, Retry, Role, Ticket,
};

fn ticket(fill: u8) -> Ticket {
    Ticket::from_bytes([fill; Ticket::LENGTH])
}

fn refusal() -> Refusal {
    Refusal {
        fault: Fault::Superseded,
        retry: Retry::After(Duration::from_secs(300)),
        detail: None,
        advice: None,
    }
}

#[test]
fn every_message_has_its_bytes() {
    let ticket_bytes = "aa".repeat(Ticket::LENGTH);
    let golden: Vec<(Message, String)> = vec![
        (Message::Hello { version: 1, binding: Binding::TlsExporter }, "01000201 01".into()),
        (
            Message::Prove { role: Role::Agent, end_to_end_only: true, client_first: "n".into() },
            "02000301 016e".into(),
        ),
        (Message::Challenge("r".into()), "03000172".into()),
        (Message::Proof("c".into()), "04000163".into()),
        (
            Message::Joined { heartbeat: Duration::from_secs(20), server_final: "v".into() },
            "0500030014 76".into(),
        ),
        (Message::Refused(refusal()), "060006 0005 0000012c".into()),
        (
            Message::Refused(Refusal::from(Fault::CloudAuthenticationFailed).because("x")),
            "060007 0001 ffffffff 78".into(),
        ),
        (Message::Ping, "070000".into()),
        (Message::Pong, "080000".into()),
        (Message::Ask { call: 7, wait: true, peer: "a".into() }, "100006 00000007 01 61".into()),
        (Message::Connect { call: 7, limit: 1024, peer: "a".into() }, "110009 00000007 00000400 61".into()),
        (Message::Available { call: 7 }, "120004 00000007".into()),
        (
            Message::Meet { call: 7, ticket: ticket(0xaa), relay: String::new() },
            format!("130034 00000007 {ticket_bytes}"),
        ),
        (Message::Watch { call: 7, peer: "a".into() }, "150005 00000007 61".into()),
        (Message::Seen { call: 7, availability: Availability::Unavailable }, "160005 00000007 02".into()),
        (Message::Failed { call: 7, refusal: refusal() }, "14000a 00000007 0005 0000012c".into()),
        (
            Message::Dial { ticket: ticket(0xaa), standby: None, relay: "h:1".into(), peer: "a".into() },
            format!("200045 {ticket_bytes} {} 03683a31 61", "00".repeat(16)),
        ),
        (
            Message::Dial {
                ticket: ticket(0xaa),
                standby: Some([2; 16]),
                relay: String::new(),
                peer: "a".into(),
            },
            format!("200042 {ticket_bytes} {} 00 61", "02".repeat(16)),
        ),
        (
            Message::Standby { ticket: ticket(0xaa), relay: "h:1".into() },
            format!("230033 {ticket_bytes} 683a31"),
        ),
        (
            Message::Declined { ticket: [1; 16], cause: Cause::EndToEndOnly, why: "a".into() },
            format!("210012 {} 01 61", "01".repeat(16)),
        ),
        (
            Message::Enrol(Enrolment {
                id: [1; 16],
                salt: [2; 16],
                stored_key: [3; 32],
                server_key: [4; 32],
                proof: [5; 32],
                binding: "biws".into(),
            }),
            format!(
                "320084 {} {} {} {} {} 62697773",
                "01".repeat(16),
                "02".repeat(16),
                "03".repeat(32),
                "04".repeat(32),
                "05".repeat(32)
            ),
        ),
        (Message::Enrolled { proof: [1; 32], address: "a".into() }, format!("330021 {} 61", "01".repeat(32))),
    ];
    for (message, bytes) in golden {
        let bytes = hex::decode(bytes.replace(' ', "")).expect("golden bytes");
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
fn what_is_malformed_is_named() {
    for (bytes, error) in [
        ("ff0000", FrameError::Type(0xff)),
        ("01ffff", FrameError::Long),
        ("01000101", FrameError::Short),
        ("0100020102", FrameError::Value("binding")),
        ("020001 03", FrameError::Value("role")),
        ("070001 00", FrameError::Long),
        ("030001 ff", FrameError::Text),
        ("060006 0000 00000000", FrameError::Value("fault")),
        ("100006 00000000 02 61", FrameError::Value("flag")),
        // Numbers that had another meaning once.
        ("300001 00", FrameError::Type(0x30)),
        ("310001 61", FrameError::Type(0x31)),
        ("160005 00000000 03", FrameError::Value("availability")),
    ] {
        let mut inbox = Inbox::default();
        inbox.push(&hex::decode(bytes.replace(' ', "")).expect("bytes"));
        assert_eq!(Message::next(&mut inbox), Err(error), "{bytes}");
    }
}

#[test]
fn a_ticket_is_shown_by_one_side_and_does_not_print_its_secret() {
    let ticket = Ticket::from_bytes(std::array::from_fn(|n| n as u8));
    let text = ticket.shown_by(Role::Agent);
    assert_eq!(text.parse::<Shown>(), Ok(Shown { role: Role::Agent, ticket: ticket.clone() }));
    assert_eq!(format!("{ticket:?}"), "Ticket(000102030405060708090a0b0c0d0e0f, ..)");
    for bad in ["", "agent", "agent 00", "viewer 00", "agent zz"] {
        assert!(bad.parse::<Shown>().is_err(), "{bad}");
    }
}

#[test]
fn a_raw_connection_s_words_have_their_bytes_and_name_what_they_are_not() {
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
    let (ticket, nonce) = (Ticket::from_bytes([7; Ticket::LENGTH]), [5; raw::NONCE]);
    let claim = Claim::of(&ticket, Role::Agent, &nonce);
    assert!(claim.is_of(&ticket, &nonce));
    assert!(!claim.is_of(&ticket, &[6; raw::NONCE]), "replayed on another connection");
    let mut other_side = claim;
    other_side.role = Role::Connector;
    assert!(!other_side.is_of(&ticket, &nonce), "shown by the other side");
    let mut bytes = [7; Ticket::LENGTH];
    bytes[47] = 8;
    assert!(!claim.is_of(&Ticket::from_bytes(bytes), &nonce), "of another secret");
}

#[test]
fn an_end_vouches_for_one_connection_and_for_its_own_side_of_it() {
    let (ticket, exporter) = (ticket(7), [1; 32]);
    let voucher = ticket.vouch(Role::Agent, &exporter);
    assert!(ticket.vouched(Role::Agent, &exporter, &voucher));
    assert!(!ticket.vouched(Role::Connector, &exporter, &voucher), "sent back to where it came from");
    assert!(!ticket.vouched(Role::Agent, &[2; 32], &voucher), "TLS ended in between");
}

/// RFC 7677 §3.
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
    let read = asked.answered(&answer, Channel::Plain).expect("answer");
    assert_eq!((*read.proof, read.auth_message), ([7; 32], challenge.auth_message));
    assert_eq!(scram::read_server_final(&scram::server_final(&[9; 32])), Ok([9; 32]));
}

#[test]
fn a_proof_that_is_bound_elsewhere_is_refused() {
    let nonce = || scram::nonce([1; scram::NONCE]);
    let (ours, theirs) = ([1; 32], [2; 32]);
    let here = Channel::Tls(&ours);
    // Somebody ends TLS in between, and passes the messages on.
    let prover = Prover::new("a", nonce(), Binding::TlsExporter, Some(&theirs));
    let asked = Examiner::new(&prover.first(), here).expect("first").challenge("more", b"salt", 1);
    let answer = prover.challenged(&asked.server_first).expect("challenge").answer(&[0; 32]);
    assert_eq!(asked.answered(&answer, here).err(), Some(ScramError::Binding));
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
        // Somebody ends TLS on the server's own machine, and nobody said so.
        (&talked_out_of_it, Channel::Plain, Some(ScramError::Undeclared)),
        (&plain, Channel::Plain, None),
        // Behind a proxy that was declared to end TLS, nothing is bound.
        (&talked_out_of_it, Channel::Proxied, None),
        (&plain, Channel::Proxied, None),
    ] {
        assert_eq!(Examiner::new(first, channel).err(), refused, "{first} {channel:?}");
    }
}

#[test]
fn another_exchange_s_challenge_is_refused() {
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
                fault: Fault::DeviceRefused,
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
        let _ = text.parse::<Shown>();
        let _ = scram::read_server_final(&text);
        if let Ok(examiner) = Examiner::new(&text, Channel::Proxied) {
            let _ = examiner.challenge("x", b"s", 1).answered(&text, Channel::Proxied);
        }
        let _ = Prover::new("a", "b".into(), Binding::None, None).challenged(&text);
    }
}
