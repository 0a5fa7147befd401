//! `/api/problems`: the types of problem documents. The `type` of each document is the address of a
//! row of this page.

use leptos::prelude::*;

use super::{
    frame::{Bundle, Page, framed},
    page_head::PageHead,
};
use crate::web::json::problem_type::ProblemType;

/// `/api/problems`
#[component]
pub fn ProblemTypesPage() -> impl IntoView {
    framed(|_| async {
        let body = view! { <ProblemTypes/> };
        Ok(Page::private("Problem types", Bundle::None, body))
    })
}

#[component]
fn ProblemTypes() -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead
                title="Problem types"
                lead="Why the API rejects a request, and what a program can do."
            />
            <p class="api-about">
                "An error is a document of the media type "<code>"application/problem+json"</code>" ("
                <a href="https://www.rfc-editor.org/rfc/rfc9457">"RFC 9457"</a>
                "). Its "<code>"type"</code>" is the address of a row below and never changes. Its "
                <code>"detail"</code>" is a sentence for people and may change. "
                <a href="/api/docs">"Try the API"</a>
            </p>
            <div class="table-wrap" role="region" aria-label="Problem types" tabindex="0">
                <table class="table table--stacked">
                    <thead>
                        <tr>
                            <th scope="col">"Type"</th>
                            <th scope="col">"Status"</th>
                            <th scope="col">"Meaning"</th>
                        </tr>
                    </thead>
                    <tbody>{ProblemType::ALL.iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </main>
    }
}

fn row(kind: &ProblemType) -> impl IntoView + use<> {
    view! {
        <tr id=kind.slug()>
            <th scope="row" class="tight">
                <a href=kind.uri()><code>{kind.slug()}</code></a>
            </th>
            <td class="n" data-column="Status">{kind.status()}</td>
            <td><strong>{kind.title()}"."</strong>" "{kind.advice()}</td>
        </tr>
    }
}
