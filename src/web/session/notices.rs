//! How a form is answered: with the page that follows, or with a notice on its own page.

use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};

use super::Visit;
use crate::{
    model::ShopError,
    web::{
        cookies::Cookie,
        resumption::{Resumption, SIGN_IN_PAGE},
    },
};

/// Among the values of a rejected form: the field that caused an error which names no field itself.
pub const PROBLEM_IN: &str = "problem_in";
/// Maximum length of a form value, and of its field's name, that is restored when the form is shown
/// again, in bytes.
const TYPED_VALUE_LEN_MAX: usize = 300;
/// The page that explains why the shop needs cookies.
const COOKIES_PAGE: &str = "/cookies";
const ADMIN_PAGE: &str = "/admin";

/// An error for the page that shows it next, with the form's values. It is stored in the session or
/// in a cookie; not in the URL, because anyone can write a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The path of the page that shows it.
    path: String,
    pub error: ShopError,
    typed: Vec<(String, String)>,
}

impl Notice {
    fn new(page: &str, error: ShopError, typed: &[(&str, &str)]) -> Self {
        Self {
            path: path_in(page).to_owned(),
            error,
            typed: typed
                .iter()
                .filter(|(name, value)| name.len().max(value.len()) <= TYPED_VALUE_LEN_MAX)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    /// Returns the value that was typed into `field`.
    pub fn typed(&self, field: &str) -> Option<&str> {
        self.typed
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value.as_str())
    }
}

impl Visit {
    /// Removes and returns the notice for the requested page, so that it is shown once.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the session cannot be read.
    pub async fn take_notice(&self) -> Result<Option<Notice>, ShopError> {
        let notice = self.notice.as_ref();
        if let Some(notice) = notice.filter(|notice| notice.path == self.path) {
            self.set_cookie(Cookie::Notice.remove(self.state.secure));
            return Ok(Some(notice.clone()));
        }
        if let Some(notice) = self.take_resumption() {
            return Ok(Some(notice));
        }
        let mut shopper = self.shopper().await?;
        match shopper.notice.take_if(|notice| notice.path == self.path) {
            Some(notice) => {
                self.write(&shopper).await?;
                Ok(Some(notice))
            }
            None => Ok(None),
        }
    }

    /// Removes the form that a sign-in has interrupted, if it is on the requested page.
    fn take_resumption(&self) -> Option<Notice> {
        let resumption = self.resumption.as_ref()?;
        if path_in(&resumption.page) != self.path {
            return None;
        }
        self.set_cookie(Cookie::Resumption.remove(self.state.secure));
        Some(Notice {
            path: self.path.clone(),
            error: ShopError::SignedOut,
            typed: resumption.typed.clone()?,
        })
    }

    /// Returns the page to go on with after the sign-in: the one that was asked for before.
    pub fn page_after_sign_in(&self) -> String {
        match self.resumption.clone().and_then(Resumption::checked) {
            Some(resumption) => resumption.page,
            None => ADMIN_PAGE.to_owned(),
        }
    }

    /// Returns true if a sign-in has interrupted a form, whose fields are kept.
    pub fn has_interrupted_form(&self) -> bool {
        let resumption = self.resumption.as_ref();
        resumption.is_some_and(|resumption| resumption.typed.is_some())
    }

