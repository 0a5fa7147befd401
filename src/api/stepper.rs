//! Forms of the interleaving stepper: to open a session, step, rewind and end it.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one argument for each field of its form"
)]

use leptos::prelude::*;

use crate::model::{ShopError, plan::OneOrMany, stepper::StepperView};

/// Opens a session, replays the steps of a link, and redirects to the session's page. Ends the
/// session `from`, from which it was started.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::Invalid`] for an invalid story;
/// [`ShopError::StepperBusy`].
#[server(prefix = "/api/form", endpoint = "admin/stepper/start")]
pub async fn start_stepper(
    #[server(default)] story: String,
    #[server(default)] stock: String,
    #[server(default)] seats: String,
    /// From the form for a custom story, instead of `seats`: one strategy, quantity and isolation
    /// level per buyer.
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
    let administrator = visit.require_admin().await?;
    let seats = server::seats(seats, strategy, units, level);
    let mut typed = vec![
        ("stock", stock.as_str()),
        ("seats", seats.as_str()),
        ("guess_sold", guess_sold.as_str()),
        ("guess_oversold", guess_oversold.as_str()),
    ];
    let parsed = crate::model::stepper::Script::parse_form(&story, &seats, &stock, &steps);
    let script = match parsed {
        Ok(script) => script,
        Err((field, error)) => {
            typed.push((crate::web::session::PROBLEM_IN, field));
            return server::answer(&visit, Err(error), &typed).await;
        }
    };
    let page = server::form_page(&script);
    let opened = match server::guess(&guess_sold, &guess_oversold) {
        Ok(guess) => {
            let steppers = visit.engine(&administrator).steppers();
            server::open(steppers, script, guess, &from).await
        }
        Err((field, error)) => {
            typed.push((crate::web::session::PROBLEM_IN, field));
            Err(error)
        }
    };
    server::answer_on(&visit, &page, opened, &typed).await
}

/// Lets one actor send its next statement, if the session has taken exactly `at` steps.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`]; [`ShopError::InvalidState`] if the
/// actor cannot step now.
#[server(prefix = "/api/form", endpoint = "admin/stepper/step")]
pub async fn step_stepper(
    #[server(default)] session: String,
    #[server(default)] actor: String,
    #[server(default)] at: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let steppers = visit.engine(&administrator).steppers();
    let stepped = server::step(steppers, &session, &actor, &at).await;
    server::answer_in(&visit, &session, stepped).await
}

/// Replays the first `to` steps of a session in a new one.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`]; [`ShopError::StepperBusy`].
#[server(prefix = "/api/form", endpoint = "admin/stepper/rewind")]
pub async fn rewind_stepper(
    #[server(default)] session: String,
    #[server(default)] to: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let steppers = visit.engine(&administrator).steppers();
    let rewound = server::rewind(steppers, &session, &to).await;
    server::answer_in(&visit, &session, rewound).await
}

/// Keeps a session open for some minutes without a step; 0 ends this.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`]; [`ShopError::Invalid`] for too many
/// minutes; [`ShopError::InvalidState`] if the session is over, or if too many others are kept
/// open.
#[server(prefix = "/api/form", endpoint = "admin/stepper/keep-open")]
pub async fn keep_stepper_open(
    #[server(default)] session: String,
    #[server(default)] minutes: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let steppers = visit.engine(&administrator).steppers();
    let kept = server::keep_open(steppers, &session, &minutes);
    server::answer_in(&visit, &session, kept).await
}

/// Ends a session and rolls back its open transactions.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownStepper`].
#[server(prefix = "/api/form", endpoint = "admin/stepper/end")]
pub async fn end_stepper(
    #[server(default)] session: String,
) -> Result<Option<StepperView>, ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let steppers = visit.engine(&administrator).steppers();
    let ended = server::end(steppers, &session).await;
    server::answer_in(&visit, &session, ended).await
}

#[cfg(feature = "ssr")]
mod server {
    use std::time::Duration;

    use crate::{
        model::{
            ShopError,
            plan::OneOrMany,
            stepper::{Guess, Script, StepperView, Story},
        },
        simulation::Steppers,
        web::session::Visit,
    };

