//! `/admin/strategies/{key}`: a strategy's explanation, its SQL statements and its source code.

mod texts;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use self::texts::{Part, SqlLine};
use super::Subnav;
use crate::{
    model::{
        DatabaseEngine, SimulationPlan, StrategyKey,
        plan::{PRESETS, PlanForm, Preset},
    },
    ui::{chart::LaneKey, safety_badge::SafetyBadge},
    web::{
        AppState,
        pages::frame::{Bundle, Page, framed},
    },
};

/// `/admin/strategies/{key}`
#[component]
pub fn StrategyPage() -> impl IntoView {
    let key = use_params_map()
        .get_untracked()
        .get("key")
        .unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let strategy: StrategyKey = key.parse()?;
        Ok(Page::private(
            strategy.as_str(),
            Bundle::None,
            view! { <StrategyView strategy/> },
        ))
    })
}

#[component]
fn StrategyView(strategy: StrategyKey) -> impl IntoView {
    let (path, source) = texts::source(strategy);
    // The first preset, so that the run lasts long enough to be watched.
    let preset = PRESETS.first().map(Preset::plan);
    let plan = SimulationPlan {
        strategies: vec![strategy],
        lanes_together: false,
        ..preset.unwrap_or_else(SimulationPlan::preset)
    };
    let summary = format!("This strategy {}.", strategy.row().summary);
    let engines = [DatabaseEngine::Postgres, DatabaseEngine::MySql].into_iter();
    let unavailable = engines
        .filter_map(|engine| {
            let reason = strategy.row().engines.reason_against(engine)?;
            let sentence = format!("Not available on {}: {reason}.", engine.name());
            Some(view! { <p>{sentence}</p> })
        })
        .collect_view();
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <div class="page-head">
                <h1><LaneKey strategy/>{strategy.as_str()}" "<SafetyBadge strategy/></h1>
                <p class="page-head__lead">{summary}</p>
            </div>
            <div class="understand">
                <section class="panel" aria-labelledby="how-title">
                    <h2 class="panel__title" id="how-title">"How it works"</h2>
                    <p>{strategy.row().explanation}</p>
                    {unavailable}
                    <h3>"Watch for"</h3>
                    <p>{strategy.row().watch_for}</p>
                    <h3>"Choose it when"</h3>
                    <p>{strategy.row().choose_it_when}</p>
                    <p class="run__actions">
                        <a class="btn btn--primary" href=format!("{}#bench", PlanForm::from(&plan).address())>"Run it"</a>
                    </p>
                </section>
                <section class="panel" aria-labelledby="sql-title">
                    <h2 class="panel__title" id="sql-title">"SQL statements"</h2>
                    <Sql strategy part=Part::Sale caption="When it sells"/>
                    <Sql strategy part=Part::Refusal caption="When it rejects"/>
                </section>
            </div>
            <section class="panel" aria-labelledby="source-title">
                <h2 class="panel__title" id="source-title">"Source: "<code>{path}</code></h2>
                <pre class="source" tabindex="0" aria-labelledby="source-title"><code>{source}</code></pre>
            </section>
        </main>
    }
}

#[component]
fn Sql(strategy: StrategyKey, part: Part, caption: &'static str) -> impl IntoView {
    let engine = use_context::<AppState>()
        .map_or(DatabaseEngine::Postgres, |state| state.shop.db().engine());
    let lines = texts::statements(strategy, engine, part)
        .into_iter()
        .map(|SqlLine { text, decides }| {
            if decides {
                view! { <mark class="sql__line sql__line--decides">{text}</mark> }.into_any()
            } else {
                view! { <span class="sql__line">{text}</span> }.into_any()
            }
        })
        .collect_view();
    let label = format!("{caption}, statements of {strategy}");
    view! {
        <figure class="sql">
            <figcaption class="sql__caption">{caption}</figcaption>
            <pre class="sql__text" tabindex="0" role="region" aria-label=label><code>{lines}</code></pre>
        </figure>
    }
}

/// Explains a run's strategy: what to watch for, why it happens, and the SQL statements of a sale.
#[component]
pub fn Understand(strategy: StrategyKey) -> impl IntoView {
    let source = format!("/admin/strategies/{strategy}");
    view! {
        <section class="understand__one" aria-label=format!("Understanding {strategy}")>
            <h3><LaneKey strategy/>{strategy.as_str()}" "<SafetyBadge strategy/></h3>
            <dl class="understand__why">
                <dt>"Watch for"</dt><dd>{strategy.row().watch_for}</dd>
                <dt>"Why"</dt><dd>{strategy.row().explanation}</dd>
            </dl>
            <Sql strategy part=Part::Sale caption="SQL statements of a sale"/>
            <p><a href=source>"All statements and the source"</a></p>
        </section>
    }
}
