//! The names of the keys in Redis.

/// The keys of one shop.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys of the shop with this identifier.
    pub fn of(namespace: &str) -> Self {
        Self {
            prefix: format!("doorbuster:{namespace}"),
        }
    }

    /// The keys of a product's gate, in the order of the scripts: what is known of the row, the
    /// leases, the last refusal, and the list of all gates.
    pub fn of_gate(&self, product_id: i64) -> [String; 4] {
        let of = |part: &str| format!("{}:{part}:{product_id}", self.prefix);
        [of("gate"), of("leases"), of("refusal"), self.of_list()]
    }

    /// The key of the list of gates.
    pub fn of_list(&self) -> String {
        format!("{}:gates", self.prefix)
    }

    /// The keys of a product's lock and of its last token.
    pub fn of_lock(&self, product_id: i64) -> [String; 2] {
        let of = |part: &str| format!("{}:{part}:{product_id}", self.prefix);
        [of("lock"), of("fence")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shops_and_products_have_keys_of_their_own() {
        let (one, other) = (Keys::of("1"), Keys::of("2"));
        assert_eq!(one.of_gate(7)[0], "doorbuster:1:gate:7");
        assert_ne!(one.of_gate(7), other.of_gate(7));
        assert_ne!(one.of_gate(7)[0], one.of_gate(8)[0]);
        assert_ne!(one.of_lock(7), other.of_lock(7));
    }
}
