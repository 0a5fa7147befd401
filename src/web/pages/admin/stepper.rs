//! `/admin/stepper`: the stories, and a story before it begins. What a link says is shown here and not carried out: that takes a press.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{Subnav, story_head::StoryHead};
use crate::{
    model::{
        ShopError, StrategyKey,
        stepper::{IsolationChoice, SEATS_MAX, STOCK_MAX, Script, Story, UNITS_MAX, letter},
    },
    ui::{
        field::{Field, FieldKind},
        notice::ErrorNotice,
        stepper::{
            board::{capital, steps_in_words},
            story::{WatchFor, Why},
        },
    },
    web::{
        pages::frame::{Bundle, Page, framed},
        session::Notice,
    },
};

/// Where the forms of this page post to.
const START: &str = "/api/form/admin/stepper/start";

/// `/admin/stepper`
#[component]
pub fn StepperPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let asked = move |name: &str| query.get(name).unwrap_or_default();
    let script: Option<Result<Script, ShopError>> = match asked("story").as_str() {
        "" => None,
        story => Some(Script::parse(
            story,
            &asked("seats"),
            &asked("stock"),
            &asked("steps"),
        )),
    };
    framed(|visit| async move {
        visit.require_admin().await?;
        let notice = visit.take_notice().await?;
        Ok(match script.transpose()? {
            Some(script) => {
                let title = script.story.words().title;
                let body = view! { <IntroductionView script notice/> };
                Page::private(title, Bundle::None, body)
            }
            None => Page::private("Stepper", Bundle::None, view! { <StoriesView notice/> }),
        })
    })
}

#[component]
fn StoriesView(notice: Option<Notice>) -> impl IntoView {
    let problem = notice.as_ref().map(|notice| notice.error.to_string());
    let stories: Vec<_> = Story::READY_MADE
        .into_iter()
        .map(|story| {
            let words = story.words();
            view! {
                <li class="story-card">
                    <h2 class="story-card__title">
                        <a href=format!("/admin/stepper?story={}", story.as_str())>{words.title}</a>
                    </h2>
                    <p>{words.lead}</p>
                </li>
            }
        })
        .collect();
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/stepper"/>
            <div class="page-head">
                <h1>"Step by step"</h1>
                <p class="page-head__lead">
                    "Real database sessions, each stopped before its next statement. You say who goes next, and see what each has read, who has which lock, and who waits for whom."
                </p>
            </div>
            {problem.map(|title| view! { <ErrorNotice title><p>"No session was opened."</p></ErrorNotice> })}
            <ol class="stories">{stories}</ol>
            <OwnStory notice/>
        </main>
    }
}

#[component]
fn OwnStory(notice: Option<Notice>) -> impl IntoView {
    let typed = |field: &str| notice.as_ref().and_then(|notice| notice.typed(field));
    let stock = typed("stock").filter(|stock| !stock.is_empty());
    let seats: Vec<String> = typed("seats")
        .unwrap_or("row-lock,unguarded")
        .split(',')
        .map(ToOwned::to_owned)
        .collect();
    let seats: Vec<_> = (0..SEATS_MAX)
        .map(|index| seat(index, seats.get(index).map_or("", String::as_str)))
        .collect();
    view! {
        <form class="panel own-story" method="post" action=START aria-labelledby="own-story">
            <h2 class="panel__title" id="own-story">"A story of your own"</h2>
            <input type="hidden" name="story" value=Story::Own.as_str()/>
            <div class="fields">
                <Field
                    name="stock" label="Units on the shelf"
                    kind=FieldKind::NUMBER
                    value=stock.unwrap_or("1").to_owned()
                    width="third"
                    min=Some(0)
                    max=Some(STOCK_MAX.into())
                />
            </div>
            {seats}
            <div class="bench__go"><button class="btn btn--primary btn--big" type="submit">"Open the session"</button></div>
        </form>
    }
}

