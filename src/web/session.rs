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
use tower_sessions::Session;
use uuid::Uuid;

use super::{AppState, client_address::client_address};
use crate::{
    model::ShopError,
    shop::{Shop, administrator::Administrator},
    simulation::{Engine, LiveRuns},
};

const SHOPPER_KEY: &str = "shopper";
const ADMIN_KEY: &str = "admin";
/// Maximum length of a form value that is restored when the form is shown again, in bytes.
const TYPED_VALUE_LEN_MAX: usize = 300;

/// The session data of a shopper.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shopper {
    cart_id: Option<Uuid>,
    notice: Option<Notice>,
}

/// An error for the page that shows it next, with the form's values. It is stored in the session,
/// not in the URL, because anyone can write a URL.
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
    session: Session,
    response: ResponseOptions,
    path: String,
    back: Option<String>,
    /// The `Idempotency-Key` header, which programs send instead of a form field.
    key: Option<String>,
    accepts_html: bool,
    address: IpAddr,
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
        Ok(Self {
            session,
            response: use_context().unwrap_or_default(),
            path: parts.uri.path().to_owned(),
            back: referring_path(&parts),
            key: parts
                .headers
                .get("idempotency-key")
                .map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
            accepts_html: accept
                .and_then(|accept| accept.to_str().ok())
                .is_some_and(|accept| accept.contains("text/html")),
            address: client_address(&parts.headers, &parts.extensions, &state.trusted_proxies),
            state,
        })
    }

    /// Returns the shop.
    pub fn shop(&self) -> &Shop {
        &self.state.shop
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

    /// Returns the public URL of the server.
    pub fn public_url(&self) -> &str {
        &self.state.public_url
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
        Ok(self.shopper().await?.cart_id)
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
        shopper.cart_id = Some(cart_id);
        self.write(&shopper).await
    }

    /// Counts an attempt to guess an order number or a discount code.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`].
    pub fn check_guess(&self) -> Result<(), ShopError> {
        self.state.limits.check_guess(self.address)
    }

    /// Counts a purchase, if purchases are limited.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`].
    pub fn check_purchase(&self) -> Result<(), ShopError> {
        self.state.limits.check_purchase(self.address)
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
    /// [`ShopError::WrongPassword`]; [`ShopError::TooManyRequests`] after too many attempts.
    pub async fn sign_in(&self, password: &str) -> Result<(), ShopError> {
        self.state.limits.check_login(self.address)?;
        let checked = self
            .shop()
            .administrators()
            .check_password(password)
            .await?;
        let administrator = checked.ok_or(ShopError::WrongPassword)?;
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
        let error = match done {
            Ok(path) => {
                leptos_axum::redirect(&path);
                return Ok(());
            }
            Err(error) => error,
        };
        if self.accepts_html {
            let path = self.form_page(&error);
            self.store_notice(&path, &error, typed).await;
            leptos_axum::redirect(&path);
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

    fn form_page(&self, error: &ShopError) -> String {
        if *error == ShopError::NotSignedIn {
            return "/admin/login".to_owned();
        }
        self.back.clone().unwrap_or_else(|| "/".to_owned())
    }

    /// Stores an error in the session. If the database is unavailable, it stores nothing: the page
    /// itself reports that.
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
        if let Ok(mut shopper) = self.shopper().await {
            shopper.notice = Some(notice);
            // `write` logs its error.
            let _ = self.write(&shopper).await;
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
