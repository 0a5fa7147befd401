//! A page that cannot be shown at the moment tries again by itself, with growing pauses and a
//! number in view. The header `Refresh` makes it do so, also without scripts.
//!
//! The number of the attempt is in the address, with the time for which it was planned: a link that
//! was copied during an outage begins with the first attempt.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};
use serde_json::Value;
use url::Url;

use super::{
    assets, html_text::escape, json::problem, request_path::path_of, security::accepts_html,
    sent_form::is_local,
};
use crate::metrics::http::class_of;

/// After so many attempts, the shopper decides.
const ATTEMPTS_MAX: u32 = 4;
/// The parameter of an address with the number of the attempt and its time.
const PARAMETER: &str = "retry";
/// How far from its time a number is valid, in seconds. It is a longer time than any pause.
const VALID_FOR_S: u64 = 120;
/// The longest pause, in seconds.
const PAUSE_MAX_S: u64 = 30;
/// The pause if a response does not suggest one, in seconds.
const PAUSE_S: u64 = 2;
/// The longest problem document.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

const REFRESH: HeaderName = HeaderName::from_static("refresh");
/// The page has a style, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// The attempts to show one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    attempt: u32,
    /// The address of the page, without the number.
    address: String,
}

impl Retry {
    /// Reads the number from the address of a request.
    pub fn of(uri: &Uri) -> Self {
        Self::at(uri, unix_s())
    }

    fn at(uri: &Uri, now_s: u64) -> Self {
        let query = uri.query().unwrap_or_default();
        let (numbers, others): (Vec<&str>, Vec<&str>) = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .partition(|pair| number_in(pair).is_some());
        let number = numbers.first().and_then(|pair| number_in(pair));
        let path = path_of(uri);
        let address = if others.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", others.join("&"))
        };
        Self {
            attempt: number.map_or(1, |number| attempt_in(number, now_s)),
            // It becomes a link and a redirection.
            address: if is_local(&address) {
                address
            } else {
                "/".to_owned()
            },
        }
    }

    /// What the page says about its attempts.
    pub fn sentence(&self) -> String {
        let attempt = self.attempt;
        if attempt < ATTEMPTS_MAX {
            format!("This page tries again by itself. Attempt {attempt} of {ATTEMPTS_MAX}.")
        } else {
            format!("Attempt {attempt} of {ATTEMPTS_MAX}. Try again in a few minutes.")
        }
    }

    /// The address with which the shopper begins again.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the seconds before the next attempt: twice as many after each one, and a random part
    /// more, so that a crowd does not return all at once. `None` after the last attempt.
    fn pause_s(&self, suggested_s: u64, random: impl FnOnce(u64) -> u64) -> Option<u64> {
        if self.attempt >= ATTEMPTS_MAX {
            return None;
        }
        let pause_s = suggested_s.max(1) << (self.attempt - 1);
        let pause_s = pause_s.min(PAUSE_MAX_S);
        Some(pause_s + random(pause_s.div_ceil(2)))
    }

    /// Returns the value of `Refresh` that leads to the next attempt.
    fn refresh(&self, pause_s: u64, now_s: u64) -> String {
        let separator = if self.address.contains('?') { '&' } else { '?' };
        let (next, at_s) = (self.attempt + 1, now_s + pause_s);
        let address = &self.address;
        format!("{pause_s}; url={address}{separator}{PARAMETER}={next}.{at_s}")
    }
}

fn number_in(pair: &str) -> Option<&str> {
    pair.strip_prefix(PARAMETER)?.strip_prefix('=')
}

/// Returns the attempt in a number such as `2.1764238000`, or 1 if its time is over.
fn attempt_in(number: &str, now_s: u64) -> u32 {
    let parsed = number.split_once('.').and_then(|(attempt, at_s)| {
        let (attempt, at_s): (u32, u64) = (attempt.parse().ok()?, at_s.parse().ok()?);
        let is_valid = (1..=ATTEMPTS_MAX).contains(&attempt) && at_s.abs_diff(now_s) <= VALID_FOR_S;
        is_valid.then_some(attempt)
    });
    parsed.unwrap_or(1)
}

fn unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Lets a browser's page try again after a 503. A problem, which a layer or a form answers with,
/// becomes a page.
pub async fn try_again(request: Request, next: Next) -> Response {
    let class = class_of(path_of(request.uri()));
    let is_page = *request.method() == Method::GET && matches!(class, "page" | "admin");
    let is_form = *request.method() == Method::POST && class == "form";
    if !(is_page || is_form) || !accepts_html(request.headers()) {
        return next.run(request).await;
    }
    let uri = request.uri().clone();
    let form_page = is_form.then(|| page_of_form(request.headers()));
    let response = next.run(request).await;
    if response.status() != StatusCode::SERVICE_UNAVAILABLE {
        return response;
    }
    match form_page {
        Some(page) => as_page(response, "The form was not sent.", &page, "Back").await,
        None => repeated(response, &Retry::of(&uri)).await,
    }
}

