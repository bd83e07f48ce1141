//! A self-signed certificate authority and its certificate, for the first day and for test
//! installations.
//!
//! Clients that trust the authority trust it for this server's names alone (RFC 5280 §4.2.1.10),
//! and for ten years: a thief of its key can neither impersonate a bank nor sign mail. The
//! certificate itself is valid for weeks, and is renewed while the server runs.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use transom_folder::{Folder, PRIVATE, PUBLIC};

use super::certificate::TlsError;
use super::name_constraints;
use transom_config::TlsFiles;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The validity of an authority: longer than any test installation lives, so that its clients need
/// to trust it only once.
const AUTHORITY: Duration = DAY.saturating_mul(3652);
/// The validity of a certificate. A stolen key is useful for weeks only. Apple's clients accept at
/// most 825 days.
const LEAF: Duration = DAY.saturating_mul(90);
/// The remaining validity at which a certificate is renewed. Even a server that is started only
/// once a month never serves an expired one.
const RENEW_AHEAD: Duration = DAY.saturating_mul(30);
/// The pause between looks at the clock, which may be set at any time.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The number of names of an authority. Addresses come and go: beyond this number, a new authority
/// gets the present names only.
const MAX_NAMES: usize = 64;

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
/// The file beside an authority with its scope, which would be harder to read back from the
/// certificate.
const CA_SCOPE: &str = "ca.json";
const CERT: &str = "self-signed.pem";
const KEY: &str = "self-signed.key";
/// The size limit of a file in bytes. Each of these has a few lines.
const MAX_FILE: u64 = 16 * 1024;

/// A self-signed certificate in the data folder.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The authority, which clients must trust.
    pub ca: PathBuf,
    /// The files of the certificate that is served.
    pub files: TlsFiles,
    data: Folder,
    names: Vec<String>,
    until: SystemTime,
}

/// The scope of an authority: its names and its validity.
#[derive(Debug, Serialize, Deserialize)]
struct Scope {
    names: Vec<String>,
    /// Seconds since 1970.
    until: u64,
    /// The SHA-256 digest of certificate and key as their files contain them: it shows that all
    /// three files were written together.
    digest: String,
}

/// Creates an authority if there is none for these names, and a certificate from it. Both are
/// stored in the data folder.
pub fn prepare(data: &Folder, names: &[String]) -> Result<SelfSigned, TlsError> {
    for name in [CA, CA_KEY, CA_SCOPE, CERT, KEY] {
        data.has(name)?;
    }
    let now = SystemTime::now();
    authority(data, names, now)?;
    let mut made = SelfSigned {
        ca: data.at(CA),
        files: TlsFiles { cert: data.at(CERT), key: data.at(KEY) },
        data: data.clone(),
        names: names.to_vec(),
        until: now,
    };
    made.issue(now)?;
    Ok(made)
}

impl SelfSigned {
    /// Renews the certificate before it expires, until told to stop. `Certificate::follow` then
    /// notices the new files.
    pub async fn keep_fresh(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            if let Err(error) = self.renew_if_due(SystemTime::now()) {
                tracing::warn!(%error, "the self-signed certificate could not be renewed; the old one stays");
            }
        }
    }

    /// Renews the certificate if it is due. Returns `true` if it was.
    fn renew_if_due(&mut self, now: SystemTime) -> Result<bool, TlsError> {
        let due = self.until <= now + RENEW_AHEAD;
        if due {
            self.issue(now)?;
        }
        Ok(due)
    }

    fn issue(&mut self, now: SystemTime) -> Result<(), TlsError> {
        let Some(key) = self.data.read(CA_KEY, MAX_FILE)? else { return Err(gone(&self.data)) };
        let issuer = Issuer::new(authority_params()?, key_pair(&key)?);
        let mut leaf = CertificateParams::new(self.names.clone())?;
        let first = self.names.first().map_or("transom", String::as_str);
        leaf.distinguished_name.push(DnType::CommonName, first);
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let until = now + LEAF;
        // Clocks in test installations may differ by hours.
        leaf.not_before = (now - DAY).into();
        leaf.not_after = until.into();
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &issuer)?;
        self.data.replace(CERT, certificate.pem().as_bytes(), PUBLIC)?;
        self.data.replace(KEY, key.serialize_pem().as_bytes(), PRIVATE)?;
        self.until = until;
        Ok(())
    }
}

