//! Money: what the shop asks a payment provider for, and the simulated provider that answers.

pub mod event;
pub mod gateway;
pub mod provider;
pub mod provider_process;
pub mod signature;
pub mod wire;
