//! A visit: one HTTP request together with its session.
//!
//! Only this file knows the contents of a session. The session stores the cart's id and not the
//! cart, because a session is last-write-wins as a whole.

mod keys;

use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};
use tower_sessions::{Expiry, Session, cookie::time::Duration};
use uuid::Uuid;

use super::{
    AppState, audience::Audience, audits, client_address::client_address,
    maintenance::old_data::RetentionReport, notice_cookie, rate_limit::network_of,
    request_path::path_of, shared_catalog::SharedCatalog,
};
use crate::{
    model::ShopError,
    shop::{Shop, administrator::Administrator, holds::HolderAddress},
    simulation::{Engine, LiveRuns},
};

const SHOPPER_KEY: &str = "shopper";
const ADMIN_KEY: &str = "admin";
/// A session that never comes back expires this long after its first request.
const UNSEEN_SESSION_TTL: Duration = Duration::days(1);
/// Among the values of a rejected form: the field that caused an error which names no field itself.
pub const PROBLEM_IN: &str = "problem_in";
/// Maximum length of a form value that is restored when the form is shown again, in bytes.
const TYPED_VALUE_LEN_MAX: usize = 300;

/// The session data of a shopper.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shopper {
    cart_id: Option<Uuid>,
    notice: Option<Notice>,
    /// Whether the session came back after the request that started it.
    #[serde(default)]
    seen_again: bool,
}

/// An error for the page that shows it next, with the form's values. It is stored in the session,
/// or in a cookie if there is no session; not in the URL, because anyone can write a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The path of the page that shows it.
    path: String,
    pub error: ShopError,
    typed: Vec<(String, String)>,
}

impl Notice {
    /// Returns the value that was typed into `field`.
    pub fn typed(&self, field: &str) -> Option<&str> {
        self.typed
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value.as_str())
    }
}

/// One HTTP request with its session, for server functions and pages.
#[derive(Clone, Debug)]
pub struct Visit {
    state: AppState,
    /// The shop for this visitor's address.
    shop: Shop,
    session: Session,
    response: ResponseOptions,
    path: String,
    back: Option<String>,
    /// The `Idempotency-Key` header, which programs send instead of a form field.
    key: Option<String>,
    accepts_html: bool,
    address: IpAddr,
    /// The notice of a visitor without a session.
    notice: Option<Notice>,
}

impl Visit {
    /// Returns the current request.
    ///
    /// # Errors
    /// [`ShopError::Internal`] outside of a request, or if the session layer did not run.
    pub fn current() -> Result<Self, ShopError> {
        let missing = || ShopError::Internal {
            incident: "no-request".to_owned(),
        };
        let parts = use_context::<Parts>().ok_or_else(missing)?;
        let state = use_context::<AppState>().ok_or_else(missing)?;
        let session = parts
            .extensions
            .get::<Session>()
            .cloned()
            .ok_or_else(missing)?;
        let accept = parts.headers.get(header::ACCEPT);
        let address = client_address(&parts.headers, &parts.extensions, &state.trusted_proxies);
        let holder = HolderAddress::new(network_of(address));
        Ok(Self {
            shop: state.shop.clone().for_holder(holder),
            session,
            response: use_context().unwrap_or_default(),
            path: path_of(&parts.uri).to_owned(),
            back: referring_path(&parts),
            key: parts
                .headers
                .get("idempotency-key")
                .map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
            accepts_html: accept
                .and_then(|accept| accept.to_str().ok())
                .is_some_and(|accept| accept.contains("text/html")),
            address,
            notice: notice_cookie::read(&parts.headers, state.secure),
            state,
        })
    }

    /// Returns the shop, in which this visitor's holds are limited.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Returns the catalogue as all shoppers see it.
    pub fn catalog(&self) -> &SharedCatalog {
        &self.state.catalog
    }

    /// Returns the simulation engine and its stepper sessions, which only the administrator
    /// controls.
    pub fn engine(&self, _: &Administrator) -> &Engine {
        &self.state.engine
    }

    /// Returns the runs of this server.
    pub fn runs(&self) -> &LiveRuns {
        self.state.engine.runs()
    }

    /// Runs the audits; see [`audits::run_now`].
    ///
    /// # Errors
    /// [`ShopError`] if the database fails.
    pub async fn run_audits(&self, _: &Administrator) -> Result<(), ShopError> {
        audits::run_now(&self.state.audit_db).await
    }

