//! A visit: one request of one browser, with its session.
//!
//! This is the only file that knows what a session holds. The cart itself lives in tables; only its id stands here, because a session
//! is last-write-wins as a whole.

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
    shop::{Shop, idempotency::Claim},
    simulation::Engine,
};

const SHOPPER_KEY: &str = "shopper";
const ADMIN_KEY: &str = "admin";
/// Longer values of a form are not kept for its next showing.
const KEPT_FIELD_LEN_MAX: usize = 300;

/// What a session holds for a shopper.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shopper {
    cart_id: Option<Uuid>,
    notice: Option<Notice>,
}

/// A refusal on its way to the page that shows it, with what was typed. Kept here and not in the address, which anybody can write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The path of the page that is to show it.
    path: String,
    pub error: ShopError,
    typed: Vec<(String, String)>,
}

impl Notice {
    /// What was typed into `field`.
    pub fn typed(&self, field: &str) -> Option<&str> {
        self.typed
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value.as_str())
    }
}

/// One request, as server functions and pages see it.
#[derive(Clone, Debug)]
pub struct Visit {
    state: AppState,
    session: Session,
    response: ResponseOptions,
    path: String,
    back: Option<String>,
    /// The header `Idempotency-Key`, of a caller who is no form.
    key: Option<String>,
    accepts_html: bool,
    address: IpAddr,
}

