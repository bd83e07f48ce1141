//! A self-signed certificate authority and its certificate, for the first day and for laboratories.
//!
//! Clients that trust the authority trust it for this server's names alone (RFC 5280 §4.2.1.10),
//! and for ten years: a thief of its key cannot speak for a bank, and signs no mail. The
//! certificate itself lives for weeks, and is renewed while the server runs.

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

use super::name_constraints;
use super::tls::TlsError;
use transom_config::TlsFiles;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than the life of a laboratory, whose clients need to be told only once to trust it.
const AUTHORITY: Duration = DAY.saturating_mul(3652);
/// The life of a certificate. A copied key is useful for weeks only. Apple's clients accept at most
/// 825 days.
const LEAF: Duration = DAY.saturating_mul(90);
/// A server that is started once a month never serves an old certificate.
const RENEW_AHEAD: Duration = DAY.saturating_mul(30);
/// Renewal is weeks ahead, but the clock may have been set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The most names of an authority. Addresses come and go; beyond this number, a new authority has
/// the present names only.
const MAX_NAMES: usize = 64;

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
/// The authority's scope in a file beside it, because a certificate is harder to read again.
const CA_SCOPE: &str = "ca.json";
const CERT: &str = "self-signed.pem";
const KEY: &str = "self-signed.key";
/// The most bytes of a file. Each of these is a few lines.
const MAX_FILE: u64 = 16 * 1024;

/// A self-signed certificate in the data folder.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The authority, which clients must trust.
    pub ca: PathBuf,
    /// The certificate that is served.
    pub files: TlsFiles,
    data: Folder,
    names: Vec<String>,
    until: SystemTime,
}

/// The scope of an authority.
#[derive(Debug, Serialize, Deserialize)]
struct Scope {
    names: Vec<String>,
    /// Seconds since 1970.
    until: u64,
    /// SHA-256 of certificate and key as their files have them, since they were made together.
    digest: String,
}

/// Makes an authority if there is none for these names, and a certificate from it. Both stay in the
/// data folder.
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
    /// Renews the certificate ahead of its end, until told to stop. The watcher of the files takes
    /// it up.
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

    /// Renews it if it is due. Returns `true` if it was.
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
        // Clocks in laboratories differ by hours.
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

/// Ensures that there is an authority for these names. An authority from before scopes existed
/// stays, because its clients trust it.
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
    // A new key: authorities with one key would have one number, which browsers refuse.
    let key = KeyPair::generate()?;
    let (certificate, key) = (params.self_signed(&key)?.pem(), key.serialize_pem());
    let digest = digest_of(certificate.as_bytes(), key.as_bytes());
    let scope = Scope { names: all, until: since_1970(until), digest };
    data.replace(CA_KEY, key.as_bytes(), PRIVATE)?;
    data.replace(CA, certificate.as_bytes(), PUBLIC)?;
    // The scope goes last: files that do not fit together are made again.
    data.replace(CA_SCOPE, &serde_json::to_vec(&scope).unwrap_or_default(), PRIVATE)?;
    if made.is_some() {
        let ca = data.at(CA);
        tracing::warn!(ca = %ca.display(), "there is a new authority for the present names, which clients have to trust");
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
        message: "is missing: restart the server, which makes a new one".to_owned(),
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

        /// Checks a certificate for a name and a time as a client that trusts this authority does.
        fn takes(&self, leaf: &CertificateDer<'_>, name: &str, at: SystemTime) -> Result<(), rustls::Error> {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate(CA)).expect("an authority");
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            let verifier = verifier.expect("a verifier");
            let name = ServerName::try_from(name.to_owned()).expect("a name");
            let at = UnixTime::since_unix_epoch(Duration::from_secs(since_1970(at)));
            verifier.verify_server_cert(leaf, &[], &name, &[], at).map(drop)
        }

        /// Makes a certificate as a thief of the authority's key would.
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

        /// Returns the output of openssl, and `true` if it succeeded.
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
        // With names of one form alone, the other form is closed.
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
        crate::listener::tls::Certificate::from_files(&made.files).expect("certificate and key fit");
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
        // The administrator replaced a key, or a start was cut short.
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
