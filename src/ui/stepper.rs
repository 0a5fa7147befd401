//! Pieces of the stepper's pages: stateless, so that server and browser draw the same.

pub mod answer;
pub mod board;
pub mod database;
pub mod lane;
pub mod outcome;
pub mod story;

/// The class that gives an actor its colour; the letter stands beside it everywhere.
pub fn actor_class(base: &str, actor: usize) -> String {
    format!("{base} actor--{}", crate::model::stepper::letter(actor))
}
