//! The shop's own cookies, beside that of the session. Scripts cannot read them; over https, only
//! this host can set them.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// Maximum length of a value, in bytes. Browsers accept cookies of 4 kB. All of them together are
/// limited by [`super::cookie_budget`].
const VALUE_LEN_MAX: usize = 3_500;

/// A cookie of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The session's, which only the session layer sets.
    Session,
    /// Identifies a browser that has no session yet; see [`super::visitor`].
    Visitor,
    /// The error of a rejected form, for a visitor without a session.
    Notice,
    /// The admin page to go on with after the sign-in; see [`super::resumption`].
    Resumption,
    /// The contact and the discount code of a checkout form whose session has ended.
    Contact,
}

impl Cookie {
    /// All cookies of the shop.
    pub const ALL: [Self; 5] = [
        Self::Session,
        Self::Visitor,
        Self::Notice,
        Self::Resumption,
        Self::Contact,
    ];

    /// The cookie's name.
    pub const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, false) => "doorbuster",
            (Self::Session, true) => "__Host-doorbuster",
            (Self::Visitor, false) => "doorbuster-visitor",
            (Self::Visitor, true) => "__Host-doorbuster-visitor",
            (Self::Notice, false) => "doorbuster-notice",
            (Self::Notice, true) => "__Host-doorbuster-notice",
            (Self::Resumption, false) => "doorbuster-resumption",
            (Self::Resumption, true) => "__Host-doorbuster-resumption",
            (Self::Contact, false) => "doorbuster-contact",
            (Self::Contact, true) => "__Host-doorbuster-contact",
        }
    }

    /// How long the browser keeps the cookie, in seconds; until it is closed if `None`.
    const fn max_age_s(self) -> Option<u32> {
        match self {
            Self::Session | Self::Visitor => None,
            Self::Notice => Some(300),
            // As long as it may take to find the password.
            Self::Resumption => Some(900),
            // As long as it may take to put the items into a cart again.
            Self::Contact => Some(3_600),
        }
    }

    /// Returns the cookie's value in a request, if the browser sent it.
    pub fn read(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        let name = self.name(secure);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Returns the value that [`Cookie::store`] wrote, if the request has it and it can be read.
    pub fn load<T: DeserializeOwned>(self, headers: &HeaderMap, secure: bool) -> Option<T> {
        let value = self.read(headers, secure)?;
        let json = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Returns the `Set-Cookie` header that stores `value`, or `None` if it is too large.
    pub fn store(self, value: &impl Serialize, secure: bool) -> Option<HeaderValue> {
        let value = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).ok()?);
        if value.len() > VALUE_LEN_MAX {
            return None;
        }
        self.set(&value, secure)
    }

    /// Returns the `Set-Cookie` header that stores `value` as it is.
    pub fn set(self, value: &str, secure: bool) -> Option<HeaderValue> {
        self.header(value, self.max_age_s(), secure)
    }

    /// Returns the `Set-Cookie` header that removes the cookie.
    pub fn remove(self, secure: bool) -> Option<HeaderValue> {
        self.header("", Some(0), secure)
    }

    fn header(self, value: &str, max_age_s: Option<u32>, secure: bool) -> Option<HeaderValue> {
        let name = self.name(secure);
        let age = max_age_s.map_or_else(String::new, |age_s| format!("; Max-Age={age_s}"));
        let only_https = if secure { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/{age}{only_https}");
        HeaderValue::try_from(cookie).ok()
    }
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
    fn a_value_is_read_from_the_cookie_that_stores_it() {
        for secure in [false, true] {
            let notice = ("/cart".to_owned(), "4 × é; \"=\"".to_owned());
            let set = Cookie::Notice.store(&notice, secure);
            let headers = set.as_ref().and_then(browser_with).unwrap_or_default();
            assert_eq!(Cookie::Notice.load(&headers, secure), Some(notice));
            let other: Option<(String, String)> = Cookie::Notice.load(&headers, !secure);
            assert_eq!(other, None);
            let other: Option<(String, String)> = Cookie::Resumption.load(&headers, secure);
            assert_eq!(other, None);
        }
    }

    #[test]
    fn a_value_that_browsers_would_refuse_is_not_stored() {
        assert_eq!(Cookie::Notice.store(&"x".repeat(4_000), false), None);
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
            let loaded: Option<String> = Cookie::Notice.load(&headers, false);
            assert_eq!(loaded, None, "{cookie}");
        }
    }

    #[test]
    fn over_https_only_this_host_can_set_the_cookie() {
        let set = Cookie::Visitor.set("1", true);
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