/// The choices of one buyer; `typed` is what stood there before a refusal.
fn seat(index: usize, typed: &str) -> impl IntoView + use<> {
    let mut parts = typed.split(':').map(ToOwned::to_owned);
    let strategy = parts.next().unwrap_or_default();
    let units = parts.next().unwrap_or_else(|| "1".to_owned());
    let level = parts.next().unwrap_or_default();
    let name = format!("Buyer {}", capital(index));
    let id = |field: &str| format!("{field}-{}", letter(index));
    let strategies: Vec<_> = StrategyKey::ALL
        .into_iter()
        .map(|key| {
            let selected = key.as_str() == strategy;
            view! { <option value=key.as_str() selected=selected>{format!("{} ({})", key.as_str(), key.standing())}</option> }
        })
        .collect();
    let levels: Vec<_> = IsolationChoice::ALL
        .into_iter()
        .map(|choice| view! { <option value=choice.as_str() selected=choice.as_str() == level>{choice.words()}</option> })
        .collect();
    // Two at least.
    let nobody = (index >= 2)
        .then(|| view! { <option value="nobody" selected=strategy.is_empty()>"nobody"</option> });
    view! {
        <fieldset class="seat">
            <legend class="seat__name">{name}</legend>
            <div class="fields">
                <div class="field field--third">
                    <label class="field__label" for=id("strategy")>"Strategy"</label>
                    <select class="field__input" id=id("strategy") name="strategy[]">{nobody}{strategies}</select>
                </div>
                <div class="field field--third">
                    <label class="field__label" for=id("level")>"Isolation level"</label>
                    <select class="field__input" id=id("level") name="level[]">{levels}</select>
                </div>
                <div class="field field--third">
                    <label class="field__label" for=id("units")>"Units"</label>
                    <input class="field__input" id=id("units") name="units[]" type="number" inputmode="numeric" min="1" max=UNITS_MAX.to_string() value=units required/>
                </div>
            </div>
        </fieldset>
    }
}

#[component]
fn IntroductionView(script: Script, notice: Option<Notice>) -> impl IntoView {
    let story = script.story;
    let problem = notice.map(|notice| notice.error.to_string());
    let roles = script.roles();
    let cast: Vec<_> = roles
        .iter()
        .enumerate()
        .map(|(index, role)| view! { <li><strong>{role.name(index)}</strong>": "{role.does(index)}</li> })
        .collect();
    let name = |actor: usize| {
        let role = roles.get(actor);
        role.map(|role| role.name(actor)).unwrap_or_default()
    };
    let steps = (!script.steps.is_empty()).then(|| {
        let count = script.steps.len();
        view! {
            <section class="panel told" aria-labelledby="steps">
                <h2 class="told__title" id="steps">{format!("The {count} steps of this link")}</h2>
                <p data-testid="link-steps">{steps_in_words(&script.steps, name)}"."</p>
            </section>
        }
    });
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/stepper"/>
            <StoryHead story/>
            {problem.map(|title| view! { <ErrorNotice title><p>"No session was opened."</p></ErrorNotice> })}
            <WatchFor story/>
            <div class="intro">
                <div>
                    <section class="panel told" aria-labelledby="cast">
                        <h2 class="told__title" id="cast">{format!("{} on the shelf, and", script.stock)}</h2>
                        <ul class="told__list">{cast}</ul>
                    </section>
                    {steps}
                </div>
                <PredictForm script/>
            </div>
            <details class="spoiler"><summary>"Why it goes as it goes (after you have seen it)"</summary><Why story/></details>
        </main>
    }
}

/// Predict, then run.
#[component]
fn PredictForm(script: Script) -> impl IntoView {
    let steps = script.letters();
    let replay = (!steps.is_empty()).then(|| {
        let words = match script.steps.len() {
            1 => "Replay the step".to_owned(),
            count => format!("Replay the {count} steps"),
        };
        view! { <button class="btn btn--primary btn--big" type="submit" name="steps" value=steps.clone()>{words}</button> }
    });
    let class = if replay.is_some() {
        "btn btn--big"
    } else {
        "btn btn--primary btn--big"
    };
    let guess = |name: &'static str, label: &'static str| {
        view! {
            <Field name label kind=FieldKind::NUMBER value=String::new() width="half" min=Some(0) max=Some(1_000) optional=true/>
        }
    };
    view! {
        <form class="panel predict" method="post" action=START aria-labelledby="predict">
            <h2 class="panel__title" id="predict">"Predict, then run"</h2>
            <p class="quiet">"How many units will be sold, and how many of them were never there? Leave it empty to see without guessing."</p>
            <input type="hidden" name="story" value=script.story.as_str()/>
            <input type="hidden" name="stock" value=script.stock.to_string()/>
            <input type="hidden" name="seats" value=script.seats_in_address()/>
            <div class="fields">
                {guess("guess_sold", "Sold")}
                {guess("guess_oversold", "Oversold")}
            </div>
            <div class="bench__go">
                {replay}
                <button class=class type="submit" name="steps" value="">"Start at the beginning"</button>
            </div>
        </form>
    }
}
