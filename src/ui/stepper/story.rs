//! Explanations of a story: what to watch for, the reason, the SQL, and the source file.

use leptos::prelude::*;

use crate::model::{
    DatabaseEngine,
    stepper::{SqlLine, Story},
};

/// Shows what to watch for. It tells the outcome, so a page shows it only after the guess.
#[component]
pub fn WatchFor(story: Story, engine: DatabaseEngine) -> impl IntoView {
    view! {
        <section class="watch-for" aria-labelledby="watch-for">
            <h2 class="watch-for__title" id="watch-for">"Watch for"</h2>
            <p>{story.texts(engine).watch_for}</p>
        </section>
    }
}

/// Shows the explanation, the SQL with the key line marked, and the source file.
#[component]
pub fn Explanation(story: Story, engine: DatabaseEngine) -> impl IntoView {
    let words = story.texts(engine);
    let lines: Vec<_> = words
        .sql
        .iter()
        .map(|SqlLine(text, matters)| {
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
        <section class="panel explanation" aria-labelledby="why">
            <h2 class="explanation__title" id="why">"Why"</h2>
            <p>{words.why}</p>
            {sql}
            {story.source().map(|path| view! { <p class="quiet">"In the source: "<SourcePath path/></p> })}
        </section>
    }
}

/// Links to a strategy's file, which the workbench can show; names the path of any other file.
#[component]
fn SourcePath(path: &'static str) -> impl IntoView {
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
