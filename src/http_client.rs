//! The client of every request that this program sends over HTTP: to the payment provider, to the
//! subscriber of events, to a collector of traces, to servers that a simulation measures.
//!
//! It trusts the authorities of the system, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, as the
//! client of Redis does. See docs/decisions/0055-events-for-a-warehouse.md.

use std::{
    error::Error,
    io,
    sync::{Arc, LazyLock},
};

use reqwest::ClientBuilder;
use rustls::{CertificateError, ClientConfig, RootCertStore, crypto::ring};

/// Reading the authorities takes a few milliseconds: once for a process.
static TLS: LazyLock<ClientConfig> = LazyLock::new(tls);

/// Begins a client. One that begins in another way panics, because reqwest is built without
/// cryptography of its own.
pub fn builder() -> ClientBuilder {
    ClientBuilder::new().tls_backend_preconfigured(TLS.clone())
}

fn tls() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    match ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        Ok(config) => config
            .with_root_certificates(authorities())
            .with_no_client_auth(),
        // The types do not say that the provider knows both versions.
        Err(error) => unreachable!("ring supports TLS 1.2 and TLS 1.3: {error}"),
    }
}

/// Reads the authorities that this machine trusts. Without any, no request over https succeeds.
fn authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "could not read a certificate of an authority");
    }
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(found.certs);
    trusted
}

/// Returns why TLS refused the other side, if a request failed for that.
pub fn tls_problem(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<rustls::Error>() {
            return Some(describe(refusal));
        }
        // The source of an I/O error is that of the error in it, which would be left out.
        let contained = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        cause = contained.or_else(|| error.source());
    }
    None
}

fn describe(refusal: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(problem) = refusal else {
        return format!("TLS failed: {refusal}");
    };
    match problem {
        CertificateError::UnknownIssuer => {
            "its certificate is from no authority that this server trusts (SSL_CERT_FILE)"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        other => format!("its certificate is not valid: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_certificate_is_a_sentence() {
        let described = |problem| describe(&rustls::Error::InvalidCertificate(problem));
        for (problem, expected) in [
            (CertificateError::UnknownIssuer, "from no authority"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidForName, "another name"),
            (CertificateError::BadSignature, "is not valid"),
        ] {
            let sentence = described(problem);
            assert!(sentence.contains(expected), "{sentence}");
        }
        let other = describe(&rustls::Error::HandshakeNotComplete);
        assert!(other.starts_with("TLS failed: "), "{other}");
    }
}
