//! `GET /live/all?follow=/live/stock?products=1&follow=/live/orders/…`: several streams in one,
//! for all windows of a browser.
//!
//! Each `follow` is the address of another stream. Its events arrive as events `follow`, whose
//! first line has the number of the stream, from 0, and the name of the event; the data follow.
//! The event `end` has the number of a stream that is over, and whether it was `refused` or has
//! `ended`.

use std::{collections::HashSet, convert::Infallible};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, Request, State},
    http::{HeaderValue, header},
    middleware,
    response::Response,
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tower_sessions::Session;

use super::{frame::Frame, response};
use crate::{
    model::ShopError,
    web::{AppState, admin_access, json::problem::Problem},
};

/// Maximum number of streams in one.
const STREAMS_MAX: usize = 32;
const END_OF_FRAME: &[u8] = b"\n\n";
const EVENT_FIELD: &[u8] = b"event: ";

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let addresses = addresses(query.as_deref().unwrap_or_default())?;
    let router = router(&state);
    let mut streams = Vec::with_capacity(addresses.len());
    for (number, address) in addresses.into_iter().enumerate() {
        streams.push(numbered(number, open(&router, &session, &address).await));
    }
    let all = stream::select_all(streams).map(Ok::<_, Infallible>);
    Ok(response(Body::from_stream(all)))
}

/// The other streams, with their access control.
fn router(state: &AppState) -> Router {
    let mut router = Router::new();
    for (path, handler) in super::single_routes() {
        router = router.route(path, handler);
    }
    router
        .layer(middleware::from_fn_with_state(
            state.clone(),
            admin_access::require_admin,
        ))
        .with_state(state.clone())
}

fn addresses(query: &str) -> Result<Vec<String>, ShopError> {
    let followed: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "follow")
        .map(|(_, address)| address.into_owned())
        .collect();
    let are_valid = followed.iter().all(|address| address.starts_with("/live/"));
    // A stream that is followed twice would only be work.
    let different: HashSet<&String> = followed.iter().collect();
    let number = different.len();
    if number != followed.len() || !(1..=STREAMS_MAX).contains(&number) || !are_valid {
        return Err(ShopError::Invalid(format!(
            "follow must be given 1 to {STREAMS_MAX} times, each time with the address of a different stream"
        )));
    }
    Ok(followed)
}

/// Returns the body of a stream, or why it has none.
async fn open(router: &Router, session: &Session, address: &str) -> Result<Body, Ended> {
    let mut request = Request::get(address)
        .header(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        )
        .body(Body::empty())
        .map_err(|_| Ended::Refused)?;
    request.extensions_mut().insert(session.clone());
    let called = TowerToHyperService::new(router.clone()).call(request).await;
    let Ok(response) = called;
    match response.status() {
        status if status.is_success() => Ok(response.into_body()),
        status if status.is_client_error() && status.as_u16() != 429 => Err(Ended::Refused),
        _ => Err(Ended::Over),
    }
}

/// Why a stream has no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There is no such stream, or the visitor may not follow it.
    Refused,
    /// It is over, or cannot be read at the moment.
    Over,
}

impl Ended {
    fn frame(self, number: usize) -> Bytes {
        let reason = match self {
            Self::Refused => "refused",
            Self::Over => "ended",
        };
        Frame::text("end", &format!("{number} {reason}")).bytes()
    }
}

/// Returns the events of a stream with its number.
fn numbered(number: usize, opened: Result<Body, Ended>) -> BoxStream<'static, Bytes> {
    let body = match opened {
        Ok(body) => body,
        Err(ended) => return stream::iter([ended.frame(number)]).boxed(),
    };
    let mut rest = Vec::new();
    body.into_data_stream()
        .filter_map(|chunk| std::future::ready(chunk.ok()))
        .map(move |chunk| {
            rest.extend_from_slice(&chunk);
            renumber(number, &mut rest)
        })
        .chain(stream::iter([Ended::Over.frame(number)]))
        .boxed()
}

/// Removes the complete frames from `rest` and returns them with the number of their stream.
fn renumber(number: usize, rest: &mut Vec<u8>) -> Bytes {
    let mut renumbered = Vec::with_capacity(rest.len() + 32);
    while let Some(end) = find(rest, END_OF_FRAME) {
        let frame: Vec<u8> = rest.drain(..end + END_OF_FRAME.len()).collect();
        match frame.strip_prefix(EVENT_FIELD) {
            Some(named) => {
                renumbered.extend_from_slice(b"event: follow\ndata: ");
                renumbered.extend_from_slice(number.to_string().as_bytes());
                renumbered.push(b' ');
                renumbered.extend_from_slice(named);
            }
            // A comment.
            None => renumbered.extend_from_slice(&frame),
        }
    }
    renumbered.into()
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len())
        .position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_gets_the_number_of_its_stream_and_keeps_its_data() {
        let mut rest = b"event: order\ndata: open\ndata: ok\n\n:\n\nevent: st".to_vec();
        assert_eq!(
            &*renumber(3, &mut rest),
            b"event: follow\ndata: 3 order\ndata: open\ndata: ok\n\n:\n\n"
        );
        rest.extend_from_slice(b"ock\ndata: 1:4\n\n");
        assert_eq!(
            &*renumber(0, &mut rest),
            b"event: follow\ndata: 0 stock\ndata: 1:4\n\n"
        );
        assert!(rest.is_empty());
    }

    #[test]
    fn only_addresses_of_streams_can_be_followed() {
        let two =
            addresses("follow=%2Flive%2Fstock%3Fproducts%3D1%2C2&follow=%2Flive%2Forders%2Fa");
        assert_eq!(
            two,
            Ok(vec![
                "/live/stock?products=1,2".to_owned(),
                "/live/orders/a".to_owned()
            ])
        );
        let many: Vec<_> = (0..=STREAMS_MAX)
            .map(|number| format!("follow=/live/{number}"))
            .collect();
        let many = many.join("&");
        for query in [
            "",
            "follow=",
            "follow=/admin",
            "follow=https://evil.test",
            "follow=/live/stock&follow=/live/stock",
            &many,
        ] {
            assert!(addresses(query).is_err(), "{query}");
        }
    }
}
