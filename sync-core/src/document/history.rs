//! The graph of a document's changes: who made each, on what it stands, how far it counts.
//!
//! automerge keeps the same graph, but answers these questions by decoding a column per question; admission asks them
//! for every change, and every reading of a conflict asks who and when.

use std::collections::{BTreeSet, HashMap, HashSet};

use automerge::{ActorId, Automerge, ChangeHash};

use crate::ids::AccountId;

/// One change of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its actor.
    pub actor: ActorId,
    /// Its place in the sequence of its actor, from 1.
    pub seq: u64,
    /// The highest operation counter that it uses.
    pub max_op: u64,
    /// The changes it stands on.
    pub deps: Vec<ChangeHash>,
    /// Whose edit it is; the genesis is nobody's.
    pub account: Option<AccountId>,
    /// When it was made by the clock of its device, UTC milliseconds.
    pub time_ms: i64,
}

/// Every change of a document, and its heads.
#[derive(Clone, Debug, Default)]
pub struct History {
    nodes: HashMap<ChangeHash, Node>,
    actors: HashMap<ActorId, Vec<ChangeHash>>,
    heads: BTreeSet<ChangeHash>,
}

impl History {
    /// Reads the graph out of a document whose changes were all admitted once.
    pub fn of(doc: &Automerge) -> Self {
        let mut history = Self::default();
        for meta in doc.get_changes_meta(&[]) {
            let account = meta.message.as_deref().and_then(|message| message.parse().ok());
            let node = Node {
                actor: meta.actor.into_owned(),
                seq: meta.seq,
                max_op: meta.max_op,
                deps: meta.deps,
                account,
                time_ms: meta.timestamp,
            };
            history.push(meta.hash, node);
        }
        history
    }

    /// Adds a change whose deps are all here.
    pub fn push(&mut self, hash: ChangeHash, node: Node) {
        for dep in &node.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(hash);
        self.actors.entry(node.actor.clone()).or_default().push(hash);
        self.nodes.insert(hash, node);
    }

    /// The change of this hash.
    pub fn node(&self, hash: &ChangeHash) -> Option<&Node> {
        self.nodes.get(hash)
    }

    /// Whether the change is here.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.nodes.contains_key(hash)
    }

    /// The changes of an actor in order: the one with sequence number `n` at index `n - 1`.
    pub fn of_actor(&self, actor: &ActorId) -> &[ChangeHash] {
        self.actors.get(actor).map_or(&[], Vec::as_slice)
    }

    /// Every actor, with its changes in order.
    pub fn actors(&self) -> impl Iterator<Item = (&ActorId, &[ChangeHash])> {
        self.actors
            .iter()
            .map(|(actor, changes)| (actor, changes.as_slice()))
    }

    /// Changes that no other stands on, ascending.
    pub fn heads(&self) -> &BTreeSet<ChangeHash> {
        &self.heads
    }

    /// The heads that there would be without some changes on which no others stand, ascending.
    pub fn heads_without(&self, left_out: &BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let kept = || self.nodes.iter().filter(|(hash, _)| !left_out.contains(*hash));
        let covered: HashSet<&ChangeHash> = kept().flat_map(|(_, node)| &node.deps).collect();
        kept()
            .map(|(hash, _)| *hash)
            .filter(|hash| !covered.contains(hash))
            .collect()
    }

    /// How many changes there are, the genesis included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no change at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether `ancestor` is one of `of` or an ancestor of one of them.
    pub fn reaches(&self, of: &[ChangeHash], ancestor: &ChangeHash) -> bool {
        if of.contains(ancestor) {
            return true;
        }
        let Some(floor) = self.nodes.get(ancestor).map(|node| node.max_op) else {
            return false;
        };
        let mut seen = HashSet::new();
        let mut open: Vec<&ChangeHash> = of.iter().collect();
        while let Some(hash) = open.pop() {
            if hash == ancestor {
                return true;
            }
            // Counters grow along every edge: below the one that is looked for, there is nothing to find.
            if let Some(node) = self.nodes.get(hash)
                && node.max_op > floor
                && seen.insert(hash)
            {
                open.extend(&node.deps);
            }
        }
        false
    }
}
