//! The certificate of the artifact endpoint. The API server's proxy does not verify it, so it is made anew at each
//! start and signs itself.

use axum_server::tls_rustls::RustlsConfig;

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Making it failed.
    #[error("making the artifact endpoint's certificate failed: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused it.
    #[error("setting up TLS for the artifact endpoint failed: {0}")]
    Config(#[from] std::io::Error),
}

/// TLS with a certificate for the Service's names in `namespace`.
///
/// # Errors
/// See [`TlsError`].
pub async fn self_signed(service: &str, namespace: &str) -> Result<RustlsConfig, TlsError> {
    let names = vec![
        service.to_owned(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
    ];
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok(RustlsConfig::from_der(vec![made.cert.der().to_vec()], made.signing_key.serialize_der()).await?)
}
