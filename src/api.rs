//! Server functions: the targets of the forms. Each parses its form into domain types, makes one
//! call into the shop, and redirects to the next page.
//!
//! All fields are optional text, so that any input gets a readable error and never a parser error.

pub mod admin;
pub mod cart;
pub mod checkout;
pub mod discount_admin;
pub mod events;
pub mod gates;
pub mod lessons;
pub mod order;
pub mod queue;
pub mod run_control;
pub mod run_label;
pub mod sale_admin;
pub mod simulation;
pub mod stepper;
pub mod stock_admin;
