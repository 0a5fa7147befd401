//! Components of the stepper's pages. They are stateless, so that server and browser draw the same.

pub mod board;
pub mod database;
pub mod lane;
pub mod outcome;
pub mod statement;
pub mod story;

/// Returns the CSS class that colours an actor. Pages always show the actor's letter as well.
pub fn actor_class(base: &str, actor: usize) -> String {
    format!(
        "{base} actor--{}",
        crate::model::stepper::actor_letter(actor)
    )
}
