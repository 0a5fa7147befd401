//! A limit for all cookies of the shop together. Each of them may be almost as large as a browser
//! allows, and servers between the browser and the shop refuse a request whose headers exceed 8 kB:
//! the visitor could not open any page any more.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::{AppState, cookies::Cookie};

/// Maximum length of the shop's cookies in a request, in bytes. The other headers of a browser have
/// the rest of 8 kB.
pub const COOKIES_LEN_MAX: usize = 6_000;

/// The cookies that may be dropped, the least important first. The notice says what happened to the
/// form that was just sent.
const DROPPED_FIRST: [Cookie; 3] = [Cookie::Contact, Cookie::Resumption, Cookie::Notice];

/// A cookie as the browser will send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    cookie: Cookie,
    /// Of name, value and what separates them.
    len: usize,
    /// True if the response sets it; false if the browser had it before.
    is_new: bool,
}

/// Lets a response drop cookies, so that the browser's next request has at most
/// [`COOKIES_LEN_MAX`] bytes of them. What an earlier page stored is dropped before what this
/// response stores.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let sent = sent(request.headers(), state.secure);
    let mut response = next.run(request).await;
    let held = after(&sent, response.headers(), state.secure);
    for cookie in surplus(held) {
        drop_cookie(response.headers_mut(), cookie, state.secure);
    }
    response
}

fn held(cookie: Cookie, value: &str, secure: bool, is_new: bool) -> Held {
    Held {
        cookie,
        len: cookie.name(secure).len() + "=".len() + value.len() + "; ".len(),
        is_new,
    }
}

/// The shop's cookies in a request.
fn sent(headers: &HeaderMap, secure: bool) -> Vec<Held> {
    Cookie::ALL
        .into_iter()
        .filter_map(|cookie| {
            let value = cookie.read(headers, secure)?;
            Some(held(cookie, value, secure, false))
        })
        .collect()
}

/// The shop's cookies that the browser has after the response.
fn after(sent: &[Held], response: &HeaderMap, secure: bool) -> Vec<Held> {
    let mut kept = sent.to_vec();
    for set in response.get_all(header::SET_COOKIE) {
        let Some((cookie, value)) = cookie_of(set, secure) else {
            continue;
        };
        kept.retain(|held| held.cookie != cookie);
        // A cookie is removed with an empty value.
        if !value.is_empty() {
            kept.push(held(cookie, value, secure, true));
        }
    }
    kept
}

/// The cookie of the shop that a `Set-Cookie` header sets, and its value.
fn cookie_of(set: &HeaderValue, secure: bool) -> Option<(Cookie, &str)> {
    let pair = set.to_str().ok()?.split(';').next()?;
    let (name, value) = pair.split_once('=')?;
    let cookie = Cookie::ALL
        .into_iter()
        .find(|cookie| cookie.name(secure) == name)?;
    Some((cookie, value))
}

/// Returns the cookies to drop.
fn surplus(mut held: Vec<Held>) -> Vec<Cookie> {
    let rank = |cookie: Cookie| DROPPED_FIRST.iter().position(|first| *first == cookie);
    held.sort_by_key(|held| (held.is_new, rank(held.cookie)));
    let mut len: usize = held.iter().map(|held| held.len).sum();
    let mut dropped = Vec::new();
    for held in held {
        if len > COOKIES_LEN_MAX && rank(held.cookie).is_some() {
            len -= held.len;
            dropped.push(held.cookie);
        }
    }
    dropped
}