impl Visit {
    /// The request that is being answered.
    ///
    /// # Errors
    /// [`ShopError::Internal`] outside of a request, or of one that came past the session layer.
    pub fn current() -> Result<Self, ShopError> {
        let lost = || ShopError::Internal {
            incident: "no-request".to_owned(),
        };
        let parts = use_context::<Parts>().ok_or_else(lost)?;
        let state = use_context::<AppState>().ok_or_else(lost)?;
        let session = parts
            .extensions
            .get::<Session>()
            .cloned()
            .ok_or_else(lost)?;
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

    /// The shop.
    pub fn shop(&self) -> &Shop {
        &self.state.shop
    }

    /// The simulation's engine.
    pub fn engine(&self) -> &Engine {
        &self.state.engine
    }

    /// The address that people type.
    pub fn public_url(&self) -> &str {
        &self.state.public_url
    }

    /// The path that was asked for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The shopper's cart, if there is one.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] when the session cannot be read.
    pub async fn cart_id(&self) -> Result<Option<Uuid>, ShopError> {
        Ok(self.shopper().await?.cart_id)
    }

    /// Remembers the shopper's cart.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] when the session cannot be written.
    pub async fn set_cart_id(&self, cart_id: Uuid) -> Result<(), ShopError> {
        let mut shopper = self.shopper().await?;
        if shopper.cart_id == Some(cart_id) {
            return Ok(());
        }
        shopper.cart_id = Some(cart_id);
        self.write(&shopper).await
    }

    /// Claims the form's key, or else the header's, for `operation` with `parts`. A caller who sent neither may not send the same twice.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`].
    pub fn claim(
        &self,
        key: &str,
        operation: &str,
        parts: &[&str],
    ) -> Result<Option<Claim>, ShopError> {
        match self.key(key) {
            "" => Ok(None),
            key => Claim::new(key, operation, parts).map(Some),
        }
    }

    /// The form's key, or else the header's; empty if the caller sent neither.
    pub fn key<'a>(&'a self, of_form: &'a str) -> &'a str {
        match (of_form, &self.key) {
            ("", Some(sent)) => sent,
            (of_form, _) => of_form,
        }
    }

    /// Counts one try at something that can be guessed.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`].
    pub fn check_guess(&self) -> Result<(), ShopError> {
        self.state.limits.check_guess(self.address)
    }

    /// Counts one purchase, if they are limited.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`].
    pub fn check_purchase(&self) -> Result<(), ShopError> {
        self.state.limits.check_purchase(self.address)
    }

    /// # Errors
    /// [`ShopError::NotSignedIn`] unless the administrator is signed in.
    pub async fn require_admin(&self) -> Result<(), ShopError> {
        if is_admin(&self.session, self.shop()).await? {
            Ok(())
        } else {
            Err(ShopError::NotSignedIn)
        }
    }

    /// Signs the administrator in if the password is right, under a new session id.
    ///
    /// # Errors
    /// [`ShopError::WrongPassword`]; [`ShopError::TooManyRequests`] after too many tries.
    pub async fn sign_in(&self, password: &str) -> Result<(), ShopError> {
        self.state.limits.check_login(self.address)?;
        if !self.shop().is_admin_password(password).await? {
            return Err(ShopError::WrongPassword);
        }
        // Whoever planted the old id must not be signed in with it.
        self.session.cycle_id().await.map_err(unreadable)?;
        let credential = self.shop().admin_credential_name().await?;
        self.session
            .insert(ADMIN_KEY, credential)
            .await
            .map_err(unreadable)
    }

    /// Signs the administrator out and forgets the session.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] when the session cannot be written.
    pub async fn sign_out(&self) -> Result<(), ShopError> {
        self.session.flush().await.map_err(unreadable)
    }

    /// The notice for the page that was asked for; it is shown once.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] when the session cannot be read.
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

    /// Answers a form: on success leads to the page it names; on refusal back to the form, which then says why and still holds what
    /// was typed. A caller who is no browser gets the error with its status instead.
    ///
    /// # Errors
    /// The refusal itself, for the framework to encode.
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
            let path = self.page_of_form(&error);
            self.keep_notice(&path, &error, typed).await;
            leptos_axum::redirect(&path);
        } else {
            self.set_status(&error);
        }
        Err(error)
    }

    /// Gives the page the status of an error.
    pub fn set_status(&self, error: &ShopError) {
        if let Ok(status) = StatusCode::from_u16(error.status()) {
            self.response.set_status(status);
        }
        if let Some(retry_after_s) = error.retry_after_s() {
            self.response
                .insert_header(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
    }

    fn page_of_form(&self, error: &ShopError) -> String {
        if *error == ShopError::NotSignedIn {
            return "/admin/login".to_owned();
        }
        self.back.clone().unwrap_or_else(|| "/".to_owned())
    }

    /// A session that cannot be written leaves the page to say that the database is away.
    async fn keep_notice(&self, path: &str, error: &ShopError, typed: &[(&str, &str)]) {
        if error.status() == 503 && !matches!(error, ShopError::ProviderAway { .. }) {
            return;
        }
        let notice = Notice {
            path: path.split('?').next().unwrap_or_default().to_owned(),
            error: error.clone(),
            typed: typed
                .iter()
                .filter(|(_, value)| value.len() <= KEPT_FIELD_LEN_MAX)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        if let Ok(mut shopper) = self.shopper().await {
            shopper.notice = Some(notice);
            // `write` logs what it cannot do.
            let _ = self.write(&shopper).await;
        }
    }

    async fn shopper(&self) -> Result<Shopper, ShopError> {
        let shopper = self.session.get(SHOPPER_KEY).await.map_err(unreadable)?;
        Ok(shopper.unwrap_or_default())
    }

    async fn write(&self, shopper: &Shopper) -> Result<(), ShopError> {
        self.session
            .insert(SHOPPER_KEY, shopper)
            .await
            .map_err(unreadable)
    }
}

/// True if the administrator is signed in, with the password that is in force now.
///
/// # Errors
/// [`ShopError::Unavailable`] when session or password cannot be read.
pub async fn is_admin(session: &Session, shop: &Shop) -> Result<bool, ShopError> {
    let signed_in_with: Option<String> = session.get(ADMIN_KEY).await.map_err(unreadable)?;
    Ok(signed_in_with.is_some() && signed_in_with == shop.admin_credential_name().await?)
}

/// The path of the page that the form stood on. Only the path is taken, so that nobody is led elsewhere.
fn referring_path(parts: &Parts) -> Option<String> {
    let referer = parts.headers.get(header::REFERER)?.to_str().ok()?;
    let url = url::Url::parse(referer).ok()?;
    let path = url.path();
    (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
}

fn unreadable(error: tower_sessions::session::Error) -> ShopError {
    tracing::error!(%error, "the session could not be read or written");
    ShopError::Unavailable { retry_after_s: 2 }
}
