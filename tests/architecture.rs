//! The house rules that a compiler does not know, held against the sources: who may name whom, where transactions begin, where rows are
//! locked, what a strategy says about itself, and what the styles must not ask. Each checker is also fed what it must catch.

mod imports;
mod source;
mod styles;
mod whereabouts;
