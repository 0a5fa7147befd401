//! The identity of a browser that has no session yet.
//!
//! A page with a form sets a signed random cookie, for which nothing is stored. The id of the first
//! session is derived from it, and the id of the cart from that of the session: two windows that
//! send their first form at the same moment meet in one session and one cart. The session's cookie
//! replaces this one. A sign-in never uses a derived id.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use uuid::Uuid;

use super::{AppState, cookies::Cookie, sent_form::SentForm, signed_tokens::Purpose};

/// A header between a page and [`identify`], which removes it: the page has a form.
pub const HAS_FORM: HeaderName = HeaderName::from_static("x-doorbuster-form");

const VISITOR: Purpose = Purpose("visitor");
const SESSION: Purpose = Purpose("session of visitor");
const CART: Purpose = Purpose("cart of session");

/// The cookies of the shop that a request carries.
#[derive(Clone, Debug, Default)]
pub struct SentCookies {
    /// The signed token of the visitor.
    visitor: Option<String>,
    /// True if the browser sent the cookie of a session, which may have ended.
    pub session: bool,
}

impl SentCookies {
    fn of(headers: &HeaderMap, state: &AppState) -> Self {
        let token = Cookie::Visitor.read(headers, state.secure);
        Self {
            visitor: token
                .filter(|token| VISITOR.is_issued(&state.payment_secret, token))
                .map(ToOwned::to_owned),
            session: Cookie::Session.read(headers, state.secure).is_some(),
        }
    }

    /// True if the browser sent neither cookie: this is its first request, or it blocks cookies.
    pub const fn is_empty(&self) -> bool {
        self.visitor.is_none() && !self.session
    }

    /// True if the browser sends nothing back: it received a cookie with the page of `form`. A
    /// program, which has no page, may send a form without a cookie.
    pub fn are_blocked(&self, form: &SentForm) -> bool {
        self.is_empty() && form.page.is_some() && !form.had_cookie
    }

    /// Returns the id of the session that this visitor's first form creates.
    pub fn first_session_id(&self, secret: &str) -> Option<i128> {
        let token = self.visitor.as_deref()?;
        Some(i128::from_le_bytes(SESSION.derive(secret, token)))
    }
}

/// Returns the id of the cart that a session creates.
pub fn cart_id_of_session(secret: &str, session_id: i128) -> Uuid {
    let bytes = CART.derive(secret, &session_id.to_string());
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Gives a browser without any cookie its identity when it views a page with a form, and takes it
/// back when the browser receives a session.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let sent = SentCookies::of(request.headers(), &state);
    request.extensions_mut().insert(sent.clone());
    let mut response = next.run(request).await;
    let has_form = response.headers_mut().remove(HAS_FORM).is_some();
    if let Some(cookie) = cookie_for(&sent, has_form, response.headers(), &state) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn cookie_for(
    sent: &SentCookies,
    has_form: bool,
    response: &HeaderMap,
    state: &AppState,
) -> Option<HeaderValue> {
    let has_session = match session_cookie(response, state.secure) {
        Some(value) => !value.is_empty(),
        None => sent.session,
    };
    match (&sent.visitor, has_session) {
        (Some(_), true) => Cookie::Visitor.remove(state.secure),
        (None, false) if has_form => {
            Cookie::Visitor.set(&VISITOR.issue(&state.payment_secret), state.secure)
        }
        _ => None,
    }
}

/// Returns the value of the session's cookie that a response sets; it is empty if the response
/// removes the cookie.
fn session_cookie(response: &HeaderMap, secure: bool) -> Option<&str> {
    response
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .filter_map(|cookie| cookie.split(';').next()?.split_once('='))
        .find_map(|(name, value)| (name == Cookie::Session.name(secure)).then_some(value))
}
