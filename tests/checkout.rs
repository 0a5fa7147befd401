//! From cart to order.

mod cart;
mod discounts;
mod holds;
mod limits;
mod order;
mod payments;
mod races;
mod refunds;
mod stockroom;
