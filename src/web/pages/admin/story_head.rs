//! What stands at the head of a story's pages: the way back to all stories, its title, and what it is about.

use leptos::prelude::*;

use crate::model::stepper::Story;

/// The head of a page about `story`.
#[component]
pub fn StoryHead(story: Story) -> impl IntoView {
    let words = story.words();
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
