//! From cart to order.

mod cart;
mod limits;
mod order;
mod races;
