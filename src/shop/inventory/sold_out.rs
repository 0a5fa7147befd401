//! The way out for a crowd in front of an empty shelf: what a purchase has just been refused for under a lock is told to all others who ask for as
//! much, without asking the database each time.
//!
//! It can never oversell, because all it can do is refuse; and it cannot undersell:
//! - A note stands for [`NOTE_STANDS_FOR`], counted from a moment at which the row was locked. Stock that comes back on another server is
//!   for sale again after at most that time.
//! - A note of an older version of the row than the [`Feed`] knows is void. Stock that comes back in this process is for sale at once.
//! - When a note has run out, one buyer goes the whole way and the others wait for what comes of it, instead of all rushing to the
//!   database together.
//! - Notes are taken only under the pressure of a crowd. Whoever buys alone always asks the row itself.
//! - A purchase whose idempotency key is known gets its answer again, sold out or not.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    feed::Feed,
    model::{Quantity, ShopError, product::insufficient},
};

/// How long a refusal is repeated before the row is asked again.
pub const NOTE_STANDS_FOR: Duration = Duration::from_millis(100);
/// Buyers of one product at the same moment, from which on notes are taken.
const CROWD_MIN: u32 = 4;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct SoldOut(Mutex<HashMap<i64, Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    /// Purchases of the product that are under way in this process.
    buyers: u32,
    note: Option<Note>,
    /// Held while one buyer goes the whole way for all.
    scout: Option<watch::Receiver<()>>,
}

/// What the row said under a lock.
#[derive(Clone, Debug)]
pub struct Note {
    pub product_name: String,
    pub available: i64,
    /// Of the row.
    pub version: i64,
    pub per_customer_limit: Option<u32>,
    /// A moment at which the row was locked.
    pub at: Instant,
}

impl Note {
    fn refuses(&self, quantity: Quantity) -> bool {
        let units = i64::from(quantity.get());
        // Beyond the limit there is another reason to give.
        let within_limit = self
            .per_customer_limit
            .is_none_or(|limit| quantity.get() <= limit);
        self.available < units && within_limit
    }

    fn stands(&self) -> bool {
        self.at.elapsed() < NOTE_STANDS_FOR
    }
}

/// What a buyer is to do.
#[derive(Debug)]
pub enum Advice {
    /// Go the whole way. As a scout, for others too.
    GoOn(Option<Scout>),
    /// Leave it: there is not as much.
    Refused(ShopError),
    /// A scout is under way; ask again when this ends.
    Wait(watch::Receiver<()>),
}

/// A buyer who finds out for others; they are told when it is dropped.
#[derive(Debug)]
pub struct Scout {
    _told_when_dropped: watch::Sender<()>,
}

impl SoldOut {
    /// What a buyer of `quantity` is to do.
    pub fn advise(&self, feed: &Feed, product_id: i64, quantity: Quantity) -> Advice {
        let mut shelves = self.lock();
        let Some(shelf) = shelves.get_mut(&product_id) else {
            return Advice::GoOn(None);
        };
        let Some(note) = &shelf.note else {
            return Advice::GoOn(None);
        };
        let known = feed.latest(&[product_id]);
        if known.iter().any(|known| known.version > note.version) {
            shelf.note = None;
            return Advice::GoOn(None);
        }
        if !note.refuses(quantity) {
            return Advice::GoOn(None);
        }
        if note.stands() {
            let refusal = insufficient(&note.product_name, note.available, quantity);
            return Advice::Refused(refusal);
        }
        // A scout who is gone and brought no news leaves nothing to rely on.
        match &shelf.scout {
            Some(scout) if scout.has_changed().is_ok() => Advice::Wait(scout.clone()),
            Some(_) => {
                (shelf.note, shelf.scout) = (None, None);
                Advice::GoOn(None)
            }
            None => {
                let (told, scout) = watch::channel(());
                shelf.scout = Some(scout);
                Advice::GoOn(Some(Scout {
                    _told_when_dropped: told,
                }))
            }
        }
    }

    /// Takes note of a refusal, if there is a crowd.
    pub fn note(&self, product_id: i64, note: Note) {
        let mut shelves = self.lock();
        if let Some(shelf) = shelves.get_mut(&product_id)
            && shelf.buyers >= CROWD_MIN
            && shelf
                .note
                .as_ref()
                .is_none_or(|known| known.version <= note.version)
        {
            shelf.note = Some(note);
            shelf.scout = None;
        }
    }

