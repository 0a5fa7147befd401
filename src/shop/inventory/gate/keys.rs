//! The names of the keys in Redis.

use uuid::Uuid;

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

    /// The keys of the queue of orders, in the order of the scripts: the stream, the counters, the
    /// dead letters, and the orders that wait.
    pub fn of_queue(&self) -> [String; 4] {
        let of = |part: &str| format!("{}:{part}", self.prefix);
        [
            of("queue"),
            of("queue:counters"),
            of("queue:dead"),
            of("queue:waiting"),
        ]
    }

    /// The keys of an order in the queue, and of its idempotency key.
    pub fn of_queued(&self, order_id: Uuid, key: &str) -> [String; 2] {
        [
            format!("{}:queue:order:{order_id}", self.prefix),
            format!("{}:queue:key:{key}", self.prefix),
        ]
    }

    /// The keys of a product's lock and of its last token.
    pub fn of_lock(&self, product_id: i64) -> [String; 2] {
        let of = |part: &str| format!("{}:{part}:{product_id}", self.prefix);
        [of("lock"), of("fence")]
    }

    /// The key of the counter of a product that `redis-dual-write` sells.
    pub fn of_counter(&self, product_id: i64) -> [String; 1] {
        [format!("{}:counter:{product_id}", self.prefix)]
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
        assert_ne!(one.of_counter(7), other.of_counter(7));
        assert_ne!(one.of_counter(7), one.of_counter(8));
        assert_ne!(one.of_queue(), other.of_queue());
        let queued = |keys: &Keys, id| keys.of_queued(Uuid::from_u128(id), "a key");
        assert_ne!(queued(&one, 1), queued(&other, 1));
        assert_ne!(queued(&one, 1)[0], queued(&one, 2)[0]);
    }
}
