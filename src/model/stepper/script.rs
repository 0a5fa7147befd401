//! What a link says: a story, who sits in it, and who went when.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{Role, SEATS_MAX, STOCK_MAX, Seat, Story, letter};
use crate::model::ShopError;

/// Steps of one session.
pub const STEPS_MAX: usize = 300;

/// What an attendee expects, before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guess {
    /// Units sold in all.
    pub sold: u32,
    /// Units sold that were never there.
    pub oversold: u32,
}

/// Everything that is needed to come to the same place again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    pub story: Story,
    /// The buyers of a story of one's own; those that are ready-made bring theirs.
    pub seats: Vec<Seat>,
    /// Units on the shelf.
    pub stock: u32,
    /// Who goes, one after the other.
    pub steps: Vec<usize>,
}

impl Script {
    /// A ready-made story, at its beginning.
    pub fn of(story: Story) -> Self {
        Self {
            story,
            seats: Vec::new(),
            stock: story.stock(),
            steps: Vec::new(),
        }
    }

    /// Reads what an address or a form says. `seats` and `stock` count for a story of one's own only.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(story: &str, seats: &str, stock: &str, steps: &str) -> Result<Self, ShopError> {
        let story: Story = story.parse()?;
        let mut script = Self::of(story);
        if story == Story::Own {
            script.seats = parse_seats(seats)?;
            script.stock = parse_stock(stock)?;
        }
        script.steps = parse_steps(steps, script.actors())?;
        Ok(script)
    }

    /// Who takes part.
    pub fn roles(&self) -> Vec<Role> {
        match self.story {
            Story::Own => self.seats.iter().copied().map(Role::Buyer).collect(),
            story => story.roles().to_vec(),
        }
    }

    /// How many take part.
    pub fn actors(&self) -> usize {
        self.roles().len()
    }

    /// The same up to the first `count` steps.
    #[must_use]
    pub fn up_to(&self, count: usize) -> Self {
        Self {
            steps: self.steps.iter().copied().take(count).collect(),
            ..self.clone()
        }
    }

    /// The steps as letters.
    pub fn letters(&self) -> String {
        self.steps.iter().map(|actor| letter(*actor)).collect()
    }

    /// The seats as an address has them; empty for a ready-made story.
    pub fn seats_in_address(&self) -> String {
        match self.story {
            Story::Own => {
                let seats: Vec<_> = self.seats.iter().map(ToString::to_string).collect();
                seats.join(",")
            }
            _ => String::new(),
        }
    }

    /// The address that leads here again, without the server's name.
    pub fn address(&self) -> String {
        let mut address = format!("/admin/stepper?story={}", self.story.as_str());
        if self.story == Story::Own {
            // Writing to a String cannot fail.
            let _ = write!(
                address,
                "&stock={}&seats={}",
                self.stock,
                self.seats_in_address()
            );
        }
        if !self.steps.is_empty() {
            address.push_str("&steps=");
            address.push_str(&self.letters());
        }
        address
    }

    /// Who would go next if the story played by itself: as its own script says, or else the one after the last who may.
    pub fn suggested(&self, may_go: impl Fn(usize) -> bool) -> Option<usize> {
        let script = self.story.script().bytes();
        let scripted: Vec<_> = script.map(|letter| usize::from(letter - b'a')).collect();
        if scripted.starts_with(&self.steps)
            && let Some(next) = scripted.get(self.steps.len())
            && may_go(*next)
        {
            return Some(*next);
        }
        let actors = self.actors();
        let after = self.steps.last().map_or(0, |last| last + 1);
        (0..actors)
            .map(|offset| (after + offset) % actors)
            .find(|actor| may_go(*actor))
    }
}

fn parse_seats(text: &str) -> Result<Vec<Seat>, ShopError> {
    let seats = text.split(',').filter(|seat| !seat.trim().is_empty());
    let seats = seats.map(str::parse).collect::<Result<Vec<Seat>, _>>()?;
    if !(2..=SEATS_MAX).contains(&seats.len()) {
        return Err(ShopError::Invalid(format!(
            "a story has 2 to {SEATS_MAX} buyers."
        )));
    }
    let layout = seats.first().map(|seat| seat.strategy.layout());
    if seats
        .iter()
        .any(|seat| Some(seat.strategy.layout()) != layout)
    {
        return Err(ShopError::Invalid(
            "these strategies lay out their stock differently, and cannot sell from one shelf."
                .to_owned(),
        ));
    }
    Ok(seats)
}

fn parse_stock(text: &str) -> Result<u32, ShopError> {
    let stock = text.trim().parse().ok();
    stock.filter(|stock| *stock <= STOCK_MAX).ok_or_else(|| {
        ShopError::Invalid(format!(
            "the shelf of a story holds 0 to {STOCK_MAX} units."
        ))
    })
}

/// Letters, with commas or without.
fn parse_steps(text: &str, actors: usize) -> Result<Vec<usize>, ShopError> {
    let letters = text.bytes().filter(|byte| !b", ".contains(byte));
    let steps = letters
        .map(|byte| {
            let actor = usize::from(byte.to_ascii_lowercase().wrapping_sub(b'a'));
            (actor < actors).then_some(actor)
        })
        .collect::<Option<Vec<_>>>();
    let steps = steps.ok_or_else(|| {
        let last = letter(actors.saturating_sub(1));
        ShopError::Invalid(format!(
            "the steps of this story are letters from a to {last}."
        ))
    })?;
    if steps.len() > STEPS_MAX {
        return Err(ShopError::Invalid(format!(
            "a story has at most {STEPS_MAX} steps."
        )));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_itself() {
        for (story, seats, stock, steps) in [
            ("lost-update", "", "", "a,b,AB"),
            ("own", "row-lock:2,unguarded:1:serializable", "7", "aab"),
            ("expired-hold", "", "", "abc"),
        ] {
            let script = Script::parse(story, seats, stock, steps).expect("it is whole");
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
    fn what_makes_no_story_is_refused() {
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
    fn left_alone_a_story_goes_by_its_script_and_then_in_turn() {
        let mut script = Script::of(Story::RowLock);
        assert_eq!(script.suggested(|_| true), Some(0));
        script.steps = vec![1];
        assert_eq!(script.suggested(|_| true), Some(0), "off the script");
        assert_eq!(script.suggested(|actor| actor == 1), Some(1));
        assert_eq!(script.suggested(|_| false), None);
    }
}
