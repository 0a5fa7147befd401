//! Every pair of {hold, extend, confirm, expire, cancel, refund, restock}, on the same product,
//! order and cart where possible: run in both orders, each must leave a clean audit and cause no
//! deadlock.

mod forcing;
mod scenario;
mod stale_hold;
mod table;
