//! Certificates as people make them for machines with openssl's one-liners. Each opens with some
//! option, or the audit says what helps.

use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use transom_testkit::certificate::{Certificate, OneLiner};
use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};
use transom_tunnel::trust::NamedCertificates;

use crate::{add, lab, transom};

/// A machine that presents such a certificate, and the server in front of it.
struct Lab {
    program: Program,
    certificate: Certificate,
    screen: Xvnc,
    folder: tempfile::TempDir,
}

impl Lab {
    fn set(what: OneLiner) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let certificate = Certificate::by_openssl(folder.path(), what);
        let screen = Xvnc::start(Security::TlsAlone(&certificate));
        Self { program: lab(transom()), certificate, screen, folder }
    }

    fn ca(&self) -> String {
        format!("--ca {}", self.certificate.cert.display())
    }

    fn fingerprint(&self) -> String {
        format!("--fingerprint {}", self.certificate.fingerprint)
    }

    /// Returns the data that a viewer of a new instance receives, up to the end or the screen's
    /// size.
    fn heard(&self, id: &str, trusting: impl Display) -> Option<[u8; 4]> {
        add(&self.program, id, &self.screen.endpoint(), &trusting.to_string());
        let url = self.program.ask(&format!("console {id} --project lab --kind xvpvnc"));
        let (_, path) =
            url.trim().split_once("//").and_then(|(_, rest)| rest.split_once('/')).expect("a URL");
        let mut viewer = TcpStream::connect(self.program.address()).expect("it listens");
        viewer.set_read_timeout(Some(PATIENCE)).expect("a limit");
        viewer.write_all(format!("CONNECT /{path} HTTP/1.0\r\n\r\n").as_bytes()).expect("asked");
        let mut take = |count: usize| {
            let mut bytes = vec![0; count];
            viewer.read_exact(&mut bytes).ok().map(|()| bytes)
        };
        assert_eq!(take(19)?, b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(take(12)?, b"RFB 003.008\n");
        viewer.write_all(b"RFB 003.008\n").ok()?;
        let mut take = |count: usize| {
            let mut bytes = vec![0; count];
            viewer.read_exact(&mut bytes).ok().map(|()| bytes)
        };
        // One security type, which is None. A refusal has no type and a reason.
        if take(1)? == [0] {
            return None;
        }
        assert_eq!(take(1)?, [1]);
        viewer.write_all(&[1, 1]).ok()?;
        let mut init = [0; 8];
        viewer.read_exact(&mut init).ok()?;
        init[4..].try_into().ok()
    }

    fn opens(&self, id: &str, trusting: impl Display) {
        assert_eq!(self.heard(id, trusting), Some([2, 128, 1, 224]), "640 × 480: {id}");
    }

    /// Returns the audit's reason for a console that does not open.
    fn refused(&self, id: &str, trusting: impl Display) -> String {
        assert_eq!(self.heard(id, trusting), None, "{id}");
        let audit = self.program.ask_json("audit");
        let failed = |one: &&serde_json::Value| one["action"] == "session.fail" && one["target"] == id;
        let records = audit.as_array().or_else(|| audit["items"].as_array()).expect("records");
        let record = records.iter().find(failed).expect("a record");
        assert_eq!(record["outcome"], "instance-tls-failed");
        record["detail"].as_str().expect("why").to_owned()
    }
}

#[test]
fn one_that_signed_itself_is_trusted_where_it_is_named() {
    for what in [OneLiner::Authority, OneLiner::Leaf] {
        let lab = Lab::set(what);
        lab.opens("by-ca", lab.ca());
        lab.opens("by-fingerprint", lab.fingerprint());
        let others = lab.folder.path().join("others");
        std::fs::create_dir(&others).expect("a folder");
        let other = Certificate::by_openssl(&others, what).cert;
        let told = lab.refused("of-another", format!("--ca {}", other.display()));
        assert!(told.contains("invalid peer certificate"), "{what:?}: {told}");
    }
}

#[test]
fn one_of_version_1_opens_by_its_fingerprint_and_is_told_to_by_name() {
    let lab = Lab::set(OneLiner::Version1);
    lab.opens("by-fingerprint", lab.fingerprint());
    let told = lab.refused("by-ca", lab.ca());
    let helps = "X.509 version 1, which contains no names: trust it by --fingerprint instead of --ca";
    assert!(told.contains(helps), "{told}");
    let told = lab.refused("of-another", format!("--fingerprint {}", "ab".repeat(32)));
    assert!(told.contains("invalid peer certificate"), "{told}");
}

/// No current VNC server presents such a certificate, but old machines do.
#[test]
fn a_short_key_is_named_with_its_length() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let read = |what| {
        let made = Certificate::by_openssl(folder.path(), what);
        CertificateDer::from_pem_file(made.cert).expect("a certificate")
    };
    let trusted = NamedCertificates::new(vec![read(OneLiner::Leaf)]).expect("trust");
    let name = ServerName::try_from("localhost").expect("a name");
    let refused = trusted.verify_server_cert(&read(OneLiner::Rsa1024), &[], &name, &[], UnixTime::now());
    let told = refused.expect_err("another authority issued it").to_string();
    let helps =
        "an RSA key of 1024 bits, but at least 2048 are required: give it a certificate with a longer key";
    assert!(told.contains(helps), "{told}");
}
