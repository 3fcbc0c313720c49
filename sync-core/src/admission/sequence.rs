//! Sequence: each change stands where its actor left off, on changes that are here, with counters that follow.

use std::collections::{BTreeSet, HashMap, HashSet};

use automerge::{ActorId, ChangeHash, ObjId};

use super::{DEVICE_ACTORS, DEVICE_CHANGES, DEVICE_HEADS, DOCUMENT_HEADS, Gate, Refusal};
use crate::document::GENESIS_ACTOR;
use crate::document::history::{History, Node};
use crate::document::schema::{Kind, TIME};
use crate::preflight::{Header, PreflightLimits, preflight};

/// One new change of a batch, and what it knew when it was made.
pub(super) struct Step<'a> {
    pub(super) hash: ChangeHash,
    pub(super) node: Node,
    pub(super) start_op: u64,
    pub(super) chunk: &'a [u8],
    /// The object that it is about: a record's map.
    pub(super) object: Option<ObjId>,
    /// Its place among the chunks that came.
    pub(super) index: usize,
    /// Which earlier steps are its ancestors.
    pub(super) ancestors: Ancestors,
    /// The changes of the document that it stands on, directly or through earlier steps.
    pub(super) base: BTreeSet<ChangeHash>,
}

/// A set of places in a batch, one bit each: every step holds one, and in a batch of 500 most are full.
#[derive(Clone, Debug, Default)]
pub(super) struct Ancestors(Vec<u64>);

impl Ancestors {
    fn insert(&mut self, at: usize) {
        let word = at / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (at % 64);
        }
    }

    fn extend(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    pub(super) fn contains(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word & (1 << (at % 64)) != 0)
    }
}

/// A batch in the making: its steps so far.
struct Batch<'a, 'h> {
    history: &'h History,
    gate: Gate<'h>,
    steps: Vec<Step<'a>>,
    by_hash: HashMap<ChangeHash, usize>,
    by_actor: HashMap<ActorId, Vec<ChangeHash>>,
}

/// Reads every chunk without automerge.
pub(super) fn read(chunks: &[&[u8]]) -> Result<Vec<Header>, Refusal> {
    let limits = PreflightLimits::default();
    let headers = chunks.iter().map(|chunk| preflight(chunk, &limits));
    Ok(headers.collect::<Result<_, _>>()?)
}

/// Lines up the new ones; known ones are left out.
pub(super) fn check<'a>(
    history: &History,
    chunks: &[&'a [u8]],
    headers: Vec<Header>,
    gate: Gate<'_>,
) -> Result<Vec<Step<'a>>, Refusal> {
    let mut batch = Batch {
        history,
        gate,
        steps: Vec::new(),
        by_hash: HashMap::new(),
        by_actor: HashMap::new(),
    };
    for (index, (chunk, header)) in chunks.iter().zip(headers).enumerate() {
        batch.push(header, chunk, index)?;
    }
    Ok(batch.steps)
}