    /// Returns the result of this server's last deletion of old data.
    pub fn retention(&self) -> Option<RetentionReport> {
        self.state.retention.latest()
    }

    /// Returns the public URL of the server.
    pub fn public_url(&self) -> &str {
        &self.state.public_url
    }

    /// Returns the addresses at which an audience can reach the server.
    pub fn audience(&self) -> Audience {
        Audience::of(&self.state.public_url, self.state.listens_on)
    }

    /// Returns the requested path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the id of the shopper's cart, if there is one.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the session cannot be read.
    pub async fn cart_id(&self) -> Result<Option<Uuid>, ShopError> {
        let shopper = self.shopper().await?;
        let cart_id = shopper.cart_id;
        if let Some(cart_id) = cart_id
            && !shopper.seen_again
            && self.session.id().is_some()
        {
            self.keep_session(shopper, cart_id).await;
        }
        Ok(cart_id)
    }

    /// Keeps a session that came back, and its cart, for their full time. A failure is logged where
    /// it occurs, and the next request tries again.
    async fn keep_session(&self, shopper: Shopper, cart_id: Uuid) {
        let seen = Shopper {
            seen_again: true,
            ..shopper
        };
        if self.shop().carts().mark_seen_again(cart_id).await.is_ok() {
            let _ = self.write(&seen).await;
        }
    }

    /// Returns the id of the shopper's cart, to which lines are to be added. Without one, a new
    /// cart is counted against the visitor's address.
    ///
    /// # Errors
    /// [`ShopError::TooManyCarts`]; the errors of [`Visit::cart_id`].
    pub async fn cart_id_for_new_lines(&self) -> Result<Option<Uuid>, ShopError> {
        let cart_id = self.cart_id().await?;
        if cart_id.is_none() {
            self.state.limits.check_new_cart(self.address)?;
        }
        Ok(cart_id)
    }

    /// Stores the id of the shopper's cart in the session.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the session cannot be written.
    pub async fn set_cart_id(&self, cart_id: Uuid) -> Result<(), ShopError> {
        let mut shopper = self.shopper().await?;
        if shopper.cart_id == Some(cart_id) {
            return Ok(());
        }
        if self.session.is_empty().await {
            self.session
                .set_expiry(Some(Expiry::OnInactivity(UNSEEN_SESSION_TTL)));
        }
        shopper.cart_id = Some(cart_id);
        self.write(&shopper).await
    }

    /// Runs an attempt that may be a guess of an order number or a discount code. Only a wrong
    /// guess counts against the visitor's address.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong guesses; the errors of `attempt`.
    pub async fn limit_wrong_guesses<T>(
        &self,
        attempt: impl Future<Output = Result<T, ShopError>>,
    ) -> Result<T, ShopError> {
        self.state.limits.check_guess(self.address)?;
        let result = attempt.await;
        if let Err(ShopError::UnknownOrder | ShopError::CodeUnknown(_)) = &result {
            self.state.limits.count_wrong_guess(self.address);
        }
        result
    }

    /// Returns the administrator, whose acts require it.
    ///
    /// # Errors
    /// [`ShopError::NotSignedIn`] if the administrator is not signed in.
    pub async fn require_admin(&self) -> Result<Administrator, ShopError> {
        let administrator = signed_in_administrator(&self.session, self.shop()).await?;
        administrator.ok_or(ShopError::NotSignedIn)
    }

    /// Signs the administrator in if the password is correct, with a new session id.
    ///
    /// # Errors
    /// [`ShopError::WrongPassword`]; [`ShopError::TooManyRequests`] after too many wrong passwords.
    pub async fn sign_in(&self, password: &str) -> Result<(), ShopError> {
        self.state.limits.start_login(self.address)?;
        let checked = self.shop().administrators().check_password(password).await;
        if !matches!(checked, Ok(None)) {
            self.state.limits.forgive_login(self.address);
        }
        let administrator = checked?.ok_or(ShopError::WrongPassword)?;
        self.store_sign_in(&administrator).await
    }

    async fn store_sign_in(&self, _: &Administrator) -> Result<(), ShopError> {
        // Prevents session fixation: an attacker who set the old id must not be signed in.
        self.session.cycle_id().await.map_err(session_error)?;
        let credential = self.shop().administrators().credential_name().await?;
        self.session
            .insert(ADMIN_KEY, credential)
            .await
            .map_err(session_error)
    }

