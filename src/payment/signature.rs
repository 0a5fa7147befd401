//! Signs webhooks and verifies their signatures: the sender knows the secret, and the message is
//! recent.
//!
//! `Doorbuster-Signature: t=<unix seconds>,v1=<hex>` is an HMAC-SHA256 over `"<t>.<body>"`. The
//! signature covers the time, so that an intercepted webhook cannot be replayed later.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "doorbuster-signature";

/// How far the signed time may differ from the receiver's clock, in either direction.
pub const TOLERANCE_S: i64 = 300;

/// A longer header is rejected without parsing. `t=`, twenty digits, `,v1=` and 64 hex digits fit
/// easily.
const HEADER_BYTES_MAX: usize = 256;

/// Why a webhook's signature was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is not of the form t=<unix seconds>,v1=<hex>")]
    Malformed,
    #[error("the signed time differs from the current time by more than {TOLERANCE_S} s")]
    Stale,
    #[error("the signature does not match this body")]
    Wrong,
}

/// Returns the header value for `body` at `t`, in Unix seconds.
pub fn sign(secret: &str, t: i64, body: &[u8]) -> String {
    let signature = mac(secret, t, body).finalize().into_bytes();
    format!("t={t},v1={}", hex::encode(signature))
}

/// Checks that `body` was signed with `secret` at most [`TOLERANCE_S`] from `now`, in Unix seconds.
/// Takes the same time for every wrong signature.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(secret: &str, header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let (t, signature) = parse(header).ok_or(SignatureError::Malformed)?;
    mac(secret, t, body)
        .verify_slice(&signature)
        .map_err(|_| SignatureError::Wrong)?;
    // Checked after the signature, so that only a sender with the secret can learn about the clock.
    if t.abs_diff(now) > TOLERANCE_S.unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// Compares two secrets. The time that it takes does not reveal how much of them is equal.
pub fn is_same_secret(expected: &str, given: &str) -> bool {
    let known = mac(given, 0, b"").finalize().into_bytes();
    mac(expected, 0, b"").verify_slice(&known).is_ok()
}

fn mac(secret: &str, t: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed(secret.as_bytes());
    mac.update(t.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(secret) {
        Ok(mac) => mac,
        // An HMAC's key may have any length, which the type does not say.
        Err(_) => unreachable!("HMAC takes keys of every length"),
    }
}

fn parse(header: &str) -> Option<(i64, Vec<u8>)> {
    if header.len() > HEADER_BYTES_MAX {
        return None;
    }
    let (t, signature) = header.strip_prefix("t=")?.split_once(",v1=")?;
    Some((t.parse().ok()?, hex::decode(signature).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn a_signature_is_valid_for_five_minutes() {
        let header = sign("secret", NOW, b"{}");
        for (later, expected) in [
            (0, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(SignatureError::Stale)),
            (-301, Err(SignatureError::Stale)),
        ] {
            assert_eq!(verify("secret", &header, b"{}", NOW + later), expected);
        }
    }

    #[test]
    fn the_signature_matches_openssl() {
        // printf '1800000000.{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            sign("secret", NOW, b"{}"),
            "t=1800000000,v1=bb7079132825ac793cea8c013c1dd24d926b9b02132245b10588d9e5c0df70d7"
        );
    }

    #[test]
    fn a_changed_body_time_or_secret_is_rejected() {
        let header = sign("secret", NOW, b"{}");
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(verify("secret", &header, b"{ }", NOW), wrong);
        assert_eq!(verify("other", &header, b"{}", NOW), wrong);
        let later = header.replace("t=1800000000", "t=1800000001");
        assert_eq!(verify("secret", &later, b"{}", NOW), wrong);
        assert_eq!(
            verify("secret", &header[..header.len() - 2], b"{}", NOW),
            wrong
        );
    }

    #[test]
    fn a_malformed_header_is_rejected() {
        let malformed = Err(SignatureError::Malformed);
        let long = format!("t=1,v1={}", "0".repeat(HEADER_BYTES_MAX));
        for header in [
            "",
            "t=",
            "v1=00",
            "t=1,v1=0",
            "t=1,v1=zz",
            "t=one,v1=00",
            "t=1,v1=é",
            " t=1,v1=00",
            "t=99999999999999999999,v1=00",
            &long,
        ] {
            assert_eq!(verify("secret", header, b"{}", NOW), malformed, "{header}");
        }
        let far = format!("t={},v1=00", i64::MIN);
        assert_eq!(
            verify("secret", &far, b"{}", NOW),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same_secret("secret", "secret"));
        assert!(!is_same_secret("secret", "secre"));
        assert!(!is_same_secret("secret", ""));
    }
}
