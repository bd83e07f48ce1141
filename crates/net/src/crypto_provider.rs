//! TLS: the provider of cryptography for both directions.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Returns the provider of cryptography that all TLS connections use.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