    /// How long the response waits for a replay. A longer replay continues while the page shows it.
    const REPLAY_WAIT_MAX: Duration = Duration::from_secs(4);
    /// The form value of a seat without a buyer.
    const EMPTY_SEAT: &str = "none";

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
            .filter(|((strategy, _), _)| strategy != EMPTY_SEAT)
            .map(|((strategy, units), level)| format!("{strategy}:{units}:{level}"))
            .collect();
        seats.join(",")
    }

    /// Returns the address of the page with the form of a story: its own page, or the list for a
    /// custom story.
    pub fn form_page(script: &Script) -> String {
        match script.story {
            Story::Own => "/admin/stepper".to_owned(),
            _ => script.address(),
        }
    }

    /// Parses a guess. An error comes with the name of its field.
    pub fn guess(sold: &str, oversold: &str) -> Result<Option<Guess>, (&'static str, ShopError)> {
        let number = |field: &'static str, text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<u32>().map(Some).map_err(|_| {
                let sentence = "a guess must be a whole number, or empty.";
                (field, ShopError::Invalid(sentence.to_owned()))
            }),
        };
        Ok(
            match (
                number("guess_sold", sold)?,
                number("guess_oversold", oversold)?,
            ) {
                (None, None) => None,
                (sold, oversold) => Some(Guess {
                    sold: sold.unwrap_or_default(),
                    oversold: oversold.unwrap_or_default(),
                }),
            },
        )
    }

    pub async fn open(
        steppers: &Steppers,
        script: Script,
        guess: Option<Guess>,
        from: &str,
    ) -> Result<StepperView, ShopError> {
        let mut kept_for = None;
        if let Ok(before) = steppers.get(from) {
            kept_for = before.kept_for();
            before.end("This session was replayed in a new one.").await;
        }
        let session = steppers.open(script, guess).await?;
        // A session that goes back a step is kept open as long as before.
        if let Some(left) = kept_for {
            let minutes = u32::try_from(left.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
            steppers.keep_open(&session.id().to_string(), minutes)?;
        }
        // The page shows any remaining steps as they complete.
        let _ = tokio::time::timeout(REPLAY_WAIT_MAX, session.replayed()).await;
        Ok(session.view())
    }

    pub async fn step(
        steppers: &Steppers,
        session: &str,
        actor: &str,
        at: &str,
    ) -> Result<StepperView, ShopError> {
        let session = steppers.get(session)?;
        let actor = actor.parse().map_err(|_| not_a_number("The actor"))?;
        let at = match at {
            "" => None,
            at => Some(at.parse().map_err(|_| not_a_number("The step"))?),
        };
        session.step(actor, at).await
    }

    pub async fn rewind(
        steppers: &Steppers,
        session: &str,
        to: &str,
    ) -> Result<StepperView, ShopError> {
        let before = steppers.get(session)?.view();
        let to = to.parse().map_err(|_| not_a_number("The step"))?;
        open(steppers, before.script.up_to(to), before.guess, session).await
    }

    pub fn keep_open(
        steppers: &Steppers,
        session: &str,
        minutes: &str,
    ) -> Result<StepperView, ShopError> {
        let minutes = minutes.trim().parse();
        steppers.keep_open(session, minutes.map_err(|_| not_a_number("The minutes"))?)
    }

    pub async fn end(steppers: &Steppers, session: &str) -> Result<StepperView, ShopError> {
        let session = steppers.get(session)?;
        session
            .end("The session was ended, and its open transactions were rolled back.")
            .await;
        Ok(session.view())
    }

    fn not_a_number(what: &str) -> ShopError {
        ShopError::Invalid(format!("{what} must be a whole number."))
    }

    /// Redirects a browser to the session's page; returns the session to a script.
    pub async fn answer(
        visit: &Visit,
        result: Result<StepperView, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<Option<StepperView>, ShopError> {
        visit.answer(path(&result), typed).await?;
        result.map(Some)
    }

    /// The same for a form of a session's page.
    pub async fn answer_in(
        visit: &Visit,
        session: &str,
        result: Result<StepperView, ShopError>,
    ) -> Result<Option<StepperView>, ShopError> {
        let page = match uuid::Uuid::try_parse(session) {
            Ok(id) => format!("/admin/stepper/{id}"),
            Err(_) => "/admin/stepper".to_owned(),
        };
        visit.answer_from(&page, path(&result), &[]).await?;
        result.map(Some)
    }

    /// The same for a form on `page`, to which an error redirects.
    pub async fn answer_on(
        visit: &Visit,
        page: &str,
        result: Result<StepperView, ShopError>,
        typed: &[(&str, &str)],
    ) -> Result<Option<StepperView>, ShopError> {
        visit.answer_on(page, path(&result), typed).await?;
        result.map(Some)
    }

    fn path(result: &Result<StepperView, ShopError>) -> Result<String, ShopError> {
        let path = result.as_ref();
        let path = path.map(|view| format!("/admin/stepper/{}#board", view.id));
        path.map_err(Clone::clone)
    }
}