    /// Signs the administrator out and deletes the session.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the session cannot be written.
    pub async fn sign_out(&self) -> Result<(), ShopError> {
        self.session.flush().await.map_err(session_error)
    }

    /// Removes and returns the notice for the requested page, so that it is shown once.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the session cannot be read.
    pub async fn take_notice(&self) -> Result<Option<Notice>, ShopError> {
        if let Some(notice) = self
            .notice
            .as_ref()
            .filter(|notice| notice.path == self.path)
        {
            if let Some(removal) = notice_cookie::remove(self.state.secure) {
                self.response.append_header(header::SET_COOKIE, removal);
            }
            return Ok(Some(notice.clone()));
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

    /// Responds to a form. On success it redirects to the page in `done`. On an error it redirects
    /// a browser back to the form, which shows the error and the typed values; a program gets the
    /// error with its status instead.
    ///
    /// # Errors
    /// The error itself, which Leptos encodes.
    pub async fn answer(
        &self,
        done: Result<String, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<(), ShopError> {
        let page = self.back.as_deref().unwrap_or("/");
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
                leptos_axum::redirect(&path);
                return Ok(());
            }
            Err(error) => error,
        };
        if self.accepts_html {
            let page = match error {
                ShopError::NotSignedIn => "/admin/login",
                _ => page,
            };
            self.store_notice(page, &error, typed).await;
            leptos_axum::redirect(page);
        } else {
            self.set_status(&error);
        }
        Err(error)
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

    /// Stores an error in the session or, without a session, in a cookie. If the database is
    /// unavailable, it stores nothing: the page itself reports that.
    async fn store_notice(&self, path: &str, error: &ShopError, typed: &[(&str, &str)]) {
        if error.status() == 503 && !matches!(error, ShopError::ProviderUnavailable { .. }) {
            return;
        }
        let notice = Notice {
            path: path.split('?').next().unwrap_or_default().to_owned(),
            error: error.clone(),
            typed: typed
                .iter()
                .filter(|(_, value)| value.len() <= TYPED_VALUE_LEN_MAX)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let Ok(mut shopper) = self.shopper().await else {
            return;
        };
        if self.session.is_empty().await {
            self.send_notice(notice);
            return;
        }
        shopper.notice = Some(notice);
        // `write` logs its error.
        let _ = self.write(&shopper).await;
    }

    /// Sends a notice as a cookie; if the typed values make it too large, without them.
    fn send_notice(&self, notice: Notice) {
        let secure = self.state.secure;
        let cookie = notice_cookie::store(&notice, secure).or_else(|| {
            let short = Notice {
                typed: Vec::new(),
                ..notice
            };
            notice_cookie::store(&short, secure)
        });
        if let Some(cookie) = cookie {
            self.response.append_header(header::SET_COOKIE, cookie);
        }
    }

    async fn shopper(&self) -> Result<Shopper, ShopError> {
        let shopper = self.session.get(SHOPPER_KEY).await.map_err(session_error)?;
        Ok(shopper.unwrap_or_default())
    }

    async fn write(&self, shopper: &Shopper) -> Result<(), ShopError> {
        self.session
            .insert(SHOPPER_KEY, shopper)
            .await
            .map_err(session_error)
    }
}

/// Returns the administrator if they are signed in with the current password.
///
/// # Errors
/// [`ShopError::Unavailable`] if the session or the password cannot be read.
pub async fn signed_in_administrator(
    session: &Session,
    shop: &Shop,
) -> Result<Option<Administrator>, ShopError> {
    let signed_in_with: Option<String> = session.get(ADMIN_KEY).await.map_err(session_error)?;
    shop.administrators()
        .of_signed_in_session(signed_in_with.as_deref())
        .await
}

/// Returns the path of the page that contains the form. It ignores the host, so that a forged
/// `Referer` cannot redirect to another site.
fn referring_path(parts: &Parts) -> Option<String> {
    let referer = parts.headers.get(header::REFERER)?.to_str().ok()?;
    let url = url::Url::parse(referer).ok()?;
    let path = url.path();
    (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
}

fn session_error(error: tower_sessions::session::Error) -> ShopError {
    tracing::error!(%error, "failed to read or write the session");
    ShopError::Unavailable { retry_after_s: 2 }
}
