//! Buyers who are spread over the nodes of a cluster: each of them always uses the same one.

use async_trait::async_trait;

use super::{Attempt, AttemptRequest, InProcess, Pool, Storefront};

/// A storefront for each node.
#[derive(Debug)]
pub struct OnNodes(pub Vec<InProcess>);

#[async_trait]
impl Storefront for OnNodes {
    async fn buy(&self, request: AttemptRequest) -> Attempt {
        let nodes = self.0.len().max(1);
        let node = usize::try_from(request.buyer).unwrap_or_default() % nodes;
        match self.0.get(node) {
            Some(node) => node.buy(request).await,
            // Not reached: a lane has at least one node.
            None => Attempt::abandoned(),
        }
    }

    fn queue_length(&self, product_id: i64) -> Option<u64> {
        self.0
            .iter()
            .map(|node| node.queue_length(product_id))
            .sum()
    }

    fn pool(&self) -> Pool {
        let pools = self.0.iter().map(InProcess::pool);
        pools.fold(Pool { in_use: 0, size: 0 }, |all, one| Pool {
            in_use: all.in_use + one.in_use,
            size: all.size + one.size,
        })
    }
}
