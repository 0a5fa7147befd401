//! `/admin/lessons`: bugs from real shops, each with a button that reproduces it on the database.

mod texts;

use leptos::prelude::*;

use self::texts::Card;
use super::Subnav;
use crate::{
    model::{
        LessonKey, LessonRun,
        lesson::{Figure, LessonOutcome},
    },
    simulation::store,
    ui::data_table::{
        ColumnHead::{Number, Text},
        DataTable,
    },
    web::{
        pages::{
            form_error::FormError,
            form_key::FormKey,
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        session::Notice,
    },
};

/// `/admin/lessons`
#[component]
pub fn LessonsPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let runs = store::last_lessons(visit.shop().db()).await?;
        let notice = visit.take_notice().await?;
        let body = view! { <LessonsView runs notice/> };
        Ok(Page::private("Lessons", Bundle::None, body))
    })
}

#[component]
fn LessonsView(
    /// The last run of each lesson.
    runs: Vec<LessonRun>,
    notice: Option<Notice>,
) -> impl IntoView {
    let of = |lesson| runs.iter().find(|run| run.lesson == lesson).cloned();
    let index = LessonKey::ALL
        .map(|lesson| view! { <IndexItem lesson run=of(lesson)/> })
        .collect_view();
    let cards = LessonKey::ALL
        .map(|lesson| view! { <LessonCard lesson run=of(lesson)/> })
        .collect_view();
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/lessons"/>
            <PageHead
                title="Lessons"
                lead="Six bugs from real shops. Each lesson runs twice on this database: with the wrong rule on an unprotected private product, then with this shop’s own code. All results come from the database."
            />
            <FormError notice consequence="The lesson did not finish."/>
            <nav aria-label="Lessons on this page">
                <ol class="lessons">{index}</ol>
            </nav>
            {cards}
        </main>
    }
}

#[component]
fn IndexItem(lesson: LessonKey, run: Option<LessonRun>) -> impl IntoView {
    let state = match run {
        Some(_) => "Run",
        None => "Not run yet",
    };
    view! {
        <li class="lessons__item">
            <a class="lessons__link" href=format!("#{lesson}")>{texts::card(lesson).title}</a>
            <span class="quiet">{state}</span>
        </li>
    }
}

#[component]
fn LessonCard(lesson: LessonKey, run: Option<LessonRun>) -> impl IntoView {
    let Card {
        title,
        story,
        seen,
        seen_at,
        wrong,
        rule,
        places,
    } = texts::card(lesson);
    let title_id = format!("{lesson}-title");
    let places = places
        .iter()
        .map(|place| view! { <li><code>{*place}</code></li> })
        .collect_view();
    view! {
        <section class="panel lesson" id=lesson.as_str() aria-labelledby=title_id tabindex="-1">
            <h2 class="panel__title" id=title_id.clone()>{title}</h2>
            <div class="lesson__parts">
                <div class="lesson__part">
                    <h3>"What happened"</h3>
                    <p>{story}</p>
                    <p class="quiet">"Seen in "<a href=seen_at>{seen.0}</a>{seen.1}</p>
                </div>
                <WrongRule lesson lines=wrong/>
                <div class="lesson__part">
                    <h3>"The shop’s rule"</h3>
                    <p>{rule}</p>
                    <ul class="lesson__places">{places}</ul>
                </div>
                <form class="lesson__go" method="post" action="/api/form/admin/run-lesson">
                    <FormKey/>
                    <input type="hidden" name="lesson" value=lesson.as_str()/>
                    <button class="btn btn--primary btn--big" type="submit">"Run it"<span class="vh">{title}</span></button>
                    <p class="quiet">"Runs both rules now. Takes a second or two."</p>
                </form>
            </div>
            {match run {
                Some(run) => view! { <LessonResult run/> }.into_any(),
                None => view! { <p class="lesson__none">"Not run yet. First predict the result of each rule."</p> }.into_any(),
            }}
        </section>
    }
}

/// Shows the wrong rule, with the decisive line highlighted.
#[component]
fn WrongRule(lesson: LessonKey, lines: &'static [(&'static str, bool)]) -> impl IntoView {
    let lines = lines
        .iter()
        .map(|(text, decides)| {
            if *decides {
                view! { <mark class="sql__line sql__line--decides">{*text}</mark> }.into_any()
            } else {
                view! { <span class="sql__line">{*text}</span> }.into_any()
            }
        })
        .collect_view();
    let label = format!("Wrong rule of {lesson}");
    view! {
        <div class="lesson__part">
            <h3>"The wrong rule"</h3>
            <pre class="sql__text" tabindex="0" role="region" aria-label=label><code>{lines}</code></pre>
        </div>
    }
}

/// Shows the result of the lesson's last run.
#[component]
fn LessonResult(run: LessonRun) -> impl IntoView {
    let LessonRun {
        lesson,
        played_at,
        result,
    } = run;
    let rows = result.figures.into_iter().map(row).collect_view();
    view! {
        <div class="lesson__result">
            <div class="lesson__endings">
                {ending("With the wrong rule", result.wrong)}
                {ending("With the shop’s rule", result.shop)}
            </div>
            <DataTable
                caption="Result"
                note=format!("Stock, holds and orders in the database. Run at {played_at}.")
                label=format!("Result of {lesson}")
                heads=vec![Text("Counted"), Number("Wrong rule"), Number("Shop’s rule")]
            >
                {rows}
            </DataTable>
        </div>
    }
}

fn row(figure: Figure) -> impl IntoView {
    let class = if figure.wrong == figure.shop {
        "n"
    } else {
        "n lesson__differs"
    };
    view! {
        <tr>
            <th scope="row">{figure.what}</th>
            <td class=class>{figure.unit.format(figure.wrong)}</td>
            <td class=class>{figure.unit.format(figure.shop)}</td>
        </tr>
    }
}

fn ending(title: &'static str, ending: LessonOutcome) -> impl IntoView {
    let (class, badge, word) = if ending.broken {
        (
            "lesson__ending lesson__ending--bad",
            "badge badge--bad",
            "Broken",
        )
    } else {
        (
            "lesson__ending lesson__ending--ok",
            "badge badge--ok",
            "Correct",
        )
    };
    view! {
        <div class=class role="group" aria-label=title>
            <p class="lesson__way"><b>{title}</b>" "<span class=badge>{word}</span></p>
            <p>{ending.explanation}</p>
        </div>
    }
}
