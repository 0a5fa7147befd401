//! The nodes of a database cluster to which the buyers of a run write.

use serde::{Deserialize, Serialize};

/// Which nodes the buyers of a run are connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writers {
    /// All buyers write to the first node.
    One,
    /// The buyers are spread over all nodes.
    All,
    /// Each strategy has two lanes: one with one node, and then one with all nodes.
    Both,
}

impl Writers {
    /// Every choice.
    pub const EVERY: [Self; 3] = [Self::One, Self::All, Self::Both];

    /// The name in commands and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::All => "all",
            Self::Both => "both",
        }
    }

    /// Parses a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .find(|writers| writers.as_str() == name)
    }

    /// The lanes of each strategy, in their order: [`Self::One`] or [`Self::All`].
    pub const fn lanes(self) -> &'static [Self] {
        match self {
            Self::One => &[Self::One],
            Self::All => &[Self::All],
            Self::Both => &[Self::One, Self::All],
        }
    }

    /// The nodes in words, for the name of a lane.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::One => "one writer node",
            Self::All => "all nodes write",
            Self::Both => "one writer node and all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Writers;

    #[test]
    fn a_choice_is_found_by_its_name() {
        for writers in Writers::EVERY {
            assert_eq!(Writers::named(writers.as_str()), Some(writers));
            let json = serde_json::to_value(writers).expect("JSON");
            assert_eq!(json, writers.as_str(), "one name in plans and forms");
        }
        for unknown in ["", "two", "ALL"] {
            assert_eq!(Writers::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_lane_writes_to_one_node_or_to_all() {
        for writers in Writers::EVERY {
            assert!(!writers.lanes().contains(&Writers::Both), "{writers:?}");
        }
    }
}
