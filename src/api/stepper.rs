//! The interleaving stepper: opening a session, and letting somebody go.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one for each field of its form"
)]

use leptos::prelude::*;

use crate::model::{ShopError, plan::OneOrMany, stepper::StepperView};

/// Opens a session, goes through the steps of a link, and leads to its page. The session that it was started `from` is ended.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; a sentence about what makes no story; [`ShopError::StepperBusy`].
#[server(prefix = "/api/form", endpoint = "admin/stepper/start")]
pub async fn start_stepper(
    #[server(default)] story: String,
    #[server(default)] stock: String,
    #[server(default)] seats: String,
    /// Of the form for a story of one's own, in place of `seats`: one of each a buyer.
    #[server(default)]
    strategy: OneOrMany<String>,
    #[server(default)] units: OneOrMany<String>,
    #[server(default)] level: OneOrMany<String>,
    #[server(default)] steps: String,
    #[server(default)] guess_sold: String,
    #[server(default)] guess_oversold: String,
    #[server(default)] from: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let seats = server::seats(seats, strategy, units, level);
    let typed = [
        ("stock", stock.as_str()),
        ("seats", seats.as_str()),
        ("guess_sold", guess_sold.as_str()),
        ("guess_oversold", guess_oversold.as_str()),
    ];
    let opened = match server::script(&story, &seats, &stock, &steps, &guess_sold, &guess_oversold)
    {
        Ok((script, guess)) => server::open(&visit, script, guess, &from).await,
        Err(error) => Err(error),
    };
    server::answer(&visit, opened, &typed).await
}

/// Lets one actor send its statement, if the session has come `at` so many steps.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`]; [`ShopError::NotNow`] if nobody can go there.
#[server(prefix = "/api/form", endpoint = "admin/stepper/step")]
pub async fn step_stepper(
    #[server(default)] session: String,
    #[server(default)] actor: String,
    #[server(default)] at: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let stepped = server::step(&visit, &session, &actor, &at).await;
    server::answer(&visit, stepped, &[]).await
}

/// Comes to the first `to` steps of a session again, in a new one.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`]; [`ShopError::StepperBusy`].
#[server(prefix = "/api/form", endpoint = "admin/stepper/rewind")]
pub async fn rewind_stepper(
    #[server(default)] session: String,
    #[server(default)] to: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let rewound = server::rewind(&visit, &session, &to).await;
    server::answer(&visit, rewound, &[]).await
}

/// Ends a session: what is open is rolled back.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`].
#[server(prefix = "/api/form", endpoint = "admin/stepper/end")]
pub async fn end_stepper(
    #[server(default)] session: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let ended = server::end(&visit, &session).await;
    server::answer(&visit, ended, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use std::time::Duration;

    use crate::{
        model::{
            ShopError,
            plan::OneOrMany,
            stepper::{Guess, Script, StepperView},
        },
        web::session::Visit,
    };

    /// How long a page waits for a replay; a longer one goes on while it is looked at.
    const REPLAY_AWAITED: Duration = Duration::from_secs(4);
    /// The choice in place of a strategy for a seat that stays empty.
    const NOBODY: &str = "nobody";

    pub fn seats(
        written: String,
        strategies: OneOrMany<String>,
        units: OneOrMany<String>,
        levels: OneOrMany<String>,
    ) -> String {
        if !written.is_empty() {
            return written;
        }
        let chosen = Vec::from(strategies).into_iter();
        let chosen = chosen.zip(Vec::from(units)).zip(Vec::from(levels));
        let seats: Vec<_> = chosen
            .filter(|((strategy, _), _)| strategy != NOBODY)
            .map(|((strategy, units), level)| format!("{strategy}:{units}:{level}"))
            .collect();
        seats.join(",")
    }

    pub fn script(
        story: &str,
        seats: &str,
        stock: &str,
        steps: &str,
        guess_sold: &str,
        guess_oversold: &str,
    ) -> Result<(Script, Option<Guess>), ShopError> {
        let script = Script::parse(story, seats, stock, steps)?;
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<u32>().map(Some).map_err(|_| {
                ShopError::Invalid("a guess is a whole number, or nothing.".to_owned())
            }),
        };
        let guess = match (number(guess_sold)?, number(guess_oversold)?) {
            (None, None) => None,
            (sold, oversold) => Some(Guess {
                sold: sold.unwrap_or_default(),
                oversold: oversold.unwrap_or_default(),
            }),
        };
        Ok((script, guess))
    }

    pub async fn open(
        visit: &Visit,
        script: Script,
        guess: Option<Guess>,
        from: &str,
    ) -> Result<StepperView, ShopError> {
        let steppers = visit.engine().steppers();
        if let Ok(before) = steppers.get(from) {
            before.end("This session was replayed in a new one.").await;
        }
        let session = steppers.open(script, guess).await?;
        // What is not there by then is shown as it comes.
        let _ = tokio::time::timeout(REPLAY_AWAITED, session.replayed()).await;
        Ok(session.view())
    }

    pub async fn step(
        visit: &Visit,
        session: &str,
        actor: &str,
        at: &str,
    ) -> Result<StepperView, ShopError> {
        let session = visit.engine().steppers().get(session)?;
        let actor = actor.parse().map_err(|_| not_a_number("The actor"))?;
        let at = match at {
            "" => None,
            at => Some(at.parse().map_err(|_| not_a_number("The step"))?),
        };
        session.step(actor, at).await
    }

    pub async fn rewind(visit: &Visit, session: &str, to: &str) -> Result<StepperView, ShopError> {
        let before = visit.engine().steppers().get(session)?.view();
        let to = to.parse().map_err(|_| not_a_number("The step"))?;
        open(visit, before.script.up_to(to), before.guess, session).await
    }

    pub async fn end(visit: &Visit, session: &str) -> Result<StepperView, ShopError> {
        let session = visit.engine().steppers().get(session)?;
        session
            .end("The session was ended, so what was open was rolled back.")
            .await;
        Ok(session.view())
    }

    fn not_a_number(what: &str) -> ShopError {
        ShopError::Invalid(format!("{what} is a whole number."))
    }

    /// A browser is led to the session's page; a script gets the session.
    pub async fn answer(
        visit: &Visit,
        done: Result<StepperView, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<Option<StepperView>, ShopError> {
        let path = done
            .as_ref()
            .map(|view| format!("/admin/stepper/{}#board", view.id));
        visit.answer(path.map_err(Clone::clone), typed).await?;
        done.map(Some)
    }
}
