//! The secret of a run: only its buyers have it.
//!
//! The ids of a run, of its lanes and of their products are visible on pages and streams, and count
//! up. They give no power: a private product is sold only to a buyer who has the secret. The
//! process that runs the simulation has it in memory; the database has its hash.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The header in which a buyer over HTTP sends [`RunSecret::token`].
pub const BUYER_HEADER: &str = "doorbuster-buyer";

/// See the module's documentation.
#[derive(Clone, Copy)]
pub struct RunSecret([u8; 32]);

impl RunSecret {
    /// A new secret.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The text that proves to a server that its sender is a buyer of the run.
    pub fn token(&self) -> String {
        hex::encode(self.0)
    }

    /// The hash that the database stores.
    pub fn hash(&self) -> String {
        hash_of_token(&self.token())
    }

    /// Returns the idempotency key of an attempt. A caller without the secret cannot guess it.
    pub fn key(&self, lane_id: i64, buyer: u32, round: u32) -> String {
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            // An HMAC's key may have any length, which the type does not say.
            Err(_) => unreachable!("HMAC takes keys of every length"),
        };
        mac.update(format!("{lane_id}:{buyer}:{round}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Returns the hash of the secret with this token.
pub fn hash_of_token(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Does not print the secret.
impl fmt::Debug for RunSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunSecret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_of_each_run_has_its_own_key() {
        let (one, other) = (RunSecret::random(), RunSecret::random());
        let keys = |secret: &RunSecret| {
            [
                (1, 1, 1),
                (1, 1, 2),
                (1, 2, 1),
                (2, 1, 1),
                (11, 1, 1),
                (1, 11, 1),
            ]
            .map(|(lane, buyer, round)| secret.key(lane, buyer, round))
        };
        let all: std::collections::HashSet<_> =
            keys(&one).into_iter().chain(keys(&other)).collect();
        assert_eq!(all.len(), 12);
        assert_eq!(keys(&one), keys(&one), "a retry has the same key");
    }

    #[test]
    fn no_other_text_contains_the_secret() {
        let secret = RunSecret::random();
        for text in [format!("{secret:?}"), secret.hash(), secret.key(1, 1, 1)] {
            assert!(!text.contains(&secret.token()));
        }
        assert_eq!(secret.hash(), hash_of_token(&secret.token()));
    }
}
