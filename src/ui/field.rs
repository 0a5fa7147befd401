//! A labelled form field, associated with its hint and its error.

use leptos::prelude::*;

/// The kind of value of a field, and how the browser assists.
#[derive(Clone, Copy, Debug)]
pub struct FieldKind {
    /// The input's `type`.
    pub input: &'static str,
    pub autocomplete: &'static str,
    /// The input's `inputmode`.
    pub keyboard: &'static str,
}

impl FieldKind {
    /// A line of text with the browser's `autocomplete` token.
    pub const fn text(autocomplete: &'static str) -> Self {
        Self {
            input: "text",
            autocomplete,
            keyboard: "text",
        }
    }

    /// An e-mail address, as text: a browser's own check would refuse a pasted invisible character
    /// before the server can remove it.
    pub const EMAIL: Self = Self {
        keyboard: "email",
        ..Self::text("email")
    };

    /// A whole number.
    pub const NUMBER: Self = Self {
        input: "number",
        autocomplete: "off",
        keyboard: "numeric",
    };

    /// A decimal number, as text: a browser's number field rejects some notations.
    pub const DECIMAL: Self = Self {
        keyboard: "decimal",
        ..Self::text("off")
    };
}

/// A form field. `error` is a sentence or nothing; `width` is `half`, `third`, `two-thirds` or
/// empty.
#[component]
pub fn Field(
    name: &'static str,
    label: &'static str,
    kind: FieldKind,
    value: String,
    #[prop(optional_no_strip)] error: Option<String>,
    #[prop(optional)] hint: &'static str,
    #[prop(optional)] width: &'static str,
    #[prop(optional_no_strip)] min: Option<u64>,
    #[prop(optional_no_strip)] max: Option<u64>,
    /// The step between values that a browser accepts, if it is not the kind's own.
    #[prop(optional)]
    step: &'static str,
    /// True if the field may stay empty.
    #[prop(optional)]
    optional: bool,
    /// True if the page opens with the focus here: at the first error of a rejected form.
    #[prop(optional)]
    focus: bool,
    /// What the Enter key of a phone's keyboard says, for example `next`.
    #[prop(optional)]
    enter: &'static str,
) -> impl IntoView {
    let mut class = "field".to_owned();
    if !width.is_empty() {
        class.push_str(" field--");
        class.push_str(width);
    }
    if error.is_some() {
        class.push_str(" field--error");
    }
    let described_by = [(!hint.is_empty(), "hint"), (error.is_some(), "error")]
        .iter()
        .filter(|(present, _)| *present)
        .map(|(_, part)| format!("{name}-{part}"))
        .collect::<Vec<_>>()
        .join(" ");
    view! {
        <div class=class>
            <label class="field__label" for=name>{label}</label>
            <input
                class="field__input"
                id=name
                name=name
                type=kind.input
                autocomplete=kind.autocomplete
                inputmode=kind.keyboard
                // A phone would begin an address with a capital letter, and correct it.
                autocapitalize=(kind.keyboard == "email").then_some("none")
                spellcheck=(kind.keyboard == "email").then_some("false")
                enterkeyhint=(!enter.is_empty()).then_some(enter)
                dir=(kind.keyboard == "text").then_some("auto")
                value=value
                min=min
                max=max
                step=(!step.is_empty()).then_some(step)
                required=!optional
                autofocus=focus
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=(!described_by.is_empty()).then_some(described_by)
            />
            {(!hint.is_empty()).then(|| view! { <span class="field__hint" id=format!("{name}-hint")>{hint}</span> })}
            {error.map(|error| view! { <p class="field__error" id=format!("{name}-error")>{error}</p> })}
        </div>
    }
}
