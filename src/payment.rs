//! Payments: the gateway through which the shop charges cards, and a simulated payment provider.

pub mod event;
pub mod gateway;
pub mod provider;
pub mod provider_process;
pub mod signature;
pub mod wire;
