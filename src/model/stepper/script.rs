//! The script in a link: a story, its buyers, and the order of the steps.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{Role, STOCK_MAX, STORY_BUYERS_MAX, Story, StoryBuyer, actor_letter};
use crate::model::ShopError;

/// The maximum steps of one session.
pub const STEPS_MAX: usize = 300;

/// The attendee's guess before the session starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guess {
    /// Total units sold.
    pub sold: u32,
    /// Oversold units.
    pub oversold: u32,
}

/// Everything that is needed to replay a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    pub story: Story,
    /// The buyers of a custom story; a ready-made story has its own.
    #[serde(rename = "seats")]
    pub buyers: Vec<StoryBuyer>,
    /// Initial units in stock.
    pub stock: u32,
    /// The actors of the steps, in order.
    pub steps: Vec<usize>,
}

impl Script {
    /// A ready-made story, at its start.
    pub fn of(story: Story) -> Self {
        Self {
            story,
            buyers: Vec::new(),
            stock: story.stock(),
            steps: Vec::new(),
        }
    }

    /// Parses the parameters of a URL or a form. `seats` (the buyers) and `stock` are used for a
    /// custom story only.
    ///
    /// # Errors
    /// [`ShopError::UnknownStory`] or [`ShopError::Invalid`].
    pub fn parse(story: &str, seats: &str, stock: &str, steps: &str) -> Result<Self, ShopError> {
        Self::parse_form(story, seats, stock, steps).map_err(|(_, error)| error)
    }

    /// The same, with the name of the field that caused the error.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_form(
        story: &str,
        seats: &str,
        stock: &str,
        steps: &str,
    ) -> Result<Self, (&'static str, ShopError)> {
        let within = |field| move |error| (field, error);
        let story: Story = story.parse().map_err(within("story"))?;
        let mut script = Self::of(story);
        if story == Story::Own {
            // In the order of the form, so that its first error is reported.
            script.stock = parse_stock(stock).map_err(within("stock"))?;
            script.buyers = parse_buyers(seats).map_err(within("seats"))?;
        }
        script.steps = parse_steps(steps, script.actors()).map_err(within("steps"))?;
        Ok(script)
    }

    /// The roles of all actors.
    pub fn roles(&self) -> Vec<Role> {
        match self.story {
            Story::Own => self.buyers.iter().copied().map(Role::Buyer).collect(),
            story => story.roles().to_vec(),
        }
    }

    /// The number of actors.
    pub fn actors(&self) -> usize {
        self.roles().len()
    }

    /// Returns a copy with only the first `count` steps.
    #[must_use]
    pub fn up_to(&self, count: usize) -> Self {
        Self {
            steps: self.steps.iter().copied().take(count).collect(),
            ..self.clone()
        }
    }

    /// The steps as letters.
    pub fn letters(&self) -> String {
        self.steps
            .iter()
            .map(|actor| actor_letter(*actor))
            .collect()
    }

    /// The buyers as the URL parameter `seats`; empty for a ready-made story.
    pub fn seats_parameter(&self) -> String {
        match self.story {
            Story::Own => {
                let buyers: Vec<_> = self.buyers.iter().map(ToString::to_string).collect();
                buyers.join(",")
            }
            _ => String::new(),
        }
    }

    /// The URL of this script, without scheme and host.
    pub fn address(&self) -> String {
        let mut address = format!("/admin/stepper?story={}", self.story.as_str());
        if self.story == Story::Own {
            // Writing to a String cannot fail.
            let _ = write!(
                address,
                "&stock={}&seats={}",
                self.stock,
                self.seats_parameter()
            );
        }
        if !self.steps.is_empty() {
            address.push_str("&steps=");
            address.push_str(&self.letters());
        }
        address
    }

    /// The next actor if the story plays automatically: the next one in `script`, the story's
    /// letters, or else the next actor in turn that can step.
    pub fn suggested(&self, script: &str, can_step: impl Fn(usize) -> bool) -> Option<usize> {
        let letters = script.bytes();
        let scripted: Vec<_> = letters.map(|letter| usize::from(letter - b'a')).collect();
        if scripted.starts_with(&self.steps)
            && let Some(next) = scripted.get(self.steps.len())
            && can_step(*next)
        {
            return Some(*next);
        }
        let actors = self.actors();
        let after = self.steps.last().map_or(0, |last| last + 1);
        (0..actors)
            .map(|offset| (after + offset) % actors)
            .find(|actor| can_step(*actor))
    }
}

