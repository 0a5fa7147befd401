//! `/admin/stepper`: the list of stories, and the introduction of a story. A link only shows its
//! steps: the visitor must press a button to run them.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{Subnav, story_head::StoryHead};
use crate::{
    model::{
        DatabaseEngine, ShopError, StrategyKey,
        stepper::{
            IsolationChoice, STOCK_MAX, STORY_BUYERS_MAX, Script, Story, UNITS_MAX, actor_letter,
        },
    },
    ui::{
        field::{Field, FieldKind},
        stepper::{
            board::{capital, steps_in_words},
            story::{Explanation, WatchFor},
        },
    },
    web::{
        pages::{
            form_error::FormError,
            form_key::FormPage,
            frame::{Bundle, Page, framed},
            page_head::PageHead,
            refill,
        },
        session::Notice,
    },
};

/// The path that the forms of this page post to.
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
        let engine = visit.shop().db().engine();
        Ok(match script.transpose()? {
            Some(script) => {
                script.story.check_runs_on(engine)?;
                let title = script.story.texts(engine).title;
                let body = view! { <IntroductionView script engine notice/> };
                Page::private(title, Bundle::None, body)
            }
            None => Page::private(
                "Stepper",
                Bundle::None,
                view! { <StoriesView engine notice/> },
            ),
        })
    })
}

