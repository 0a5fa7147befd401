//! A server that is killed, as a power cut would, before and after every commit that moves stock or money and every call to the payment
//! provider; and what stands once it has been started again.

mod points;
mod program;
mod proof;
mod story;
mod strategies;
mod visitor;