/// Adds the next attempt to the response of a page.
async fn repeated(response: Response, retry: &Retry) -> Response {
    let suggested_s = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
        .unwrap_or(PAUSE_S);
    let (sentence, address) = (retry.sentence(), retry.address());
    let mut response = as_page(response, &sentence, address, "Try again").await;
    let pause_s = retry.pause_s(suggested_s, |most| rand::random_range(0..=most));
    let refresh = pause_s.map(|pause_s| retry.refresh(pause_s, unix_s()));
    // A local address consists of characters that a header may contain.
    if let Some(Ok(refresh)) = refresh.map(|refresh| HeaderValue::from_str(&refresh)) {
        response.headers_mut().insert(REFRESH, refresh);
    }
    response
}

/// Returns the page from which a form was sent, if the browser names it.
fn page_of_form(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER);
    let url = referer.and_then(|referer| Url::parse(referer.to_str().ok()?).ok());
    let path = url.map(|url| url.path().to_owned());
    path.filter(|path| is_local(path))
        .unwrap_or_else(|| "/".to_owned())
}

/// Writes a problem as a page; any other response is one already.
async fn as_page(response: Response, sentence: &str, address: &str, label: &str) -> Response {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    if media_type.is_none_or(|media_type| media_type != problem::MEDIA_TYPE) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    parts.headers.insert(header::CONTENT_TYPE, html);
    parts
        .headers
        .insert(header::CONTENT_SECURITY_POLICY, POLICY);
    let document = document(detail, sentence, address, label);
    Response::from_parts(parts, Body::from(document))
}

fn document(detail: &str, sentence: &str, address: &str, label: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Please try again – Doorbuster</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"stylesheet\" href=\"{style}\"></head><body>\
         <main class=\"page\" id=\"main\"><article class=\"shutter-page\">\
         <div class=\"shutter-page__slats\" aria-hidden=\"true\"></div>\
         <div class=\"shutter-page__text\"><h1>The shop is unavailable for a moment</h1>\
         <p class=\"page-head__lead\">{detail}</p><p role=\"status\">{sentence}</p>\
         <p class=\"shutter-page__actions\"><a class=\"btn btn--primary\" href=\"{address}\">{label}</a></p>\
         </div></article></main></body></html>",
        style = assets::href("doorbuster.css"),
        detail = escape(detail),
        sentence = escape(sentence),
        address = escape(address),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn retry(address: &str) -> Retry {
        Retry::at(&address.parse().expect("an address"), NOW_S)
    }

    #[test]
    fn the_attempt_is_read_from_the_address_and_removed_from_it() {
        for (address, attempt, clean) in [
            ("/", 1, "/"),
            ("/search?q=a&page=2", 1, "/search?q=a&page=2"),
            ("/cart?retry=2.1800000000", 2, "/cart"),
            (
                "/search?q=a&retry=3.1799999990&page=2",
                3,
                "/search?q=a&page=2",
            ),
            ("/cart?retry=4.1800000120", 4, "/cart"),
            // Its time is over, or it is none of ours.
            ("/cart?retry=3.1799999879", 1, "/cart"),
            ("/cart?retry=5.1800000000", 1, "/cart"),
            ("/cart?retry=0.1800000000", 1, "/cart"),
            ("/cart?retry=x", 1, "/cart"),
            ("/cart?retry=-1.", 1, "/cart"),
            (
                "/cart?retrying=2.1800000000",
                1,
                "/cart?retrying=2.1800000000",
            ),
            ("//other.test/", 1, "/"),
        ] {
            let read = retry(address);
            assert_eq!(
                (read.attempt, read.address()),
                (attempt, clean),
                "{address}"
            );
        }
    }

    #[test]
    fn pauses_double_and_end_after_the_last_attempt() {
        let mut next = retry("/search?q=a");
        let mut pauses = Vec::new();
        while let Some(pause_s) = next.pause_s(2, |_| 0) {
            pauses.push(pause_s);
            let refresh = next.refresh(pause_s, NOW_S);
            let (seconds, address) = refresh.split_once("; url=").expect("two parts");
            assert_eq!(seconds, pause_s.to_string());
            next = Retry::at(&address.parse().expect("an address"), NOW_S + pause_s);
            assert_eq!(next.address(), "/search?q=a");
        }
        assert_eq!(pauses, [2, 4, 8]);
        assert_eq!(
            next.sentence(),
            "Attempt 4 of 4. Try again in a few minutes."
        );
    }

    #[test]
    fn a_crowd_does_not_return_all_at_once_and_no_pause_is_endless() {
        let third = retry("/?retry=3.1800000000");
        assert_eq!(third.pause_s(2, |most| most), Some(12));
        assert_eq!(third.pause_s(1_000, |most| most), Some(45));
        assert_eq!(third.pause_s(0, |_| 0), Some(4));
        assert!(third.sentence().ends_with("Attempt 3 of 4."));
    }

    #[test]
    fn no_text_can_leave_its_place_in_the_page() {
        let page = document("<script>", "\"", "/search?q=\"'&a", "Back");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(
            page.contains("href=\"/search?q=&quot;&#39;&amp;a\">Back"),
            "{page}"
        );
    }
}
