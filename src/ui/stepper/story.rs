//! What is said beside a story: what to watch for, why, the SQL, and where it stands in the source.

use leptos::prelude::*;

use crate::model::stepper::{Line, Story};

/// What to watch for, before.
#[component]
pub fn WatchFor(story: Story) -> impl IntoView {
    view! {
        <section class="watch-for" aria-labelledby="watch-for">
            <h2 class="watch-for__title" id="watch-for">"Watch for"</h2>
            <p>{story.words().watch_for}</p>
        </section>
    }
}

/// Why it goes as it goes, the SQL with the line that matters, and its source.
#[component]
pub fn Why(story: Story) -> impl IntoView {
    let words = story.words();
    let lines: Vec<_> = words
        .sql
        .iter()
        .map(|Line(text, matters)| {
            if *matters {
                view! { <mark>{*text}</mark>"\n" }.into_any()
            } else {
                view! { <span>{*text}</span>"\n" }.into_any()
            }
        })
        .collect();
    let sql = (!words.sql.is_empty()).then(|| {
        view! {
            <pre class="sql-lines" role="region" tabindex="0" aria-label="The SQL, with the line that matters marked"><code>{lines}</code></pre>
        }
    });
    view! {
        <section class="panel told" aria-labelledby="why">
            <h2 class="told__title" id="why">"Why"</h2>
            <p>{words.why}</p>
            {sql}
            {story.source().map(|path| view! { <p class="quiet">"In the source: "<Source path/></p> })}
        </section>
    }
}

/// A strategy's file can be read here; of others, where to find them.
#[component]
fn Source(path: &'static str) -> impl IntoView {
    let name = view! { <code>{path}</code> };
    let strategy = path
        .strip_prefix("src/shop/inventory/strategies/")
        .and_then(|file| file.strip_suffix(".rs"));
    match strategy {
        Some(file) => {
            let key = file.replace('_', "-");
            view! { <a href=format!("/admin/strategies/{key}")>{name}</a> }.into_any()
        }
        None => name.into_any(),
    }
}
