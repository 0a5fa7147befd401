//! Values of a view that are computed again when a signal in them changes.
//!
//! Each closure has a type of its own, and the WebAssembly contains the code that follows a closure
//! once for each type. In a box, all closures that return the same type share it.

use leptos::prelude::*;

/// See the module's documentation.
pub type Changing<T> = Box<dyn Fn() -> T + Send>;

/// Boxes a value that changes.
pub fn changing<T>(value: impl Fn() -> T + Send + 'static) -> Changing<T> {
    Box::new(value)
}

/// Boxes a text that changes. Texts of constants share the code of all other texts.
pub fn changing_text<T: Into<String>>(value: impl Fn() -> T + Send + 'static) -> Changing<String> {
    Box::new(move || value().into())
}

/// Runs `run` once the island is hydrated, and again when a signal in it changes.
pub fn effect(run: impl FnMut() + 'static) {
    boxed_effect(Box::new(run));
}

fn boxed_effect(mut run: Box<dyn FnMut()>) {
    Effect::new(move |_: Option<()>| run());
}
