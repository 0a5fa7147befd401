//! `/admin/stepper/{id}`: a stepper session.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{Subnav, story_head::StoryHead};
use crate::{
    islands::workbench::Stepper,
    model::stepper::StepperView,
    ui::stepper::story::{Explanation, WatchFor},
    web::{
        pages::{
            form_error::FormError,
            frame::{Bundle, Page, framed},
        },
        session::Notice,
    },
};

/// `/admin/stepper/{id}`
#[component]
pub fn StepperSessionPage() -> impl IntoView {
    let id = use_params_map()
        .get_untracked()
        .get("id")
        .unwrap_or_default();
    framed(|visit| async move {
        let administrator = visit.require_admin().await?;
        let view = visit.engine(&administrator).steppers().get(&id)?.view();
        let notice = visit.take_notice().await?;
        let title = view.script.story.texts(view.engine).title;
        let body = view! { <SessionView view notice/> };
        Ok(Page::private(title, Bundle::Workbench, body).wide())
    })
}

#[component]
fn SessionView(view: StepperView, notice: Option<Notice>) -> impl IntoView {
    let (story, engine) = (view.script.story, view.engine);
    view! {
        <main class="page page--wide" id="main" tabindex="-1">
            <Subnav current="/admin/stepper"/>
            <StoryHead story engine/>
            <FormError notice consequence="No step was taken."/>
            <WatchFor story engine/>
            <Stepper view/>
            <div class="stage__why"><Explanation story engine/></div>
        </main>
    }
}
