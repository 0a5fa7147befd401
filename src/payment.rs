//! Money: what the shop asks a payment provider for, and the simulated provider that answers.

pub mod gateway;
