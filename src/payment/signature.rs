//! Signatures of webhooks: who has the secret wrote this, and not long ago.
//!
//! `Doorbuster-Signature: t=<unix seconds>,v1=<hex>` is an HMAC-SHA256 over `"<t>.<body>"`. The time is signed too, so that what
//! somebody overheard cannot be sent again for ever.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "doorbuster-signature";

/// How far the signed time may be from the reader's clock, in either direction.
pub const TOLERANCE_S: i64 = 300;

/// A header longer than this is not looked at: `t=`, twenty digits, `,v1=` and 64 more fit with room to spare.
const HEADER_BYTES_MAX: usize = 256;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is not of the form t=<unix seconds>,v1=<hex>")]
    Malformed,
    #[error("the signed time is more than {TOLERANCE_S} s away from now")]
    Stale,
    #[error("the signature does not belong to this body")]
    Wrong,
}

/// The header's value for `body` at `t`, in seconds since 1970.
pub fn sign(secret: &str, t: i64, body: &[u8]) -> String {
    let mut header = format!("t={t},v1=");
    for byte in mac(secret, t, body).finalize().into_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

/// Whether whoever has `secret` signed `body` at most [`TOLERANCE_S`] away from `now`, in seconds since 1970. Takes the same time for every
/// wrong signature.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(secret: &str, header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let (t, signature) = parse(header).ok_or(SignatureError::Malformed)?;
    mac(secret, t, body)
        .verify_slice(&signature)
        .map_err(|_| SignatureError::Wrong)?;
    // After the signature, so that the clock's error is only told to who has the secret.
    if t.abs_diff(now) > TOLERANCE_S.unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// Whether two secrets are the same; the time that it takes does not tell how much of them is.
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
    Some((t.parse().ok()?, from_hex(signature)?))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn what_was_signed_is_believed_for_five_minutes() {
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
    fn the_signature_is_the_one_that_others_compute() {
        // printf '1800000000.{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            sign("secret", NOW, b"{}"),
            "t=1800000000,v1=bb7079132825ac793cea8c013c1dd24d926b9b02132245b10588d9e5c0df70d7"
        );
    }

    #[test]
    fn another_body_time_or_secret_is_not_believed() {
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
    fn what_is_no_signature_is_refused() {
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
