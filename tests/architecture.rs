//! The house rules that a compiler does not know, held against the sources: who may name whom, where transactions begin, where rows are
//! locked, and what a strategy says about itself. Each checker is also fed what it must catch.

mod imports;
mod source;
mod whereabouts;
