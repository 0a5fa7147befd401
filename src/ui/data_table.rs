//! A table with a caption, in a region that scrolls horizontally if the table is too wide.

use leptos::prelude::*;

/// The head of a column. Numbers are aligned to the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnHead {
    Text(&'static str),
    Number(&'static str),
}

/// Shows a table; the children are its rows.
#[component]
pub fn DataTable(
    #[prop(into)] caption: String,
    /// Explains the table, next to its caption.
    #[prop(into, optional)]
    note: Option<String>,
    /// The accessible name of the region, if it is not the caption.
    #[prop(into, optional)]
    label: Option<String>,
    #[prop(optional)] id: Option<&'static str>,
    /// Puts the cells of a row below each other on a phone, so that none is beside the screen. A
    /// cell that says too little without its head repeats it in `data-column`.
    #[prop(optional)]
    is_stacked: bool,
    heads: Vec<ColumnHead>,
    children: Children,
) -> impl IntoView {
    let heads = heads.into_iter().map(|head| {
        let (class, name) = match head {
            ColumnHead::Text(name) => (None, name),
            ColumnHead::Number(name) => (Some("n"), name),
        };
        view! { <th scope="col" class=class>{name}</th> }
    });
    let label = label.unwrap_or_else(|| caption.clone());
    view! {
        <div class="table-wrap" id=id role="region" aria-label=label tabindex="0">
            <table class="table" class=("table--stacked", is_stacked)>
                <caption>{caption}{note.map(|note| view! { " "<span class="quiet">{note}</span> })}</caption>
                <thead>
                    <tr>{heads.collect_view()}</tr>
                </thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}