/// Removes a cookie from the browser, instead of setting it if the response does that.
fn drop_cookie(headers: &mut HeaderMap, cookie: Cookie, secure: bool) {
    let others: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter(|set| cookie_of(set, secure).is_none_or(|(other, _)| other != cookie))
        .cloned()
        .collect();
    headers.remove(header::SET_COOKIE);
    for set in others.into_iter().chain(cookie.remove(secure)) {
        headers.append(header::SET_COOKIE, set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters of each length in UTF-8, among them a letter that is written from right to left,
    /// and marks that combine.
    const SCRIPTS: [&str; 6] = ["x", "ق", "e\u{301}", "字", "ไ\u{e48}", "𐐷"];

    fn response(cookies: &[(Cookie, &str)], secure: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (cookie, text) in cookies {
            let set = cookie.store(text, secure);
            headers.append(header::SET_COOKIE, set.expect("it is not too large"));
        }
        headers
    }

    /// Returns the headers of the next request of a browser that had the cookies of `request`.
    fn next_request(request: &HeaderMap, response: &HeaderMap, secure: bool) -> HeaderMap {
        let mut pairs: Vec<(String, String)> = Cookie::ALL
            .into_iter()
            .filter_map(|cookie| {
                let value = cookie.read(request, secure)?;
                Some((cookie.name(secure).to_owned(), value.to_owned()))
            })
            .collect();
        for set in response.get_all(header::SET_COOKIE) {
            let text = set.to_str().expect("text");
            let (name, value) = text
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a pair");
            pairs.retain(|(other, _)| other != name);
            if !value.is_empty() {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        let cookies: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut headers = HeaderMap::new();
        let cookies = HeaderValue::try_from(cookies.join("; ")).expect("a header");
        headers.insert(header::COOKIE, cookies);
        headers
    }

    /// Applies the limit as [`limit`] does, and returns the headers of the next request.
    fn limited(request: &HeaderMap, mut response: HeaderMap, secure: bool) -> HeaderMap {
        for cookie in surplus(after(&sent(request, secure), &response, secure)) {
            drop_cookie(&mut response, cookie, secure);
        }
        next_request(request, &response, secure)
    }

    fn has(headers: &HeaderMap, cookie: Cookie, secure: bool) -> bool {
        cookie.read(headers, secure).is_some()
    }

    /// The longest text of a script whose cookie is stored.
    fn longest(letter: &str, secure: bool) -> String {
        let mut text = String::new();
        loop {
            let longer = format!("{text}{letter}");
            if Cookie::Contact.store(&longer, secure).is_none() {
                return text;
            }
            text = longer;
        }
    }

    #[test]
    fn the_longest_values_in_every_script_stay_below_the_limit() {
        for secure in [false, true] {
            for letter in SCRIPTS {
                let text = longest(letter, secure);
                let mut request = HeaderMap::new();
                for cookie in [
                    Cookie::Resumption,
                    Cookie::Contact,
                    Cookie::Notice,
                    Cookie::Resumption,
                ] {
                    let mut set = response(&[(cookie, text.as_str())], secure);
                    let session = Cookie::Session.set(&"s".repeat(22), secure);
                    set.append(header::SET_COOKIE, session.expect("a cookie"));
                    request = limited(&request, set, secure);
                    let len = request[header::COOKIE].len();
                    assert!(len <= COOKIES_LEN_MAX, "{letter} {cookie:?}: {len}");
                    assert!(has(&request, cookie, secure), "{letter}: the newest stays");
                    assert!(has(&request, Cookie::Session, secure), "{letter}");
                }
            }
        }
    }

    #[test]
    fn cookies_that_fit_are_kept() {
        let text = "x".repeat(1_000);
        let text = text.as_str();
        let set = response(
            &[
                (Cookie::Contact, text),
                (Cookie::Resumption, text),
                (Cookie::Notice, text),
            ],
            false,
        );
        assert!(surplus(after(&[], &set, false)).is_empty());
    }

    #[test]
    fn the_least_important_of_the_older_ones_is_dropped_first() {
        let of = |cookie, len, is_new| Held {
            cookie,
            len,
            is_new,
        };
        let (old, new) = (false, true);
        for (held, expected) in [
            (
                vec![
                    of(Cookie::Notice, 2_500, old),
                    of(Cookie::Resumption, 2_500, old),
                    of(Cookie::Contact, 2_500, old),
                ],
                vec![Cookie::Contact],
            ),
            (
                vec![
                    of(Cookie::Notice, 2_500, new),
                    of(Cookie::Resumption, 2_500, old),
                    of(Cookie::Contact, 2_500, new),
                ],
                vec![Cookie::Resumption],
            ),
            (
                vec![
                    of(Cookie::Session, 4_000, old),
                    of(Cookie::Visitor, 1_500, old),
                    of(Cookie::Notice, 600, new),
                    of(Cookie::Contact, 600, old),
                ],
                vec![Cookie::Contact, Cookie::Notice],
            ),
        ] {
            assert_eq!(surplus(held), expected);
        }
    }
}
