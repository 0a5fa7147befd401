//! What one connection does at the moment, and by when its client has to act.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::{limits::ConnectionLimits, registry::Slot};

/// The state of a connection. The service, the stream and the response body report to it.
#[derive(Debug)]
pub struct Activity {
    slot: Slot,
    limits: ConnectionLimits,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// Since when that is.
    since: Instant,
    /// Since when the client has accepted no byte of a response.
    blocked_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The headers of a request are incomplete.
    AwaitingHeaders,
    /// A request is being served.
    Serving,
    /// The client may send another request.
    Idle,
}

impl Activity {
    /// Describes a new connection, which has sent nothing yet.
    pub fn new(slot: Slot, limits: ConnectionLimits) -> Self {
        Self {
            slot,
            limits,
            state: Mutex::new(State {
                phase: Phase::AwaitingHeaders,
                since: Instant::now(),
                blocked_since: None,
            }),
        }
    }

    /// The headers of a request are complete.
    pub fn request_started(self: &Arc<Self>) -> ServedRequest {
        self.state().enter(Phase::Serving);
        self.slot.request_started();
        ServedRequest(Arc::clone(self))
    }

    fn request_ended(&self) {
        self.state().enter(Phase::Idle);
        self.slot.request_ended();
    }

    /// The client has sent bytes.
    pub fn bytes_received(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::AwaitingHeaders);
        }
    }

    /// The client has accepted bytes of a response, or, if `is_blocked`, does not accept any.
    pub fn bytes_offered(&self, is_blocked: bool) {
        let mut state = self.state();
        if state.blocked_since.is_some() != is_blocked {
            state.blocked_since = is_blocked.then(Instant::now);
        }
    }

    /// Returns the time by which the client has to act.
    pub fn deadline(&self) -> Option<Instant> {
        let state = *self.state();
        let of_phase = match state.phase {
            Phase::AwaitingHeaders => Some(state.since + self.limits.header),
            Phase::Serving => None,
            Phase::Idle => Some(state.since + self.limits.idle),
        };
        let to_accept = state.blocked_since.map(|since| since + self.limits.write);
        of_phase.into_iter().chain(to_accept).min()
    }

    /// Returns true if the connection has received no request, or a part of one.
    pub fn is_awaiting_headers(&self) -> bool {
        self.state().phase == Phase::AwaitingHeaders
    }

    /// Returns true if a request is being served.
    pub fn is_serving(&self) -> bool {
        self.state().phase == Phase::Serving
    }

    /// Returns true if the client does not accept the bytes of a response at the moment.
    pub fn is_blocked(&self) -> bool {
        self.state().blocked_since.is_some()
    }

    /// Returns once another connection needs the place of this one.
    pub async fn evicted(&self) {
        self.slot.evicted().await;
    }

    /// No code panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// A request that is being served until this value is dropped.
#[derive(Debug)]
pub struct ServedRequest(Arc<Activity>);

impl Drop for ServedRequest {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// A response body that keeps a value until the last byte has been handed to the connection, or
/// the client has left.
#[derive(Debug)]
pub struct KeepingBody<T> {
    body: Body,
    _kept: T,
}

impl<T> KeepingBody<T> {
    /// Keeps `kept` as long as `body`.
    pub const fn new(body: Body, kept: T) -> Self {
        Self { body, _kept: kept }
    }
}

impl<T: Unpin> HttpBody for KeepingBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
