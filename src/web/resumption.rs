//! The admin page that a visitor asked for without being signed in, and what they had typed there.
//! It is kept in a cookie until they have signed in; a link cannot set it.

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    cookies::Cookie,
    request_path::address_of,
    security::{BODY_BYTES_MAX, FORM_PREFIX, is_admin_only},
    sent_form::{COOKIE_FIELD, PAGE_FIELD, is_local},
};

/// Where the sign-in page is.
pub const SIGN_IN_PAGE: &str = "/admin/login";
/// Fields that are not typed: a new page has others.
const NOT_TYPED: [&str; 3] = [PAGE_FIELD, COOKIE_FIELD, "idempotency_key"];

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// The address of an admin page.
    pub page: String,
    /// The fields of the form that was rejected; none if the page was only requested.
    pub typed: Option<Vec<(String, String)>>,
}

impl Resumption {
    /// Returns the page to resume if it is one that requires the sign-in.
    pub fn checked(self) -> Option<Self> {
        let path = self.page.split('?').next().unwrap_or_default();
        let is_page =
            is_admin_only(path) && !path.starts_with("/api/") && !path.starts_with("/live/");
        (is_page && is_local(&self.page)).then_some(self)
    }

    async fn of(request: Request) -> Option<Self> {
        if request.method() == Method::GET {
            let page = address_of(request.uri());
            return Self { page, typed: None }.checked();
        }
        if !address_of(request.uri()).starts_with(FORM_PREFIX) {
            return None;
        }
        let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.ok()?;
        let mut page = None;
        let mut typed = Vec::new();
        for (name, value) in url::form_urlencoded::parse(&body) {
            if name == PAGE_FIELD {
                page = Some(value.into_owned());
            } else if !NOT_TYPED.contains(&&*name) {
                typed.push((name.into_owned(), value.into_owned()));
            }
        }
        let typed = Some(as_shown_again(typed));
        Self { page: page?, typed }.checked()
    }

    fn cookie(&self, secure: bool) -> Option<HeaderValue> {
        Cookie::Resumption.store(self, secure).or_else(|| {
            let short = Self {
                page: self.page.clone(),
                typed: self.typed.as_ref().map(|_| Vec::new()),
            };
            Cookie::Resumption.store(&short, secure)
        })
    }
}

fn is_strategy(field: &(String, String)) -> bool {
    field.0 == "strategy"
}

/// Gives the fields the names under which their pages show them again, where those differ.
fn as_shown_again(mut typed: Vec<(String, String)>) -> Vec<(String, String)> {
    if typed.iter().any(|(name, _)| name == "counted") {
        for (name, _) in &mut typed {
            if *name == "product_id" {
                "counted_product_id".clone_into(name);
            }
        }
    }
    let chosen: Vec<_> = typed.iter().filter(|field| is_strategy(field)).collect();
    if !chosen.is_empty() {
        let keys: Vec<_> = chosen.iter().map(|(_, key)| key.as_str()).collect();
        let keys = keys.join(",");
        typed.retain(|field| !is_strategy(field));
        typed.push(("strategies".to_owned(), keys));
    }
    typed
}

/// Redirects a browser to the sign-in page, which resumes the request's page afterwards.
pub async fn redirect_to_sign_in(request: Request, secure: bool) -> Response {
    let cookie = Resumption::of(request)
        .await
        .and_then(|resumption| resumption.cookie(secure));
    let mut response = Redirect::to(SIGN_IN_PAGE).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn resumption(method: Method, uri: &str, body: &'static str) -> Option<Resumption> {
        let request = Request::builder().method(method).uri(uri);
        Resumption::of(request.body(Body::from(body)).ok()?).await
    }

    #[tokio::test]
    async fn a_page_and_a_form_are_resumed_and_a_stream_is_not() {
        let page = resumption(Method::GET, "/admin/stepper?story=a", "").await;
        let page = page.as_ref();
        assert_eq!(
            page.map(|page| page.page.as_str()),
            Some("/admin/stepper?story=a")
        );
        let form = resumption(
            Method::POST,
            "/api/form/admin/receive",
            "idempotency_key=k&from_page=%2Fadmin%2Fstock&quantity=5",
        )
        .await;
        let expected = Resumption {
            page: "/admin/stock".to_owned(),
            typed: Some(vec![("quantity".to_owned(), "5".to_owned())]),
        };
        assert_eq!(form, Some(expected));
        for (method, uri, body) in [
            (Method::GET, "/live/simulations/1", ""),
            (Method::POST, "/api/form/admin/receive", "quantity=5"),
            (
                Method::POST,
                "/api/form/admin/receive",
                "from_page=//evil.test",
            ),
            (Method::POST, "/api/form/admin/receive", "from_page=/cart"),
        ] {
            assert_eq!(resumption(method, uri, body).await, None, "{uri} {body}");
        }
    }
}