/// Ensures that there is an authority for these names. An authority without a scope file stays,
/// because its clients trust it: an earlier version made it.
fn authority(data: &Folder, names: &[String], now: SystemTime) -> Result<(), TlsError> {
    let made = data.read(CA, MAX_FILE)?.zip(data.read(CA_KEY, MAX_FILE)?);
    let scope = data.read(CA_SCOPE, MAX_FILE)?.map(|json| serde_json::from_slice::<Scope>(&json).ok());
    let mut all = names.to_vec();
    match (&made, scope) {
        (Some(_), None) => return Ok(()),
        (Some((certificate, key)), Some(Some(scope))) if scope.digest == digest_of(certificate, key) => {
            let lives = since_1970(now + LEAF + RENEW_AHEAD) <= scope.until;
            if lives && names.iter().all(|name| scope.names.contains(name)) {
                return Ok(());
            }
            all.extend(scope.names.into_iter().filter(|name| !names.contains(name)));
        }
        _ => {}
    }
    if all.len() > MAX_NAMES {
        all = names.to_vec();
    }
    let until = now + AUTHORITY;
    let mut params = authority_params()?;
    params.not_before = (now - DAY).into();
    params.not_after = until.into();
    params.custom_extensions.push(name_constraints::extension(&all));
    // The key is new as well: authorities with the same key would have the same serial number,
    // which browsers refuse.
    let key = KeyPair::generate()?;
    let (certificate, key) = (params.self_signed(&key)?.pem(), key.serialize_pem());
    let digest = digest_of(certificate.as_bytes(), key.as_bytes());
    let scope = Scope { names: all, until: since_1970(until), digest };
    data.replace(CA_KEY, key.as_bytes(), PRIVATE)?;
    data.replace(CA, certificate.as_bytes(), PUBLIC)?;
    // The scope is written last: files that do not belong together are made again.
    data.replace(CA_SCOPE, &serde_json::to_vec(&scope).unwrap_or_default(), PRIVATE)?;
    if made.is_some() {
        let ca = data.at(CA);
        tracing::warn!(ca = %ca.display(), "a new CA was created for the current names; clients must trust it");
    }
    Ok(())
}

fn authority_params() -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Transom self-signed CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn key_pair(pem: &[u8]) -> Result<KeyPair, TlsError> {
    Ok(KeyPair::from_pem(&String::from_utf8_lossy(pem))?)
}

