//! What has changed, as one process reports it to the others of its database: ids, never values.
//! Each process reads what it shows.

use std::collections::BTreeSet;

use uuid::Uuid;

/// The longest text of a set, in bytes: PostgreSQL's limit for one notice is 8,000.
pub const TEXT_BYTES_MAX: usize = 7_900;
/// A set with more subjects is [`ChangeSet::everything`]. It could not be sent, and while the
/// database is unavailable, it would grow without a limit.
const SUBJECTS_MAX: usize = 1_000;
/// The text of [`ChangeSet::everything`].
const EVERYTHING: &str = "all";

/// A set of changed subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// More has changed than the set can name.
    is_everything: bool,
    products: BTreeSet<i64>,
    orders: BTreeSet<Uuid>,
    runs: BTreeSet<Uuid>,
    run_commands: BTreeSet<Uuid>,
}

impl ChangeSet {
    /// Every subject.
    pub fn everything() -> Self {
        Self {
            is_everything: true,
            ..Self::default()
        }
    }

    /// Adds a product whose stock or plan has changed.
    pub fn add_product(&mut self, id: i64) {
        self.products.insert(id);
        self.limit();
    }

    /// Adds an order that its page shows differently now.
    pub fn add_order(&mut self, id: Uuid) {
        self.orders.insert(id);
        self.limit();
    }

    /// Adds a run with new points, or one that has ended.
    pub fn add_run(&mut self, id: Uuid) {
        self.runs.insert(id);
        self.limit();
    }

    /// Adds a run that has a new command.
    pub fn add_run_command(&mut self, id: Uuid) {
        self.run_commands.insert(id);
        self.limit();
    }

    /// Adds the subjects of another set.
    pub fn merge(&mut self, other: Self) {
        self.is_everything |= other.is_everything;
        self.products.extend(other.products);
        self.orders.extend(other.orders);
        self.runs.extend(other.runs);
        self.run_commands.extend(other.run_commands);
        self.limit();
    }

    /// Returns true if nothing has changed.
    pub fn is_empty(&self) -> bool {
        !self.is_everything && self.subjects() == 0
    }

    /// Returns true if every subject may have changed.
    pub fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Returns true if the product may have changed.
    pub fn has_product(&self, id: i64) -> bool {
        self.is_everything || self.products.contains(&id)
    }

    /// Returns true if the order may have changed.
    pub fn has_order(&self, id: Uuid) -> bool {
        self.is_everything || self.orders.contains(&id)
    }

    /// Returns true if the run may have changed.
    pub fn has_run(&self, id: Uuid) -> bool {
        self.is_everything || self.runs.contains(&id)
    }

    /// Returns true if the run may have a new command.
    pub fn has_run_command(&self, id: Uuid) -> bool {
        self.is_everything || self.run_commands.contains(&id)
    }

    /// Returns the set as a text of at most [`TEXT_BYTES_MAX`]: `p` and the id of each product, `o`
    /// of each order, `r` of each run, `c` of each command, comma-separated. A set that would be
    /// longer is everything.
    pub fn encode(&self) -> String {
        if self.is_everything {
            return EVERYTHING.to_owned();
        }
        let named = |kind: char, ids: &BTreeSet<Uuid>| -> Vec<String> {
            let ids = ids.iter();
            ids.map(|id| format!("{kind}{}", id.simple())).collect()
        };
        let mut words: Vec<String> = self.products.iter().map(|id| format!("p{id}")).collect();
        words.extend(named('o', &self.orders));
        words.extend(named('r', &self.runs));
        words.extend(named('c', &self.run_commands));
        let text = words.join(",");
        if text.len() <= TEXT_BYTES_MAX {
            text
        } else {
            EVERYTHING.to_owned()
        }
    }

    /// Reads the text of a set. A text that this version does not know, as from a newer one, is
    /// everything.
    pub fn parse(text: &str) -> Self {
        let mut changes = Self::default();
        for word in text.split(',') {
            if changes.insert(word).is_none() {
                return Self::everything();
            }
        }
        changes
    }

    /// Adds the subject that a word names; `None` if the word is not known.
    fn insert(&mut self, word: &str) -> Option<()> {
        let (kind, id) = word.split_at_checked(1)?;
        if kind == "p" {
            self.add_product(id.parse().ok()?);
            return Some(());
        }
        let id = Uuid::try_parse(id).ok()?;
        match kind {
            "o" => self.add_order(id),
            "r" => self.add_run(id),
            "c" => self.add_run_command(id),
            _ => return None,
        }
        Some(())
    }

    fn subjects(&self) -> usize {
        self.products.len() + self.orders.len() + self.runs.len() + self.run_commands.len()
    }

    fn limit(&mut self) {
        if self.is_everything || self.subjects() > SUBJECTS_MAX {
            *self = Self::everything();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[test]
    fn a_set_is_the_same_after_its_text_was_read() {
        let mut changes = ChangeSet::default();
        assert!(changes.is_empty());
        changes.add_product(7);
        changes.add_product(-3);
        changes.add_order(ONE);
        changes.add_run(ONE);
        changes.add_run_command(OTHER);
        let read = ChangeSet::parse(&changes.encode());
        assert_eq!(read, changes);
        assert!(read.has_product(7) && read.has_order(ONE) && read.has_run(ONE));
        assert!(read.has_run_command(OTHER) && !read.is_everything());
        assert!(!read.has_product(8) && !read.has_order(OTHER) && !read.has_run(OTHER));
        assert!(!read.has_run_command(ONE));
    }

    #[test]
    fn a_set_that_no_notice_can_name_is_everything() {
        let orders = |number: u128| {
            let mut changes = ChangeSet::default();
            (0..number).for_each(|id| changes.add_order(Uuid::from_u128(id)));
            changes
        };
        let fits = orders(200);
        let text = fits.encode();
        assert!(text.len() <= TEXT_BYTES_MAX);
        assert_eq!(ChangeSet::parse(&text), fits);
        let too_long = orders(300);
        assert!(!too_long.is_everything());
        assert_eq!(
            ChangeSet::parse(&too_long.encode()),
            ChangeSet::everything()
        );
        let mut too_many = orders(1_001);
        assert_eq!(too_many, ChangeSet::everything(), "it does not grow");
        too_many.add_product(1);
        assert_eq!(too_many, ChangeSet::everything());
        assert!(too_many.has_product(2) && too_many.has_order(ONE) && !too_many.is_empty());
    }

    #[test]
    fn sets_are_merged() {
        let mut changes = ChangeSet::default();
        changes.add_product(1);
        let mut more = ChangeSet::default();
        more.add_order(ONE);
        changes.merge(more);
        assert!(changes.has_product(1) && changes.has_order(ONE) && !changes.is_everything());
        changes.merge(ChangeSet::everything());
        assert_eq!(changes, ChangeSet::everything());
    }

    #[test]
    fn an_unknown_text_is_everything() {
        for text in [
            "",
            "all",
            "p",
            "p1,x2",
            "o1",
            "p1,",
            "é1",
            "p9223372036854775808",
        ] {
            assert!(ChangeSet::parse(text).is_everything(), "{text}");
        }
    }
}
