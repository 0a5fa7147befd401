//! A visit: one HTTP request together with its session.
//!
//! Only this file knows the contents of a session. The session stores the cart's id and not the
//! cart, because a session is last-write-wins as a whole.

mod keys;
mod notices;
pub mod reader;

pub use notices::{Notice, PROBLEM_IN, cookies_page};

use std::net::IpAddr;

use axum::http::{HeaderValue, header, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};
use tower_sessions::{Expiry, Session, cookie::time::Duration};
use uuid::Uuid;

use super::{
    AppState,
    audience::Audience,
    audits,
    client_address::client_address,
    cookies::Cookie,
    health::{Health, readers::ReadsOn},
    maintenance::old_data::RetentionReport,
    rate_limit::network_of,
    request_path::path_of,
    resumption::Resumption,
    security::accepts_html,
    sent_form::SentForm,
    shared_catalog::SharedCatalog,
    visitor::{self, SentCookies},
};
use crate::{
    db::session_store::CHOSEN_ID_KEY,
    model::ShopError,
    shop::{
        Shop, administrator::Administrator, cart::CheckoutDraft, guess_counts::GuessKind,
        holds::HolderAddress,
    },
    simulation::{Engine, LiveRuns},
};

const SHOPPER_KEY: &str = "shopper";
const ADMIN_KEY: &str = "admin";
/// A session that never comes back expires this long after its first request.
const UNSEEN_SESSION_TTL: Duration = Duration::days(1);

