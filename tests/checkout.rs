//! Tests of carts, checkout, payments, refunds and stock administration.

mod buy_now;
mod cart;
mod discounts;
mod hold_limits;
mod holds;
mod limits;
mod old_carts;
mod order;
mod payments;
mod races;
mod refund_properties;
mod refunds;
mod stock_admin;
mod wrong_amounts;
