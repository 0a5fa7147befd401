//! How far each session is behind the holder of the lock that it waits for.

use std::collections::{HashMap, VecDeque};

use crate::model::DbSession;

/// A session's position in a lock queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The process at the head of the queue, which waits for no other.
    pub holder: i32,
    /// The longest chain of waits from this session to the holder; 0 for the holder itself.
    pub depth: usize,
}

/// The position of each of `sessions`, in their order.
///
/// This is Kahn's topological sort (*Topological sorting of large networks*, 1962): it follows
/// every session and every edge once, where a search of all paths would follow 2^k of them for k
/// waiters. A cycle lasts until the database detects the deadlock; the session with its smallest
/// pid is taken for its holder. A blocker that is not among `sessions` has ended since, and blocks
/// no session.
pub fn positions(sessions: &[DbSession]) -> Vec<Position> {
    let mut graph = WaitGraph::of(sessions);
    let mut first_unplaced = 0;
    loop {
        graph.place_ready();
        while graph
            .placed
            .get(first_unplaced)
            .is_some_and(Option::is_some)
        {
            first_unplaced += 1;
        }
        if first_unplaced == sessions.len() {
            return graph.placed.into_iter().flatten().collect();
        }
        graph.cut_cycle(first_unplaced);
    }
}

/// Sessions are numbered by their place in the list.
struct WaitGraph<'a> {
    sessions: &'a [DbSession],
    blockers: Vec<Vec<usize>>,
    waiters: Vec<Vec<usize>>,
    /// Blockers of each session that have no position yet.
    unplaced_blockers: Vec<usize>,
    /// Sessions whose blockers all have a position.
    ready: VecDeque<usize>,
    placed: Vec<Option<Position>>,
}

impl<'a> WaitGraph<'a> {
    fn of(sessions: &'a [DbSession]) -> Self {
        let numbers = sessions.iter().enumerate();
        let numbers: HashMap<i32, usize> = numbers.map(|(index, one)| (one.pid, index)).collect();
        let mut waiters = vec![Vec::new(); sessions.len()];
        let mut blockers = Vec::with_capacity(sessions.len());
        for (index, session) in sessions.iter().enumerate() {
            let present = session.blocked_by.iter();
            let present: Vec<usize> = present
                .filter_map(|pid| numbers.get(pid).copied())
                .collect();
            for blocker in &present {
                waiters[*blocker].push(index);
            }
            blockers.push(present);
        }
        let unplaced_blockers: Vec<usize> = blockers.iter().map(Vec::len).collect();
        Self {
            sessions,
            ready: (0..sessions.len())
                .filter(|index| unplaced_blockers[*index] == 0)
                .collect(),
            placed: vec![None; sessions.len()],
            blockers,
            waiters,
            unplaced_blockers,
        }
    }

    /// Places all sessions that no cycle blocks.
    fn place_ready(&mut self) {
        while let Some(index) = self.ready.pop_front() {
            if self.placed[index].is_none() {
                self.place(index, self.position_behind_blockers(index));
            }
        }
    }

    fn position_behind_blockers(&self, index: usize) -> Position {
        let mut position = Position {
            holder: self.sessions[index].pid,
            depth: 0,
        };
        for blocker in &self.blockers[index] {
            if let Some(before) = self.placed[*blocker]
                && before.depth + 1 > position.depth
            {
                position = Position {
                    holder: before.holder,
                    depth: before.depth + 1,
                };
            }
        }
        position
    }

    fn place(&mut self, index: usize, position: Position) {
        self.placed[index] = Some(position);
        for waiter in std::mem::take(&mut self.waiters[index]) {
            self.unplaced_blockers[waiter] -= 1;
            if self.unplaced_blockers[waiter] == 0 {
                self.ready.push_back(waiter);
            }
        }
    }

    /// Makes the smallest pid of a cycle its holder. `start` is in a cycle or waits behind one.
    fn cut_cycle(&mut self, start: usize) {
        let mut step_of = HashMap::new();
        let mut path = Vec::new();
        let mut at = start;
        while !step_of.contains_key(&at) {
            step_of.insert(at, path.len());
            path.push(at);
            let next = self.blockers[at].iter();
            // An unplaced session that is not ready has an unplaced blocker.
            at = next
                .copied()
                .find(|blocker| self.placed[*blocker].is_none())
                .unwrap_or(at);
        }
        let cycle = &path[step_of[&at]..];
        let smallest = cycle.iter().min_by_key(|index| self.sessions[**index].pid);
        let head = smallest.copied().unwrap_or(start);
        let holder = self.sessions[head].pid;
        self.place(head, Position { holder, depth: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `waits`: a pid, and the pids that block it.
    fn check(waits: &[(i32, &[i32])], expected: &[(i32, usize)]) {
        let sessions: Vec<_> = waits
            .iter()
            .map(|(pid, blocked_by)| DbSession {
                pid: *pid,
                blocked_by: blocked_by.to_vec(),
                ..DbSession::default()
            })
            .collect();
        let found: Vec<_> = positions(&sessions)
            .into_iter()
            .map(|position| (position.holder, position.depth))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn depth_is_the_longest_chain_to_the_holder() {
        check(
            &[(1, &[]), (2, &[3, 4]), (3, &[4]), (4, &[1])],
            &[(1, 0), (1, 3), (1, 2), (1, 1)],
        );
    }

    #[test]
    fn a_cycle_is_held_by_its_smallest_pid() {
        check(
            &[(9, &[8]), (8, &[7]), (7, &[8]), (10, &[9, 7])],
            &[(7, 2), (7, 1), (7, 0), (7, 3)],
        );
    }

    #[test]
    fn every_cycle_has_a_holder_of_its_own() {
        check(
            &[(1, &[2]), (2, &[1]), (3, &[3]), (5, &[4]), (4, &[5])],
            &[(1, 0), (1, 1), (3, 0), (4, 1), (4, 0)],
        );
    }

    #[test]
    fn sessions_that_all_block_each_other_are_placed_one_behind_the_other() {
        let pids: Vec<i32> = (0..100).collect();
        let waits: Vec<(i32, &[i32])> = pids.iter().map(|pid| (*pid, pids.as_slice())).collect();
        let sessions: Vec<_> = waits
            .iter()
            .map(|(pid, blocked_by)| DbSession {
                pid: *pid,
                blocked_by: blocked_by.to_vec(),
                ..DbSession::default()
            })
            .collect();
        assert_eq!(positions(&sessions).len(), 100);
    }
}
