//! The unit tree as a list to pick from.

use std::collections::BTreeSet;

use sync_core::ids::UnitId;

use super::words::Words;
use crate::policy::{Permit, Read};
use crate::tree::Tree;

/// A unit that can be picked.
pub(super) struct Choice {
    pub(super) id: String,
    /// Its name, indented by its depth.
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// Every unit of a permit that is there today, each below the one above it.
pub(super) fn choices(
    words: Words,
    tree: &Tree,
    permit: &Permit<Read>,
    chosen: Option<UnitId>,
) -> Vec<Choice> {
    let units: &BTreeSet<UnitId> = permit.units();
    let is_root = |id: &UnitId| {
        tree.ancestors(*id)
            .next()
            .is_none_or(|above| !units.contains(&above.id))
    };
    let roots = units
        .iter()
        .filter(|id| tree.unit(**id).is_some())
        .filter(|id| is_root(id));
    let mut open: Vec<(UnitId, usize)> = roots.rev().map(|root| (*root, 0)).collect();
    let mut choices = Vec::new();
    while let Some((id, depth)) = open.pop() {
        choices.push(Choice {
            id: id.to_string(),
            label: "\u{2003}".repeat(depth) + &words.unit(tree, id),
            chosen: chosen == Some(id),
        });
        let below = tree.children(id).iter().filter(|child| units.contains(child));
        open.extend(below.rev().map(|child| (*child, depth + 1)));
    }
    choices
}
