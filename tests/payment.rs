//! The simulated payment provider, over HTTP as the shop reaches it.

mod bad_input;
mod charges;
mod lost_answers;
mod processes;
mod refunds;
mod support;
mod voids;
mod webhooks;
