//! The head of a story's pages: the breadcrumb, the title and the introduction.

use leptos::prelude::*;

use crate::model::{DatabaseEngine, stepper::Story};

/// Shows the head of a page about `story`.
#[component]
pub fn StoryHead(story: Story, engine: DatabaseEngine) -> impl IntoView {
    let words = story.texts(engine);
    view! {
        <div class="page-head">
            <nav class="crumbs" aria-label="Breadcrumb">
                <ol>
                    <li><a href="/admin/stepper">"All stories"</a></li>
                    <li aria-current="page">{words.title}</li>
                </ol>
            </nav>
            <h1>{words.title}</h1>
            <p class="page-head__lead">{words.lead}</p>
        </div>
    }
}