    /// Counts a buyer of the product for as long as the guard lives.
    pub fn enter(&self, product_id: i64) -> Inside<'_> {
        self.lock().entry(product_id).or_default().buyers += 1;
        Inside {
            sold_out: self,
            product_id,
        }
    }

    fn leave(&self, product_id: i64) {
        let mut shelves = self.lock();
        if let Some(shelf) = shelves.get_mut(&product_id) {
            shelf.buyers -= 1;
            if shelf.buyers == 0 && shelf.note.as_ref().is_none_or(|note| !note.stands()) {
                shelves.remove(&product_id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Shelf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buyer in front of the shelf.
#[derive(Debug)]
pub struct Inside<'a> {
    sold_out: &'a SoldOut,
    product_id: i64,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.sold_out.leave(self.product_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::StockChange;

    const PRODUCT: i64 = 7;

    fn units(units: i64) -> Quantity {
        Quantity::new(units).unwrap_or(Quantity::ONE)
    }

    /// What a refusal of more than `available` noted `age` ago.
    fn note(available: i64, version: i64, age: Duration) -> Note {
        Note {
            product_name: "Gadget".to_owned(),
            available,
            version,
            per_customer_limit: Some(5),
            at: Instant::now().checked_sub(age).unwrap_or_else(Instant::now),
        }
    }

    fn crowd(sold_out: &SoldOut) -> Vec<Inside<'_>> {
        (0..CROWD_MIN).map(|_| sold_out.enter(PRODUCT)).collect()
    }

    fn advice(sold_out: &SoldOut, quantity: i64) -> &'static str {
        match sold_out.advise(&Feed::default(), PRODUCT, units(quantity)) {
            Advice::GoOn(None) => "go on",
            Advice::GoOn(Some(_)) => "scout",
            Advice::Refused(_) => "refused",
            Advice::Wait(_) => "wait",
        }
    }

    #[test]
    fn a_crowd_is_told_what_one_of_it_was_told() {
        let sold_out = SoldOut::default();
        let _crowd = crowd(&sold_out);
        assert_eq!(advice(&sold_out, 1), "go on");
        sold_out.note(PRODUCT, note(2, 1, Duration::ZERO));
        assert_eq!(advice(&sold_out, 3), "refused");
        assert_eq!(advice(&sold_out, 2), "go on", "as much is left");
        assert_eq!(advice(&sold_out, 6), "go on", "beyond the limit");
    }

    #[test]
    fn whoever_buys_alone_asks_the_row() {
        let sold_out = SoldOut::default();
        let _alone = sold_out.enter(PRODUCT);
        sold_out.note(PRODUCT, note(0, 1, Duration::ZERO));
        assert_eq!(advice(&sold_out, 1), "go on");
    }

    #[test]
    fn a_newer_version_of_the_row_voids_a_note() {
        let sold_out = SoldOut::default();
        let _crowd = crowd(&sold_out);
        let feed = Feed::default();
        let came_back = StockChange {
            product_id: PRODUCT,
            available: 1,
            version: 5,
        };
        sold_out.note(PRODUCT, note(0, 4, Duration::ZERO));
        feed.publish(came_back);
        let asked = sold_out.advise(&feed, PRODUCT, Quantity::ONE);
        assert!(matches!(asked, Advice::GoOn(None)));
        // And so it is if the refusal is told after the news.
        sold_out.note(PRODUCT, note(0, 4, Duration::ZERO));
        let asked = sold_out.advise(&feed, PRODUCT, Quantity::ONE);
        assert!(matches!(asked, Advice::GoOn(None)));
    }

    #[test]
    fn an_older_refusal_does_not_replace_a_newer() {
        let sold_out = SoldOut::default();
        let _crowd = crowd(&sold_out);
        sold_out.note(PRODUCT, note(3, 5, Duration::ZERO));
        sold_out.note(PRODUCT, note(0, 4, Duration::ZERO));
        assert_eq!(advice(&sold_out, 3), "go on");
    }

    #[test]
    fn after_a_tenth_of_a_second_one_asks_for_all() {
        let sold_out = SoldOut::default();
        let _crowd = crowd(&sold_out);
        sold_out.note(PRODUCT, note(0, 1, NOTE_STANDS_FOR));
        let feed = Feed::default();
        let Advice::GoOn(Some(scout)) = sold_out.advise(&feed, PRODUCT, Quantity::ONE) else {
            panic!("the first is the scout");
        };
        assert_eq!(advice(&sold_out, 1), "wait");
        sold_out.note(PRODUCT, note(0, 1, Duration::ZERO));
        drop(scout);
        assert_eq!(advice(&sold_out, 1), "refused");
    }

    #[test]
    fn a_scout_who_brings_no_news_holds_nobody_up() {
        let sold_out = SoldOut::default();
        let _crowd = crowd(&sold_out);
        sold_out.note(PRODUCT, note(0, 1, NOTE_STANDS_FOR));
        assert_eq!(advice(&sold_out, 1), "scout");
        assert_eq!(advice(&sold_out, 1), "go on");
        assert_eq!(advice(&sold_out, 1), "go on");
    }

    #[test]
    fn a_note_stands_no_longer_than_promised() {
        assert!(NOTE_STANDS_FOR <= Duration::from_millis(100));
    }

    #[test]
    fn an_empty_place_is_forgotten() {
        let sold_out = SoldOut::default();
        drop(crowd(&sold_out));
        assert!(sold_out.lock().is_empty());
    }
}