fn digest_of(certificate: &[u8], key: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, &[certificate, b"\0", key].concat()))
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn gone(data: &Folder) -> TlsError {
    TlsError::Content {
        path: data.at(CA_KEY),
        message: "is missing: restart the server to create a new one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::SanType;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;
    use transom_net::provider;

    struct Lab {
        _folder: tempfile::TempDir,
        data: Folder,
    }

    impl Lab {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let data = Folder::open(&folder.path().join("data")).expect("a data folder");
            Self { _folder: folder, data }
        }

        fn prepare(&self, names: &[&str]) -> SelfSigned {
            prepare(&self.data, &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).expect("made")
        }

        fn file(&self, name: &str) -> Vec<u8> {
            self.data.read(name, MAX_FILE).expect("readable").expect("there")
        }

        fn certificate(&self, name: &str) -> CertificateDer<'static> {
            CertificateDer::from_pem_slice(&self.file(name)).expect("a certificate")
        }

        /// Verifies a certificate for a name and a time, as a client that trusts this authority
        /// does.
        fn takes(&self, leaf: &CertificateDer<'_>, name: &str, at: SystemTime) -> Result<(), rustls::Error> {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate(CA)).expect("an authority");
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            let verifier = verifier.expect("a verifier");
            let name = ServerName::try_from(name.to_owned()).expect("a name");
            let at = UnixTime::since_unix_epoch(Duration::from_secs(since_1970(at)));
            verifier.verify_server_cert(leaf, &[], &name, &[], at).map(drop)
        }

        /// Makes a certificate, as a thief of the authority's key could.
        fn forged(&self, name: &str) -> CertificateDer<'static> {
            let name = match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.try_into().expect("a name")),
            };
            self.signed(vec![name]).der().clone()
        }

        fn signed(&self, names: Vec<SanType>) -> rcgen::Certificate {
            let key = key_pair(&self.file(CA_KEY)).expect("a key");
            let issuer = Issuer::new(authority_params().expect("parameters"), key);
            let mut leaf = CertificateParams::default();
            leaf.subject_alt_names = names;
            leaf.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate().expect("a key");
            leaf.signed_by(&key, &issuer).expect("signed")
        }

        /// Runs openssl. Returns its output, and `true` if it succeeded.
        fn openssl(&self, command: &str) -> (bool, String) {
            let run = std::process::Command::new("openssl")
                .args(command.split_whitespace())
                .current_dir(self.data.path())
                .output()
                .expect("openssl");
            let text = [run.stdout, run.stderr].concat();
            (run.status.success(), String::from_utf8_lossy(&text).into_owned())
        }
    }

    const NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

    #[test]
    fn the_authority_speaks_for_this_servers_names_alone() {
        let lab = Lab::new();
        lab.prepare(&NAMES);
        let (leaf, now) = (lab.certificate(CERT), SystemTime::now());
        for name in NAMES {
            assert_eq!(lab.takes(&leaf, name, now), Ok(()), "{name}");
            assert_eq!(lab.takes(&lab.forged(name), name, now), Ok(()), "{name}");
        }
        for name in ["bank.example", "127.0.0.2", "10.0.0.1", "::2"] {
            assert!(lab.takes(&lab.forged(name), name, now).is_err(), "{name}");
        }
        // If all names have one form, the other form is closed.
        for (names, foreign) in [(&["localhost"], "10.0.0.1"), (&["127.0.0.1"], "bank.example")] {
            let lab = Lab::new();
            lab.prepare(names);
            assert_eq!(lab.takes(&lab.certificate(CERT), names[0], now), Ok(()));
            assert!(lab.takes(&lab.forged(foreign), foreign, now).is_err(), "{foreign}");
        }
    }

    #[test]
    fn openssl_takes_what_we_made_and_nothing_else_of_the_authority() {
        let lab = Lab::new();
        lab.prepare(&NAMES);
        for name in ["-verify_hostname localhost", "-verify_ip 127.0.0.1", "-verify_ip ::1"] {
            let verify = format!("verify -x509_strict -purpose sslserver -CAfile {CA} {name} {CERT}");
            let (taken, said) = lab.openssl(&verify);
            assert!(taken, "{name}: {said}");
        }
        let (_, leaf) =
            lab.openssl(&format!("x509 -in {CERT} -noout -ext extendedKeyUsage,basicConstraints"));
        assert!(leaf.contains("TLS Web Server Authentication") && !leaf.contains("Client"), "{leaf}");
        let (_, constraints) = lab.openssl(&format!("x509 -in {CA} -noout -ext nameConstraints"));
        for part in ["critical", "IP:127.0.0.1/255.255.255.255", "DNS:localhost", "email:nobody.invalid"] {
            assert!(constraints.contains(part), "{part}: {constraints}");
        }
        assert!(constraints.contains("URI:nobody.invalid"), "{constraints}");
        let ia5 = |text: &str| text.try_into().expect("ASCII");
        for (foreign, name) in [
            ("a mail address", SanType::Rfc822Name(ia5("root@bank.example"))),
            ("a mail address here", SanType::Rfc822Name(ia5("root@localhost"))),
            ("a URI", SanType::URI(ia5("https://bank.example/"))),
            ("a URI here", SanType::URI(ia5("spiffe://localhost/x"))),
            ("a name", SanType::DnsName(ia5("bank.example"))),
        ] {
            lab.data.replace("forged.pem", lab.signed(vec![name]).pem().as_bytes(), PUBLIC).expect("written");
            let (taken, said) = lab.openssl(&format!("verify -CAfile {CA} forged.pem"));
            assert!(!taken && said.contains("permitted subtree violation"), "{foreign}: {said}");
        }
    }

    #[test]
    fn the_authority_lives_for_ten_years() {
        let lab = Lab::new();
        lab.prepare(&NAMES);
        let der = lab.certificate(CA);
        // UTCTime (X.690 §11.8), `YYMMDDhhmmssZ`: not before, not after.
        let years: Vec<i64> = der
            .windows(15)
            .filter(|time| time[..2] == [0x17, 13] && time[14] == b'Z')
            .map(|time| std::str::from_utf8(&time[2..4]).expect("digits").parse().expect("a year"))
            .collect();
        let now = jiff::Timestamp::now() - jiff::SignedDuration::try_from(DAY).expect("a day");
        let year = i64::from(now.to_zoned(jiff::tz::TimeZone::UTC).year()) - 2000;
        assert_eq!(years.len(), 2, "{years:?}");
        assert!(years[0] == year && (10..=11).contains(&(years[1] - year)), "{years:?} in {year}");
    }

    #[test]
    fn the_certificate_lives_for_weeks_and_is_renewed_ahead() {
        let lab = Lab::new();
        let mut made = lab.prepare(&NAMES);
        let (first, now) = (lab.certificate(CERT), SystemTime::now());
        assert_eq!(lab.takes(&first, "localhost", now + 89 * DAY), Ok(()));
        assert!(lab.takes(&first, "localhost", now + 91 * DAY).is_err());
        assert!(!made.renew_if_due(now + 59 * DAY).expect("a look"));
        assert_eq!(lab.certificate(CERT), first);
        assert!(made.renew_if_due(now + 61 * DAY).expect("a renewal"));
        let second = lab.certificate(CERT);
        assert_eq!(lab.takes(&second, "localhost", now + 150 * DAY), Ok(()));
        assert!(!made.renew_if_due(now + 62 * DAY).expect("a look"));
        crate::listener::certificate::Certificate::from_files(&made.files).expect("certificate and key fit");
    }

    #[test]
    fn an_authority_stays_while_the_names_do_and_one_for_new_names_has_the_old_ones_too() {
        let lab = Lab::new();
        lab.prepare(&NAMES);
        let first = lab.file(CA);
        lab.prepare(&NAMES[..2]);
        assert_eq!(lab.file(CA), first, "fewer names are no reason");
        lab.prepare(&["127.0.0.1", "console.example"]);
        assert_ne!(lab.file(CA), first);
        let (leaf, now) = (lab.certificate(CERT), SystemTime::now());
        assert_eq!(lab.takes(&leaf, "console.example", now), Ok(()));
        let second = lab.file(CA);
        lab.prepare(&NAMES);
        assert_eq!(lab.file(CA), second);
        // The administrator replaced a key, or a start was interrupted.
        lab.data
            .replace(CA_KEY, KeyPair::generate().expect("a key").serialize_pem().as_bytes(), PRIVATE)
            .expect("written");
        lab.prepare(&NAMES);
        assert_eq!(lab.takes(&lab.certificate(CERT), "localhost", now), Ok(()));
    }

    #[test]
    fn an_authority_of_an_older_version_is_kept() {
        let lab = Lab::new();
        let key = KeyPair::generate().expect("a key");
        let old = authority_params().expect("parameters").self_signed(&key).expect("signed").pem();
        lab.data.replace(CA_KEY, key.serialize_pem().as_bytes(), PRIVATE).expect("written");
        lab.data.replace(CA, old.as_bytes(), PUBLIC).expect("written");
        lab.prepare(&NAMES);
        assert_eq!(lab.file(CA), old.as_bytes());
        assert_eq!(lab.takes(&lab.certificate(CERT), "localhost", SystemTime::now()), Ok(()));
    }
}