/// The session data of a shopper.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shopper {
    cart_id: Option<Uuid>,
    notice: Option<Notice>,
    /// Whether the session came back after the request that started it.
    #[serde(default)]
    seen_again: bool,
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
    /// What the form says about its page, if the request is a form.
    form: SentForm,
    /// The page before this request, as the browser names it.
    referrer: Option<String>,
    cookies: SentCookies,
    /// The `Idempotency-Key` header, which programs send instead of a form field.
    key: Option<String>,
    accepts_html: bool,
    /// The request may read the figures, although its session cannot be read.
    reads_on: Option<ReadsOn>,
    address: IpAddr,
    /// The notice of a visitor without a session.
    notice: Option<Notice>,
    resumption: Option<Resumption>,
    /// What was typed into a checkout form whose session has ended.
    draft: Option<CheckoutDraft>,
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
        let address = client_address(&parts.headers, &parts.extensions, &state.trusted_proxies);
        let holder = HolderAddress::new(network_of(address));
        Ok(Self {
            shop: state.shop.clone().for_holder(holder),
            session,
            response: use_context().unwrap_or_default(),
            path: path_of(&parts.uri).to_owned(),
            form: parts.extensions.get().cloned().unwrap_or_default(),
            referrer: notices::referring_path(&parts),
            cookies: parts.extensions.get().cloned().unwrap_or_default(),
            key: parts
                .headers
                .get("idempotency-key")
                .map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
            accepts_html: accepts_html(&parts.headers),
            reads_on: parts.extensions.get().copied(),
            address,
            notice: Cookie::Notice.load(&parts.headers, state.secure),
            resumption: Cookie::Resumption.load(&parts.headers, state.secure),
            draft: Cookie::Contact.load(&parts.headers, state.secure),
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
        audits::run_now(&self.state.audit_db, self.state.shop.gate()).await
    }

    /// Returns the health of this server.
    pub fn health(&self) -> &Health {
        &self.state.health
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

    /// Returns the id of a cart that this visitor does not have yet. It follows from their session,
    /// or from the session that they are about to have: the forms of two windows, sent at the same
    /// moment, create one cart.
    pub fn id_of_new_cart(&self) -> Uuid {
        let secret = &self.state.payment_secret;
        let session = self.session.id().map(|id| id.0);
        session
            .or_else(|| self.cookies.first_session_id(secret))
            .map_or_else(Uuid::now_v7, |id| visitor::cart_id_of_session(secret, id))
    }

    /// Returns true if the browser sent a cookie of the shop.
    pub const fn sends_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Returns the error for a form that needs the visitor's cart, if they have none.
    pub fn missing_cart(&self) -> ShopError {
        let had_session = self.cookies.session || self.form.had_cookie;
        if self.session.id().is_none() && had_session {
            ShopError::SessionEnded
        } else {
            ShopError::CartEmpty
        }
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
            self.choose_session_id().await?;
        }
        shopper.cart_id = Some(cart_id);
        self.write(&shopper).await
    }

    /// Lets the new session have the id that follows from the visitor's cookie.
    async fn choose_session_id(&self) -> Result<(), ShopError> {
        let secret = &self.state.payment_secret;
        let Some(id) = self.cookies.first_session_id(secret) else {
            return Ok(());
        };
        self.session
            .insert(CHOSEN_ID_KEY, id.to_string())
            .await
            .map_err(session_error)
    }

    /// Keeps what was typed into a checkout form whose session has ended in the browser, for the
    /// next checkout. The server stores nothing.
    pub fn keep_draft(&self, draft: &CheckoutDraft) {
        self.set_cookie(Cookie::Contact.store(draft, self.state.secure));
    }

    /// Returns what [`Visit::keep_draft`] has kept. A visitor can write it.
    pub fn kept_draft(&self) -> Option<CheckoutDraft> {
        self.draft.clone()
    }

    /// Removes what [`Visit::keep_draft`] has kept.
    pub fn forget_draft(&self) {
        if self.draft.is_some() {
            self.set_cookie(Cookie::Contact.remove(self.state.secure));
        }
    }

    fn set_cookie(&self, cookie: Option<HeaderValue>) {
        if let Some(cookie) = cookie {
            self.response.append_header(header::SET_COOKIE, cookie);
        }
    }

    /// Runs an attempt that may be a guess of a discount code. Only a wrong guess counts against
    /// the visitor's address.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong guesses; the errors of `attempt`.
    pub async fn limit_wrong_guesses<T>(
        &self,
        attempt: impl Future<Output = Result<T, ShopError>>,
    ) -> Result<T, ShopError> {
        self.state.limits.check_guess(self.address)?;
        let (counts, network) = (self.shop().guess_counts(), network_of(self.address));
        counts.check(GuessKind::OrderOrCode, network).await?;
        let result = attempt.await;
        // The count in the database has the same bound. Each transaction waits for the one before
        // it, and further ones would only keep connections from shoppers who pay.
        if let Err(ShopError::CodeUnknown(_)) = &result
            && self.state.limits.count_wrong_guess(self.address)
        {
            counts.add(GuessKind::OrderOrCode, network).await?;
        }
        result
    }

    /// Runs an attempt that may be a guess of an order number. It counts as a wrong guess until it
    /// has turned out to be right.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong guesses; the errors of `attempt`.
    pub async fn limit_order_guesses<T>(
        &self,
        attempt: impl Future<Output = Result<T, ShopError>>,
    ) -> Result<T, ShopError> {
        let counted =
            self.count_until_right(GuessKind::OrderOrCode, attempt, &ShopError::UnknownOrder);
        self.limit_link_guesses(counted).await
    }

    /// The same for a link to orders, which each server counts by itself: a page that is read
    /// writes nothing, and a signature cannot be found by guessing.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong guesses; the errors of `attempt`.
    pub async fn limit_link_guesses<T>(
        &self,
        attempt: impl Future<Output = Result<T, ShopError>>,
    ) -> Result<T, ShopError> {
        self.state.limits.start_order_guess(self.address)?;
        let result = attempt.await;
        if !matches!(&result, Err(ShopError::UnknownOrder)) {
            self.state.limits.forgive_order_guess(self.address);
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
        let check = async {
            let administrators = self.shop().administrators();
            let administrator = administrators.check_password(password).await?;
            administrator.ok_or(ShopError::WrongPassword)
        };
        let checked = self
            .count_until_right(GuessKind::Password, check, &ShopError::WrongPassword)
            .await;
        if !matches!(checked, Err(ShopError::WrongPassword)) {
            self.state.limits.forgive_login(self.address);
        }
        self.store_sign_in(&checked?).await
    }

    /// Runs an attempt that all servers count as a wrong guess, unless it ends otherwise than with
    /// the error `wrong`.
    async fn count_until_right<T>(
        &self,
        kind: GuessKind,
        attempt: impl Future<Output = Result<T, ShopError>>,
        wrong: &ShopError,
    ) -> Result<T, ShopError> {
        let (counts, network) = (self.shop().guess_counts(), network_of(self.address));
        counts.count(kind, network).await?;
        let result = attempt.await;
        if result.as_ref().err() != Some(wrong) {
            counts.forgive(kind, network).await?;
        }
        result
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
        if let Some(id) = self.session.id() {
            self.state.health.readers().ended(id);
        }
        self.session.flush().await.map_err(session_error)
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
    administrator_with(signed_in_with.as_deref(), shop).await
}

/// Returns the administrator if a session that stores this `credential` is theirs.
async fn administrator_with(
    credential: Option<&str>,
    shop: &Shop,
) -> Result<Option<Administrator>, ShopError> {
    shop.administrators().of_signed_in_session(credential).await
}

fn session_error(error: tower_sessions::session::Error) -> ShopError {
    tracing::error!(%error, "could not read or write the session");
    ShopError::Unavailable { retry_after_s: 2 }
}
