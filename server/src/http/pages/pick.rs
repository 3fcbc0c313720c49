//! The unit tree as a list to pick from.
//!
//! A list in which one looks is short, or the page would be long to load: of very many units it has those with units below,
//! and opens the one that is chosen.

use std::collections::BTreeSet;

use sync_core::ids::UnitId;

use super::words::Words;
use crate::policy::{Permit, Read};
use crate::tree::Tree;

/// Of more units than this a page names those that have units below, and the others where one is chosen.
pub(super) const MANY: usize = 500;

/// A unit that can be picked.
pub(super) struct Choice {
    pub(super) id: String,
    /// Its name, indented by its depth.
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// Units of a permit that are there today, each below the one above it, to look at what is in them.
pub(super) fn choices(
    words: Words,
    tree: &Tree,
    permit: &Permit<Read>,
    chosen: Option<UnitId>,
) -> Vec<Choice> {
    let all = places(words, tree, permit, chosen);
    if all.len() <= MANY {
        return all.into_iter().map(|(_, choice)| choice).collect();
    }
    let above = |id: UnitId| tree.ancestors(id).next().map(|above| above.id);
    // Beside the chosen one, and below it.
    let opened: Vec<UnitId> = chosen
        .into_iter()
        .flat_map(|id| [Some(id), above(id)])
        .flatten()
        .collect();
    let is_shown = |id: UnitId| {
        let in_opened = above(id).is_some_and(|above| opened.contains(&above));
        !tree.children(id).is_empty() || in_opened || chosen == Some(id)
    };
    let shown = all.into_iter().filter(|(id, _)| is_shown(*id));
    shown.map(|(_, choice)| choice).collect()
}

/// Every unit of a permit that is there today, to say which one is meant.
pub(super) fn whole(words: Words, tree: &Tree, permit: &Permit<Read>, chosen: Option<UnitId>) -> Vec<Choice> {
    let all = places(words, tree, permit, chosen).into_iter();
    all.map(|(_, choice)| choice).collect()
}

fn places(words: Words, tree: &Tree, permit: &Permit<Read>, chosen: Option<UnitId>) -> Vec<(UnitId, Choice)> {
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
        let choice = Choice {
            id: id.to_string(),
            label: "\u{2003}".repeat(depth) + &words.unit(tree, id),
            chosen: chosen == Some(id),
        };
        choices.push((id, choice));
        let below = tree.children(id).iter().filter(|child| units.contains(child));
        open.extend(below.rev().map(|child| (*child, depth + 1)));
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Locale;
    use crate::policy::console;
    use crate::tree::Unit;

    /// A district of so many communes, each with as many hamlets.
    fn tree(communes: u64, hamlets: u64) -> Tree {
        let unit = |id: u64, parent: Option<u64>, level: &str, code: String| Unit {
            id: UnitId::from_parts(id, 0),
            level: level.into(),
            name: format!("Đơn vị {code}"),
            code,
            parent: parent.map(|parent| UnitId::from_parts(parent, 0)),
        };
        let mut units = vec![unit(0, None, "district", "9".into())];
        for commune in 1..=communes {
            // Codes run against ids: what counts are codes.
            units.push(unit(
                commune,
                Some(0),
                "commune",
                format!("{:04}", 9999 - commune),
            ));
            for hamlet in 1..=hamlets {
                units.push(unit(
                    commune * 1000 + hamlet,
                    Some(commune),
                    "hamlet",
                    format!("{hamlet:03}"),
                ));
            }
        }
        Tree::new(units).unwrap()
    }

    fn picked(communes: u64, hamlets: u64, chosen: Option<u64>) -> Vec<Choice> {
        let tree = tree(communes, hamlets);
        let words = Words {
            locale: Locale::Vi,
            now_ms: 0,
        };
        let permit = console(tree.units().map(|unit| unit.id)).to_read();
        choices(words, &tree, &permit, chosen.map(|id| UnitId::from_parts(id, 0)))
    }

    #[test]
    fn each_unit_stands_below_the_one_above_it_in_the_order_of_codes_and_further_in() {
        let picked = picked(2, 2, Some(1));
        let labels: Vec<&str> = picked.iter().map(|choice| choice.label.as_str()).collect();
        let expected = [
            "Đơn vị 9",
            "\u{2003}Đơn vị 9997",
            "\u{2003}\u{2003}Đơn vị 001",
            "\u{2003}\u{2003}Đơn vị 002",
            "\u{2003}Đơn vị 9998",
            "\u{2003}\u{2003}Đơn vị 001",
            "\u{2003}\u{2003}Đơn vị 002",
        ];
        assert_eq!(labels, expected);
        let chosen: Vec<bool> = picked.iter().map(|choice| choice.chosen).collect();
        assert_eq!(chosen, [false, false, false, false, true, false, false]);
    }

    #[test]
    fn of_very_many_units_those_of_the_chosen_one_are_opened() {
        assert_eq!(picked(13, 30, None).len(), 1 + 13 + 13 * 30);
        assert_eq!(picked(30, 30, None).len(), 1 + 30);
        assert_eq!(
            picked(30, 30, Some(7)).len(),
            1 + 30 + 30,
            "the hamlets of a commune"
        );
        let beside = picked(30, 30, Some(7001));
        assert_eq!(beside.len(), 1 + 30 + 30, "a hamlet and those beside it");
        assert_eq!(beside.iter().filter(|choice| choice.chosen).count(), 1);
    }
}
