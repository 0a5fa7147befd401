//! The interleaving stepper: a few real database sessions, each stopped before its next statement, and who goes next is for the attendee
//! to say.

mod happened;
mod role;
mod script;
mod seat;
mod sql;
mod story;
mod view;
mod words;

pub use happened::happened;
pub use role::Role;
pub use script::{Guess, STEPS_MAX, Script};
pub use seat::{IsolationChoice, SEATS_MAX, STOCK_MAX, Seat, UNITS_MAX};
pub use sql::brief;
pub use story::Story;
pub use view::{
    ActorState, ActorView, Answer, Counters, LockView, Outcome, OutcomeRow, PastStep, RowView,
    Standing, Statement, StepperView,
};
pub use words::{Line, Words};

/// Who is meant by an index: the letter in a script.
pub fn letter(actor: usize) -> char {
    char::from(b'a' + u8::try_from(actor.min(25)).unwrap_or(25))
}
