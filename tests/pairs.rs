//! Each two of {hold, extend, confirm, expire, cancel, refund, restock}, on the same product, order and cart as far as that makes sense: in
//! either order, with the books in order after each, and no deadlock.

mod forcing;
mod scene;
mod stale_hold;
mod table;
