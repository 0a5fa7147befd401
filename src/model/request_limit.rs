//! Limits of the requests that one internet address may send.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digit_groups::group_digits;

/// A limit that an address has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestLimit {
    /// Of wrong passwords of the administrator.
    Passwords,
    /// Of wrong order numbers and discount codes, which are counted together.
    Guesses,
    /// Of purchases by the API.
    Purchases { per_s: u32 },
}

/// A sentence that says what the limit is.
impl fmt::Display for RequestLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passwords => {
                f.write_str("Too many wrong passwords were sent from your internet address.")
            }
            Self::Guesses => f.write_str(
                "Too many wrong order numbers or discount codes were sent from your internet address.",
            ),
            Self::Purchases { per_s } => {
                let number = group_digits(&per_s.to_string());
                let noun = if *per_s == 1 { "purchase" } else { "purchases" };
                write!(
                    f,
                    "At most {number} {noun} per second can be made from one internet address."
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_purchases_says_its_number() {
        for (per_s, expected) in [
            (1, "1 purchase per second"),
            (1_500, "1,500 purchases per second"),
        ] {
            let text = RequestLimit::Purchases { per_s }.to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