    /// Responds to a form. On success it redirects to the page in `done`. On an error it redirects
    /// a browser back to the form, which shows the error and the typed values. A program, and a
    /// browser whose request has an unknown outcome, get the error with its status instead.
    ///
    /// # Errors
    /// The error itself, which Leptos encodes.
    pub async fn answer(
        &self,
        done: Result<String, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<(), ShopError> {
        self.answer_from("/", done, typed).await
    }

    /// The same for a form that names neither its page nor a `Referer`: an error then redirects to
    /// `default_page`.
    ///
    /// # Errors
    /// As [`Visit::answer`].
    pub async fn answer_from(
        &self,
        default_page: &str,
        done: Result<String, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<(), ShopError> {
        let named = self.form.page.as_deref().or(self.referrer.as_deref());
        let page = named.unwrap_or(default_page);
        self.answer_on(page, done, typed).await
    }

    /// The same for a form on `page`, whose query is part of its address: an error redirects there.
    ///
    /// # Errors
    /// As [`Visit::answer`].
    pub async fn answer_on(
        &self,
        page: &str,
        done: Result<String, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<(), ShopError> {
        let error = match done {
            Ok(path) => {
                redirect(&path);
                return Ok(());
            }
            // The page of the form comes from the browser's cache, after Back.
            Err(ShopError::IdempotencyKeyReused) if self.accepts_html => ShopError::FormSentBefore,
            Err(error) => error,
        };
        let is_unknown = matches!(error, ShopError::OutcomeUnknown { .. });
        if !self.accepts_html || is_unknown {
            // After an unknown outcome, only the same request, with its key, is safe to repeat: a
            // browser that loads the answer again sends that, and a new page would have a new key.
            self.set_status(&error);
        } else if self.blocks_cookies() {
            // Neither a session nor a cookie could carry the notice.
            redirect(&cookies_page(page));
        } else {
            let page = match error {
                ShopError::NotSignedIn => SIGN_IN_PAGE,
                _ => page,
            };
            self.store_notice(page, &error, typed).await;
            redirect(page);
        }
        Err(error)
    }

    /// Shows `error` on `page`, next time that the visitor opens it.
    pub async fn leave_notice(&self, page: &str, error: &ShopError) {
        if self.accepts_html {
            self.store_notice(page, error, &[]).await;
        }
    }

    /// Sets the response's status and `Retry-After` header to those of an error.
    pub fn set_status(&self, error: &ShopError) {
        if let Ok(status) = StatusCode::from_u16(error.status()) {
            self.response.set_status(status);
        }
        if let Some(retry_after_s) = error.retry_after_s() {
            self.response
                .insert_header(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
    }

    /// Returns true if the browser received a cookie with the form's page and did not send it.
    fn blocks_cookies(&self) -> bool {
        self.cookies.are_blocked(&self.form)
    }

    /// Stores an error in the session or, without a session, in a cookie. A cookie also carries the
    /// failure of a service: it needs no database, which may be what failed.
    async fn store_notice(&self, page: &str, error: &ShopError, typed: &[(&str, &str)]) {
        let notice = Notice::new(page, error.clone(), typed);
        let shopper = match error.status() {
            503 => None,
            _ => self.shopper().await.ok(),
        };
        match shopper {
            Some(mut shopper) if !self.session.is_empty().await => {
                shopper.notice = Some(notice);
                // `write` logs its error.
                let _ = self.write(&shopper).await;
            }
            _ => self.send_notice(notice),
        }
    }

    /// Sends a notice as a cookie; if the typed values make it too large, without them.
    fn send_notice(&self, notice: Notice) {
        let secure = self.state.secure;
        let cookie = Cookie::Notice.store(&notice, secure).or_else(|| {
            let short = Notice {
                typed: Vec::new(),
                ..notice
            };
            Cookie::Notice.store(&short, secure)
        });
        self.set_cookie(cookie);
    }
}

/// Redirects to a page of this site.
fn redirect(address: &str) {
    leptos_axum::redirect(&as_header(address));
}

/// Percent-encodes what cannot be in a header, in which Leptos panics over it: a product's slug may
/// be any text.
fn as_header(address: &str) -> String {
    let mut encoded = String::with_capacity(address.len());
    for byte in address.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Returns the address of the page that says that cookies are blocked, and leads back to `page`.
pub fn cookies_page(page: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("from", page);
    format!("{COOKIES_PAGE}?{}", query.finish())
}

/// Returns the path in a page's address.
fn path_in(page: &str) -> &str {
    page.split('?').next().unwrap_or_default()
}

/// Returns the path of the page that contains the form. It ignores the host, so that a forged
/// `Referer` cannot redirect to another site.
pub(super) fn referring_path(parts: &Parts) -> Option<String> {
    let referer = parts.headers.get(header::REFERER)?.to_str().ok()?;
    let url = url::Url::parse(referer).ok()?;
    let path = url.path();
    (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_can_be_a_header() {
        let address = "/admin/products/ä b\r\n\0字#sale";
        let expected = "/admin/products/%C3%A4%20b%0D%0A%00%E5%AD%97#sale";
        assert_eq!(as_header(address), expected);
        for address in ["/", "/orders/find?link=1.2.ab", "/search?q=%C3%A4+b"] {
            assert_eq!(as_header(address), address);
        }
    }

    /// The name of a cart's quantity field contains what the form sends as the product.
    #[test]
    fn a_notice_keeps_no_long_texts() {
        let (short, long) = ("x".repeat(300), "x".repeat(301));
        let (short, long) = (short.as_str(), long.as_str());
        let typed = [("a", short), (short, "1"), ("b", long), (long, "1")];
        let notice = Notice::new("/cart?a=b", ShopError::CartEmpty, &typed);
        assert_eq!(notice.path, "/cart");
        let kept: Vec<_> = notice.typed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["a", short]);
    }
}
