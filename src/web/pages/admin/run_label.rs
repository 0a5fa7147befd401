//! The note about a run, and the form that changes its name and its note.

use leptos::prelude::*;

use crate::{
    model::{
        RunSnapshot,
        run_label::{RUN_NAME_LEN_MAX, RUN_NOTE_LEN_MAX},
    },
    ui::field::{Field, FieldKind},
    web::{
        html_text::escape,
        pages::{form_key::FormPage, refill},
        session::Notice,
    },
};

const _: () = assert!(
    RUN_NAME_LEN_MAX == 80 && RUN_NOTE_LEN_MAX == 280,
    "the hints below"
);

/// See the module's documentation.
#[component]
pub fn RunLabelForm(run: RunSnapshot, notice: Option<Notice>) -> impl IntoView {
    let error = |field: &str| refill::error(notice.as_ref(), field);
    let name = refill::typed(notice.as_ref(), "name", &run.name);
    let text = refill::typed(notice.as_ref(), "note", &run.note);
    let focus = refill::first_error(notice.as_ref(), &["name", "note"]);
    let note_error = error("note");
    let class = if note_error.is_some() {
        "field field--error"
    } else {
        "field"
    };
    let described_by = if note_error.is_some() {
        "note-hint note-error"
    } else {
        "note-hint"
    };
    let note = (!run.note.is_empty()).then(|| {
        view! { <p class="label__note" data-testid="note">{run.note.clone()}</p> }
    });
    view! {
        {note}
        <details class="label" open=focus.is_some()>
            <summary>"Name and note"</summary>
            <form class="panel label__form" method="post" action="/api/form/admin/rename-simulation" aria-label="Name and note">
                <FormPage/>
                <input type="hidden" name="id" value=run.id.clone()/>
                <div class="fields">
                    <Field
                        name="name" label="Name" hint="Up to 80 characters. Blank = named after its plan."
                        kind=FieldKind::text("off") value=name error=error("name") optional=true focus={focus == Some("name")}
                    />
                    <div class=class>
                        <label class="field__label" for="note">"Note"</label>
                        <textarea
                            class="field__input" id="note" name="note" rows="3" aria-describedby=described_by
                            aria-invalid=note_error.is_some().then_some("true") autofocus={focus == Some("note")}
                        >{in_textarea(&text)}</textarea>
                        <span class="field__hint" id="note-hint">"Up to 280 characters. Your audience does not see it."</span>
                        {note_error.map(|error| view! { <p class="field__error" id="note-error">{error}</p> })}
                    </div>
                </div>
                <button class="btn btn--primary" type="submit">"Save"</button>
            </form>
        </details>
    }
}

/// Leptos writes the content of this element as it is. A browser drops a line break at its start.
fn in_textarea(text: &str) -> String {
    format!("\n{}", escape(text))
}
