//! The project's own rules, checked against its text: which module may name which, where
//! transactions begin, where rows are locked, where SQL may need one engine, what a strategy says
//! about itself, which words are used, how decisions are numbered. Each check has a sibling that
//! feeds it what it must find.
//!
//! A crate of its own, because it reads the sources instead of linking them: after an edit it
//! answers in seconds.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

pub mod source;

#[cfg(test)]
mod circles;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod drivers;
#[cfg(test)]
mod file_names;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod placement;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod strategies;
#[cfg(test)]
mod styles;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod words;