/// No device fills a document: what one writes, all the others carry.
pub(super) fn check_room(history: &History, steps: &[Step<'_>], gate: Gate<'_>) -> Result<(), Refusal> {
    let Gate::Device {
        device, authority, ..
    } = gate
    else {
        return Ok(());
    };
    if history.len() + steps.len() <= DEVICE_ACTORS.min(DEVICE_CHANGES) {
        return Ok(());
    }
    let stored = history
        .actors()
        .filter(|(actor, _)| authority.owner(actor) == Some(device));
    let (mut actors, mut changes): (HashSet<&ActorId>, usize) = (HashSet::new(), steps.len());
    for (actor, written) in stored {
        actors.insert(actor);
        changes += written.len();
    }
    actors.extend(steps.iter().map(|step| &step.node.actor));
    if actors.len() > DEVICE_ACTORS || changes > DEVICE_CHANGES {
        return Err(Refusal::Quarantined("document_full"));
    }
    Ok(())
}

/// The heads once the steps are in, ascending.
pub(super) fn heads_after(
    history: &History,
    steps: &[Step<'_>],
    gate: Gate<'_>,
) -> Result<Vec<ChangeHash>, Refusal> {
    let mut heads = history.heads().clone();
    for step in steps {
        for dep in &step.node.deps {
            heads.remove(dep);
        }
        heads.insert(step.hash);
    }
    match gate {
        Gate::Device {
            device, authority, ..
        } => {
            let new: HashMap<_, _> = steps.iter().map(|step| (step.hash, &step.node)).collect();
            let node = |hash: &ChangeHash| new.get(hash).copied().or_else(|| history.node(hash));
            let of_device = |hash: &&ChangeHash| {
                new.contains_key(*hash)
                    || node(hash).and_then(|node| authority.owner(&node.actor)) == Some(device)
            };
            if heads.len() > DOCUMENT_HEADS || heads.iter().filter(of_device).count() > DEVICE_HEADS {
                return Err(Refusal::Quarantined("heads"));
            }
        }
        // What an honest server has beside what is written here and not sent yet: with more of them, no edit of this
        // phone would be taken by anybody.
        Gate::Log if heads.len() > DOCUMENT_HEADS + DEVICE_HEADS => return Err(Refusal::Rejected("heads")),
        Gate::Log => {}
    }
    Ok(heads.into_iter().collect())
}

impl<'a> Batch<'a, '_> {
    fn push(&mut self, header: Header, chunk: &'a [u8], index: usize) -> Result<(), Refusal> {
        let hash = ChangeHash(header.hash);
        if self.history.contains(&hash) || self.by_hash.contains_key(&hash) {
            return Ok(());
        }
        if header.actor == *GENESIS_ACTOR {
            return Err(Refusal::Rejected("genesis_actor"));
        }
        let deps: Vec<ChangeHash> = header.deps.iter().copied().map(ChangeHash).collect();
        let (ancestors, base) = self.past(&deps)?;
        let actor = ActorId::from(header.actor.as_slice());
        self.check_sender(&actor, &header)?;
        self.check_turn(&actor, &header, &ancestors, &base)?;
        if header.start_op != 1 + self.max_op(&deps) {
            return Err(Refusal::Rejected("start_op"));
        }
        let account = header.message.as_deref().and_then(|message| message.parse().ok());
        let node = Node {
            actor: actor.clone(),
            seq: header.seq,
            max_op: header.max_op(),
            deps,
            account,
            time_ms: header.time_ms,
        };
        self.by_hash.insert(hash, self.steps.len());
        self.by_actor.entry(actor).or_default().push(hash);
        self.steps.push(Step {
            hash,
            node,
            start_op: header.start_op,
            chunk,
            object: header
                .object
                .map(|(actor, counter)| ObjId::Id(counter, ActorId::from(actor.as_slice()), 0)),
            index,
            ancestors,
            base,
        });
        Ok(())
    }

    /// What a change with these deps knows: earlier steps, and changes of the document.
    fn past(&self, deps: &[ChangeHash]) -> Result<(Ancestors, BTreeSet<ChangeHash>), Refusal> {
        if deps.is_empty() {
            // A change that does not even know the genesis belongs to another document.
            return Err(Refusal::Rejected("no_deps"));
        }
        let (mut ancestors, mut base, mut missing) = (Ancestors::default(), BTreeSet::new(), Vec::new());
        for dep in deps {
            if let Some(step) = self
                .by_hash
                .get(dep)
                .and_then(|&at| Some((at, self.steps.get(at)?)))
            {
                ancestors.insert(step.0);
                ancestors.extend(&step.1.ancestors);
                base.extend(&step.1.base);
            } else if self.history.contains(dep) {
                base.insert(*dep);
            } else {
                missing.push(*dep);
            }
        }
        if missing.is_empty() {
            Ok((ancestors, base))
        } else {
            Err(Refusal::MissingDeps(missing))
        }
    }

    fn check_sender(&self, actor: &ActorId, header: &Header) -> Result<(), Refusal> {
        let Gate::Device {
            account,
            device,
            authority,
        } = self.gate
        else {
            return Ok(());
        };
        if authority.owner(actor).is_some_and(|owner| owner != device) {
            return Err(Refusal::Rejected("actor_of_another_device"));
        }
        if header.message.as_deref() != Some(account.to_string().as_str()) {
            return Err(Refusal::Rejected("author"));
        }
        let Kind::Int(min, max) = TIME else { return Ok(()) };
        if (min..=max).contains(&header.time_ms) {
            Ok(())
        } else {
            Err(Refusal::Rejected("time"))
        }
    }

    /// The next of its actor, and it knows the one before.
    fn check_turn(
        &self,
        actor: &ActorId,
        header: &Header,
        ancestors: &Ancestors,
        base: &BTreeSet<ChangeHash>,
    ) -> Result<(), Refusal> {
        let (stored, sent) = (
            self.history.of_actor(actor),
            self.by_actor.get(actor).map_or(&[][..], Vec::as_slice),
        );
        let last = (stored.len() + sent.len()) as u64;
        if header.seq <= last {
            return Err(Refusal::ActorFork {
                actor: actor.clone(),
                seq: header.seq,
            });
        }
        if header.seq != last + 1 {
            return Err(Refusal::Rejected("sequence_gap"));
        }
        let knows_own = match (sent.last(), stored.last()) {
            (Some(own), _) => self
                .by_hash
                .get(own)
                .is_some_and(|&step| ancestors.contains(step)),
            (None, Some(own)) => {
                let base: Vec<ChangeHash> = base.iter().copied().collect();
                self.history.reaches(&base, own)
            }
            (None, None) => true,
        };
        if knows_own {
            Ok(())
        } else {
            Err(Refusal::Rejected("own_predecessor_unknown"))
        }
    }

    fn max_op(&self, deps: &[ChangeHash]) -> u64 {
        let of = |dep: &ChangeHash| match self.by_hash.get(dep).and_then(|&at| self.steps.get(at)) {
            Some(step) => step.node.max_op,
            None => self.history.node(dep).map_or(0, |node| node.max_op),
        };
        deps.iter().map(of).max().unwrap_or(0)
    }
}
