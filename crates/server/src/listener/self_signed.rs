//! A certificate authority and certificate of our own, for the first day and for laboratories.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use transom_folder::{Folder, PRIVATE, PUBLIC};

use super::tls::TlsError;
use crate::config::TlsFiles;

/// Apple's clients trust no server certificate that is valid for more than 825 days.
const VALIDITY: Duration = Duration::from_secs(820 * 24 * 3600);

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const CERT: &str = "self-signed.pem";
const KEY: &str = "self-signed.key";
/// A key of this kind is a few lines.
const MAX_KEY: u64 = 16 * 1024;

/// Where a self-signed certificate lies in the data folder.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// What clients must trust.
    pub ca: PathBuf,
    /// What is served.
    pub files: TlsFiles,
}

/// Makes an authority once, and with it a certificate for these names; both stay in the data folder.
pub fn prepare(data: &Folder, names: &[String]) -> Result<SelfSigned, TlsError> {
    let made = SelfSigned { ca: data.at(CA), files: TlsFiles { cert: data.at(CERT), key: data.at(KEY) } };
    for name in [CA, CA_KEY, CERT, KEY] {
        data.has(name)?;
    }
    let authority_key = key_pair(data)?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Transom self-signed CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if !data.has(CA)? {
        let certificate = authority.self_signed(&authority_key)?;
        data.replace(CA, certificate.pem().as_bytes(), PUBLIC)?;
    }
    let issuer = Issuer::new(authority, authority_key);
    let mut leaf = CertificateParams::new(names.to_vec())?;
    leaf.distinguished_name.push(DnType::CommonName, names.first().map_or("transom", String::as_str));
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    // Each start makes a new one. Clocks differ by hours in laboratories.
    leaf.not_before = (SystemTime::now() - Duration::from_secs(24 * 3600)).into();
    leaf.not_after = (SystemTime::now() + VALIDITY).into();
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    data.replace(CERT, certificate.pem().as_bytes(), PUBLIC)?;
    data.replace(KEY, key.serialize_pem().as_bytes(), PRIVATE)?;
    Ok(made)
}

fn key_pair(data: &Folder) -> Result<KeyPair, TlsError> {
    if let Some(pem) = data.read(CA_KEY, MAX_KEY)? {
        return Ok(KeyPair::from_pem(&String::from_utf8_lossy(&pem))?);
    }
    let key = KeyPair::generate()?;
    data.replace(CA_KEY, key.serialize_pem().as_bytes(), PRIVATE)?;
    Ok(key)
}
