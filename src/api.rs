//! Server functions: what forms post to. Each parses its form into domain types, makes one call into the shop, and leads on.
//!
//! All fields come as text and may be absent, so that whatever is sent gets a sentence and never a parser's error.

pub mod admin;
pub mod cart;
pub mod checkout;
pub mod lessons;
pub mod order;
pub mod run_control;
pub mod simulation;
pub mod stepper;
pub mod stockroom;