#[component]
fn StoriesView(engine: DatabaseEngine, notice: Option<Notice>) -> impl IntoView {
    let stories: Vec<_> = Story::ready_made(engine)
        .iter()
        .map(|story| {
            let words = story.texts(engine);
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
            <PageHead
                title="Step by step"
                lead="Each buyer is a real database session, paused before its next statement. You choose who runs next, and see what each has read, its locks and who waits for whom."
            />
            <FormError notice=notice.clone() consequence="No session was started."/>
            <ol class="stories">{stories}</ol>
            <OwnStory engine notice/>
        </main>
    }
}

#[component]
fn OwnStory(engine: DatabaseEngine, notice: Option<Notice>) -> impl IntoView {
    let typed = |field: &str| notice.as_ref().and_then(|notice| notice.typed(field));
    let stock = typed("stock").filter(|stock| !stock.is_empty());
    let error = |field: &str| refill::error(notice.as_ref(), field);
    let seats_error = error("seats");
    let seats: Vec<String> = typed("seats")
        .unwrap_or("row-lock,unguarded")
        .split(',')
        .map(ToOwned::to_owned)
        .collect();
    let has_focus = seats_error.is_some();
    let seats: Vec<_> = (0..STORY_BUYERS_MAX)
        .map(|index| {
            let typed = seats.get(index).map_or("", String::as_str);
            seat(index, engine, typed, has_focus && index == 0)
        })
        .collect();
    view! {
        <form class="panel own-story" method="post" action=START aria-labelledby="own-story">
            <FormPage/>
            <h2 class="panel__title" id="own-story">"Your own story"</h2>
            <input type="hidden" name="story" value=Story::Own.as_str()/>
            <div class="fields">
                <Field
                    name="stock" label="Units in stock"
                    kind=FieldKind::NUMBER
                    value=stock.unwrap_or("1").to_owned()
                    error=error("stock")
                    focus=error("stock").is_some()
                    width="third"
                    min=Some(0)
                    max=Some(STOCK_MAX.into())
                />
            </div>
            {seats_error.map(|error| view! { <p class="field__error" id="seats-error">{error}</p> })}
            {seats}
            <div class="bench__go"><button class="btn btn--primary btn--big" type="submit">"Start session"</button></div>
        </form>
    }
}

/// Shows the choices of one buyer; `typed` contains the values of a rejected form.
fn seat(index: usize, engine: DatabaseEngine, typed: &str, focus: bool) -> impl IntoView + use<> {
    let mut parts = typed.split(':').map(ToOwned::to_owned);
    let strategy = parts.next().unwrap_or_default();
    let units = parts.next().unwrap_or_else(|| "1".to_owned());
    let level = parts.next().unwrap_or_default();
    let name = format!("Buyer {}", capital(index));
    let id = |field: &str| format!("{field}-{}", actor_letter(index));
    // The stepper cannot stop between a call to Redis and a statement.
    let strategies: Vec<_> = StrategyKey::ALL
        .into_iter()
        .filter(|key| !key.row().needs_redis)
        .map(|key| {
            let selected = key.as_str() == strategy;
            let is_absent = key.row().engines.reason_against(engine).is_some();
            let note = match is_absent {
                true => "not on this database",
                false => key.safety_and_place(),
            };
            view! { <option value=key.as_str() selected=selected disabled=is_absent>{format!("{} ({note})", key.as_str())}</option> }
        })
        .collect();
    let levels: Vec<_> = IsolationChoice::ALL
        .into_iter()
        .map(|choice| view! { <option value=choice.as_str() selected=choice.as_str() == level>{choice.label()}</option> })
        .collect();
    // A story has at least two buyers.
    let no_buyer = (index >= 2)
        .then(|| view! { <option value="none" selected=strategy.is_empty()>"No buyer"</option> });
    view! {
        <fieldset class="seat">
            <legend class="seat__name">{name}</legend>
            <div class="fields">
                <div class="field field--third">
                    <label class="field__label" for=id("strategy")>"Strategy"</label>
                    <select
                        class="field__input" id=id("strategy") name="strategy[]" autofocus=focus
                        aria-describedby=focus.then_some("seats-error")
                    >
                        {no_buyer}{strategies}
                    </select>
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
fn IntroductionView(
    script: Script,
    engine: DatabaseEngine,
    notice: Option<Notice>,
) -> impl IntoView {
    let story = script.story;
    let roles = script.roles();
    let cast: Vec<_> = roles
        .iter()
        .enumerate()
        .map(|(index, role)| view! { <li><strong>{role.name(index)}</strong>": "{role.description(index)}</li> })
        .collect();
    let name = |actor: usize| {
        let role = roles.get(actor);
        role.map(|role| role.name(actor)).unwrap_or_default()
    };
    let steps = (!script.steps.is_empty()).then(|| {
        let count = script.steps.len();
        view! {
            <section class="panel explanation" aria-labelledby="steps">
                <h2 class="explanation__title" id="steps">{format!("Steps of this link: {count}")}</h2>
                <p data-testid="link-steps">{steps_in_words(&script.steps, name)}"."</p>
            </section>
        }
    });
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/stepper"/>
            <StoryHead story engine/>
            <FormError notice=notice.clone() consequence="No session was started."/>
            <div class="intro">
                <div>
                    <section class="panel explanation" aria-labelledby="cast">
                        <h2 class="explanation__title" id="cast">{format!("{} in stock, and these sessions", script.stock)}</h2>
                        <ul class="explanation__list">{cast}</ul>
                    </section>
                    {steps}
                </div>
                <PredictForm script notice/>
            </div>
            // Tells the outcome: after the guess, the session's page shows it at once.
            <details class="spoiler">
                <summary>"Explanation (guess and run first)"</summary>
                <WatchFor story engine/>
                <Explanation story engine/>
            </details>
        </main>
    }
}

/// The form that starts the story, with an optional prediction.
#[component]
fn PredictForm(script: Script, notice: Option<Notice>) -> impl IntoView {
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
    let focus = refill::first_error(notice.as_ref(), &["guess_sold", "guess_oversold"]);
    let guess = |name: &'static str, label: &'static str| {
        let value = refill::typed(notice.as_ref(), name, "");
        let error = refill::error(notice.as_ref(), name);
        view! {
            <Field
                name label kind=FieldKind::NUMBER value error focus={focus == Some(name)}
                width="half" min=Some(0) max=Some(1_000) optional=true
            />
        }
    };
    view! {
        <form class="panel predict" method="post" action=START aria-labelledby="predict">
            <FormPage/>
            <h2 class="panel__title" id="predict">"Predict, then run"</h2>
            <p class="quiet">"Optional: how many units will be sold, and how many oversold?"</p>
            <input type="hidden" name="story" value=script.story.as_str()/>
            <input type="hidden" name="stock" value=script.stock.to_string()/>
            <input type="hidden" name="seats" value=script.seats_parameter()/>
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