fn parse_buyers(text: &str) -> Result<Vec<StoryBuyer>, ShopError> {
    let buyers = text.split(',').filter(|buyer| !buyer.trim().is_empty());
    let buyers = buyers
        .map(str::parse)
        .collect::<Result<Vec<StoryBuyer>, _>>()?;
    if !(2..=STORY_BUYERS_MAX).contains(&buyers.len()) {
        return Err(ShopError::Invalid(format!(
            "a story needs 2 to {STORY_BUYERS_MAX} buyers."
        )));
    }
    let layout = buyers.first().map(|buyer| buyer.strategy.row().layout);
    if buyers
        .iter()
        .any(|buyer| Some(buyer.strategy.row().layout) != layout)
    {
        return Err(ShopError::Invalid(
            "these strategies need different stock layouts and cannot share one product."
                .to_owned(),
        ));
    }
    Ok(buyers)
}

fn parse_stock(text: &str) -> Result<u32, ShopError> {
    let stock = text.trim().parse().ok();
    stock.filter(|stock| *stock <= STOCK_MAX).ok_or_else(|| {
        ShopError::Invalid(format!(
            "the stock of a story must be from 0 to {STOCK_MAX} units."
        ))
    })
}

/// Parses letters, with or without commas.
fn parse_steps(text: &str, actors: usize) -> Result<Vec<usize>, ShopError> {
    let letters = text.bytes().filter(|byte| !b", ".contains(byte));
    let steps = letters
        .map(|byte| {
            let actor = usize::from(byte.to_ascii_lowercase().wrapping_sub(b'a'));
            (actor < actors).then_some(actor)
        })
        .collect::<Option<Vec<_>>>();
    let steps = steps.ok_or_else(|| {
        let last = actor_letter(actors.saturating_sub(1));
        ShopError::Invalid(format!(
            "the steps of this story must be letters from a to {last}."
        ))
    })?;
    if steps.len() > STEPS_MAX {
        return Err(ShopError::Invalid(format!(
            "a story can have at most {STEPS_MAX} steps."
        )));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_parses_to_its_own_script() {
        for (story, seats, stock, steps) in [
            ("lost-update", "", "", "a,b,AB"),
            ("own", "row-lock:2,unguarded:1:serializable", "7", "aab"),
            ("expired-hold", "", "", "abc"),
        ] {
            let script = Script::parse(story, seats, stock, steps).expect("the script is valid");
            let address = script.address();
            let part = |name: &str| {
                let found = address.split(['?', '&']).find_map(|part| {
                    let (key, value) = part.split_once('=')?;
                    (key == name).then(|| value.to_owned())
                });
                found.unwrap_or_default()
            };
            let again = Script::parse(
                &part("story"),
                &part("seats"),
                &part("stock"),
                &part("steps"),
            );
            assert_eq!(again, Ok(script), "{address}");
        }
    }

    #[test]
    fn an_invalid_script_is_rejected() {
        for (story, seats, stock, steps) in [
            ("fairy-tale", "", "", ""),
            ("lost-update", "", "", "abc"),
            ("lost-update", "", "", "a1"),
            ("own", "row-lock", "1", ""),
            (
                "own",
                "row-lock,row-lock,row-lock,row-lock,row-lock",
                "1",
                "",
            ),
            ("own", "row-lock,buckets", "1", ""),
            ("own", "row-lock,row-lock:11", "1", ""),
            ("own", "row-lock,row-lock:1:chaos", "1", ""),
            ("own", "row-lock,row-lock", "101", ""),
            ("own", "row-lock,row-lock", "-1", ""),
            ("own", "row-lock,magic", "1", ""),
        ] {
            let script = Script::parse(story, seats, stock, steps);
            assert!(script.is_err(), "{story} {seats} {stock} {steps}");
        }
        let long = "ab".repeat(STEPS_MAX);
        assert!(Script::parse("lost-update", "", "", &long).is_err());
    }

    #[test]
    fn the_suggested_actor_follows_the_script_and_then_the_turn() {
        let mut script = Script::of(Story::RowLock);
        assert_eq!(script.suggested("aab", |_| true), Some(0));
        script.steps = vec![1];
        assert_eq!(script.suggested("aab", |_| true), Some(0), "off the script");
        assert_eq!(script.suggested("aab", |actor| actor == 1), Some(1));
        assert_eq!(script.suggested("aab", |_| false), None);
    }
}
