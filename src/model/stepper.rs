//! The interleaving stepper: a few real database sessions, each stopped before its next statement.
//! The attendee chooses which session runs next.

mod lock_kind;
mod role;
mod script;
mod sql;
mod story;
mod story_buyer;
mod story_script;
mod summary;
mod texts;
mod view;

pub use lock_kind::LockKind;
pub use role::Role;
pub use script::{Guess, STEPS_MAX, Script};
pub use sql::{abbreviate, begins_transaction, locks_stock, reads_stock, writes_stock};
pub use story::Story;
pub use story_buyer::{IsolationChoice, STOCK_MAX, STORY_BUYERS_MAX, StoryBuyer, UNITS_MAX};
pub use summary::summarize;
pub use texts::{SqlLine, StoryTexts};
pub use view::{
    ActorState, ActorView, Counters, LockView, OutcomeRow, PastStep, RowView, Statement,
    StatementResultView, StepperOutcome, StepperStatus, StepperView,
};

/// The maximum age of a session that is kept open without a step, in minutes.
pub const KEEP_OPEN_MAX_MINUTES: u32 = 60;

/// The letter of an actor in a script.
pub fn actor_letter(actor: usize) -> char {
    char::from(b'a' + u8::try_from(actor.min(25)).unwrap_or(25))
}
