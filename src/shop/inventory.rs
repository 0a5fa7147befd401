//! Taking stock: the strategies, and what they share.

pub mod counters;
pub mod hold;
pub mod purchase;
pub mod seam;
pub mod strategies;
pub mod strategy;

pub use purchase::PurchaseRequest;
pub use seam::Seam;
