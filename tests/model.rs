//! The shop beside a model of it: random sequences of what shoppers, the shop's people, the payment provider and the clock may do, in which
//! both must come to the same counters, orders and cents after every step.

mod act;
mod provider;
mod run;
mod stage;
mod world;
