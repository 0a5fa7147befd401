//! A cookie that carries a notice to the page that shows it, for a visitor without a session: the
//! server stores nothing for a rejected request.
//!
//! The cookie is not signed. Only the visitor's own browser sends it, and a visitor who writes it
//! shows a text to themselves; a link cannot set it.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// How long the browser keeps the cookie, in seconds: the next page removes it.
const MAX_AGE_S: u32 = 300;
/// Maximum length of the value, in bytes. Browsers accept cookies of 4 kB.
const VALUE_LEN_MAX: usize = 3_500;

const fn name(secure: bool) -> &'static str {
    if secure {
        "__Host-doorbuster-notice"
    } else {
        "doorbuster-notice"
    }
}

/// Returns the `Set-Cookie` header that stores `notice`, or `None` if it is too large.
pub fn store(notice: &impl Serialize, secure: bool) -> Option<HeaderValue> {
    let value = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(notice).ok()?);
    if value.len() > VALUE_LEN_MAX {
        return None;
    }
    set_cookie(&value, MAX_AGE_S, secure)
}

/// Returns the `Set-Cookie` header that removes the cookie.
pub fn remove(secure: bool) -> Option<HeaderValue> {
    set_cookie("", 0, secure)
}

fn set_cookie(value: &str, max_age_s: u32, secure: bool) -> Option<HeaderValue> {
    let name = name(secure);
    let only_https = if secure { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age_s}{only_https}");
    HeaderValue::try_from(cookie).ok()
}

/// Returns the notice in the request's cookie, if there is one that can be read.
pub fn read<T: DeserializeOwned>(headers: &HeaderMap, secure: bool) -> Option<T> {
    let value = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(found, value)| (found == name(secure)).then_some(value))?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the request headers of a browser that received `set`.
    fn browser_with(set: &HeaderValue) -> Option<HeaderMap> {
        let pair = set.to_str().ok()?.split(';').next()?;
        let mut headers = HeaderMap::new();
        let cookies = format!("first=1; {pair}; last=2");
        headers.insert(header::COOKIE, HeaderValue::try_from(cookies).ok()?);
        Some(headers)
    }

    #[test]
    fn a_notice_is_read_from_the_cookie_that_stores_it() {
        for secure in [false, true] {
            let notice = ("/cart".to_owned(), "4 × é; \"=\"".to_owned());
            let set = store(&notice, secure);
            let headers = set.as_ref().and_then(browser_with).unwrap_or_default();
            assert_eq!(read(&headers, secure), Some(notice));
            assert_eq!(read::<(String, String)>(&headers, !secure), None);
        }
    }

    #[test]
    fn a_notice_that_browsers_would_refuse_is_not_stored() {
        assert_eq!(store(&"x".repeat(4_000), false), None);
    }

    #[test]
    fn a_cookie_that_cannot_be_read_is_ignored() {
        for cookie in [
            "doorbuster-notice=%%%",
            "doorbuster-notice=",
            "doorbuster-notice",
            "=;;",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            assert_eq!(read::<String>(&headers, false), None, "{cookie}");
        }
    }

    #[test]
    fn over_https_only_this_host_can_set_the_cookie() {
        let set = store(&1, true);
        let set = set
            .as_ref()
            .and_then(|set| set.to_str().ok())
            .unwrap_or_default();
        assert!(
            set.starts_with("__Host-") && set.ends_with("; Secure"),
            "{set}"
        );
    }
}
