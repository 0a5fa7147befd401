//! Model-based tests: random sequences of actions by shoppers, the administrator, the payment
//! provider and the clock. After every step, the shop and a simple model of it must have the same
//! counters, orders and amounts.

mod action;
mod model_state;
mod provider;
mod run;
mod tested_shop;
