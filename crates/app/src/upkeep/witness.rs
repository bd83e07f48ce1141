//! The witness: decides which other nodes are gone, from the beats that this node has seen.

use std::collections::HashMap;
use std::time::Duration;

use transom_model::id::NodeId;
use transom_store::{NodeState, Pulse};

/// The beats that this node has seen of the other nodes.
pub(crate) struct Witness {
    /// The time after which a node whose beat has not changed is gone.
    gone: Duration,
    /// The longest pause between two looks. After a longer one the observations start over, since
    /// another node may have beaten and stopped meanwhile.
    gap: Duration,
    looked: Option<Duration>,
    seen: HashMap<NodeId, Seen>,
}

struct Seen {
    incarnation: i64,
    beat: i64,
    since: Duration,
}

impl Witness {
    pub(crate) fn new(gone: Duration, gap: Duration) -> Self {
        Self { gone, gap, looked: None, seen: HashMap::new() }
    }

    /// Notes the beats that were read at `now`. Returns those that have not changed for long
    /// enough.
    pub(crate) fn look(&mut self, now: Duration, pulses: &[Pulse], own: NodeId) -> Vec<Pulse> {
        if self.looked.is_none_or(|before| now.saturating_sub(before) > self.gap) {
            self.seen.clear();
        }
        self.looked = Some(now);
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for pulse in pulses {
            let Pulse { node, beat, state } = *pulse;
            if node.id == own || state == NodeState::Gone {
                continue;
            }
            let same =
                before.get(&node.id).filter(|seen| (seen.incarnation, seen.beat) == (node.incarnation, beat));
            let since = same.map_or(now, |seen| seen.since);
            if now.saturating_sub(since) >= self.gone {
                silent.push(*pulse);
            }
            self.seen.insert(node.id, Seen { incarnation: node.incarnation, beat, since });
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_store::Node;
    use uuid::Uuid;

    const OWN: NodeId = NodeId(Uuid::from_u128(1));
    const OTHER: NodeId = NodeId(Uuid::from_u128(2));

    fn pulse(id: NodeId, beat: i64) -> Pulse {
        Pulse { node: Node { id, incarnation: 1 }, beat, state: NodeState::Live }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn witness() -> Witness {
        Witness::new(seconds(60), seconds(10))
    }

    #[test]
    fn a_beat_that_stays_the_same_for_a_minute_is_a_node_that_is_gone() {
        let mut witness = witness();
        for at in (0..60).step_by(5) {
            assert_eq!(witness.look(seconds(at), &[pulse(OTHER, 7), pulse(OWN, 1)], OWN), [], "{at}");
        }
        assert_eq!(witness.look(seconds(60), &[pulse(OTHER, 7), pulse(OWN, 1)], OWN), [pulse(OTHER, 7)]);
    }

    #[test]
    fn a_beat_begins_the_minute_again_and_so_does_another_life() {
        let mut witness = witness();
        for at in (0..=55).step_by(5) {
            witness.look(seconds(at), &[pulse(OTHER, 7)], OWN);
        }
        for at in (60..120).step_by(5) {
            assert_eq!(witness.look(seconds(at), &[pulse(OTHER, 8)], OWN), [], "{at}");
        }
        let again = Pulse { node: Node { id: OTHER, incarnation: 2 }, ..pulse(OTHER, 8) };
        assert_eq!(witness.look(seconds(120), &[again], OWN), []);
    }

    #[test]
    fn who_was_away_itself_has_seen_nothing() {
        let mut witness = witness();
        witness.look(seconds(0), &[pulse(OTHER, 7)], OWN);
        // This node was frozen, or had no database: the other one may have beaten thousands of
        // times.
        for at in (100..160).step_by(10) {
            assert_eq!(witness.look(seconds(at), &[pulse(OTHER, 7)], OWN), [], "{at}");
        }
        assert_eq!(witness.look(seconds(160), &[pulse(OTHER, 7)], OWN), [pulse(OTHER, 7)]);
    }

    #[test]
    fn what_is_gone_already_is_not_called_so_again() {
        let mut witness = witness();
        let gone = Pulse { state: NodeState::Gone, ..pulse(OTHER, 7) };
        for at in (0..300).step_by(10) {
            assert_eq!(witness.look(seconds(at), &[gone], OWN), []);
        }
    }
}
