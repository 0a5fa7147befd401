//! A field for a quantity, with buttons for one less and one more.
//!
//! It is no island: `public/quantities.js` makes the buttons work, on every page, with less code
//! than a bundle. Without JavaScript they are not shown, and the field is a plain one.

use leptos::prelude::*;

/// Returns the id of the note on the field with the element id `id`.
pub fn note_id(id: &str) -> String {
    format!("{id}-note")
}

/// Shows the field `name` with the element id `id`, the typed `value`, and buttons that stay
/// between 1 and `most` units. `note` is an element with the id [`note_id`], which says why there
/// are no more.
#[component]
pub fn QuantityStepper(
    id: String,
    name: String,
    value: String,
    most: u32,
    #[prop(optional_no_strip)] note: Option<AnyView>,
) -> impl IntoView {
    let described_by = note.is_some().then(|| note_id(&id));
    let step = |by: &'static str, sign: &'static str, label: &'static str| {
        view! {
            <button class="btn quantity__step" type="button" data-step=by aria-controls=id.clone() aria-label=label>
                {sign}
            </button>
        }
    };
    view! {
        <div class="quantity">
            <div class="quantity__row">
                {step("-1", "−", "One less")}
                <input
                    class="field__input quantity__input"
                    id=id.clone()
                    name=name
                    type="number"
                    inputmode="numeric"
                    min="1"
                    max=most.max(1)
                    value=value
                    required
                    aria-describedby=described_by
                />
                {step("1", "+", "One more")}
            </div>
            {note}
        </div>
    }
}
