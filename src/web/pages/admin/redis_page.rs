//! The frame of the admin pages that show what is in Redis: without it, they say why they show
//! nothing.

use leptos::prelude::*;

use super::Subnav;
use crate::{
    model::ShopError,
    shop::gates::GatesError,
    web::{
        pages::{
            form_error::FormError,
            frame::{Bundle, Page},
            page_head::PageHead,
        },
        session::Visit,
    },
};

/// The texts of a page that shows what is in Redis.
#[derive(Clone, Copy)]
pub struct RedisPage {
    pub path: &'static str,
    pub title: &'static str,
    pub lead: &'static str,
    /// Shown if this server has no Redis.
    pub without_redis: &'static str,
    /// Shown while Redis does not answer.
    pub while_unavailable: &'static str,
}

enum Content<R> {
    Report(R),
    /// Why there is none to show.
    Sentence(&'static str),
}

impl RedisPage {
    /// Loads the page of what was read from Redis. `show` shows a report.
    pub async fn load<R>(
        self,
        visit: &Visit,
        read: Result<R, GatesError>,
        show: fn(R) -> AnyView,
    ) -> Result<Page, ShopError> {
        let content = self.content(read)?;
        let notice = visit.take_notice().await?;
        let content = match content {
            Content::Report(report) => show(report),
            Content::Sentence(sentence) => view! { <p class="panel">{sentence}</p> }.into_any(),
        };
        let body = view! {
            <main class="page" id="main" tabindex="-1">
                <Subnav current=self.path/>
                <PageHead title=self.title lead=self.lead/>
                <FormError notice consequence="Nothing was changed."/>
                {content}
            </main>
        };
        Ok(Page::private(self.title, Bundle::None, body))
    }

    fn content<R>(self, read: Result<R, GatesError>) -> Result<Content<R>, ShopError> {
        match read {
            Ok(report) => Ok(Content::Report(report)),
            Err(GatesError::NoRedis) => Ok(Content::Sentence(self.without_redis)),
            Err(GatesError::Redis(_)) => Ok(Content::Sentence(self.while_unavailable)),
            Err(GatesError::Shop(error)) => Err(error),
        }
    }
}
