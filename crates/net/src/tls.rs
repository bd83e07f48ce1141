//! TLS: the one cryptography of both directions.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Our one cryptography.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
