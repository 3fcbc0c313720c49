//! Boards go ahead of a backlog of records, and what is urgent on them ahead of the other boards.
//!
//! Changes of one document come in the order of the log, so what is urgent brings along what is before it on its board.
//! The cursor tells how far each of the two went ahead, until the log has caught up with both.

use std::collections::HashMap;

use sync_core::ids::Class;

use super::super::cursor::{Ahead, Cursor, Within};
use super::super::index::ScopeState;
use super::Builder;
use crate::directives;
use crate::log::{self, ReplayError};

/// Boards hold few entries: all new ones are looked at.
const ALL: usize = i64::MAX as usize;

impl Builder<'_> {
    /// Delivers what is new on boards. True: all of it.
    pub(super) fn boards(&mut self, cursor: &mut Cursor) -> Result<bool, ReplayError> {
        let head = self.index.head();
        let read = self.request.set.read.iter();
        let boards = read.filter(|scope| scope.class == Class::Board);
        let mut after = cursor.boards.unwrap_or(0).max(cursor.position);
        let boards: Vec<&ScopeState> = boards
            .filter_map(|scope| self.index.scope(scope))
            .filter(|state| state.high_water > after)
            .collect();
        if boards.is_empty() {
            return Ok(true);
        }
        if !self.urgent(cursor, &boards, after)? {
            return Ok(false);
        }
        let (mut lasts, mut ahead) = (Vec::new(), HashMap::new());
        for state in &boards {
            lasts.extend(log::entries_of_scope(self.conn, state.row, after, ALL)?);
        }
        lasts.retain(|last| *last <= head);
        lasts.sort_unstable();
        for last in lasts {
            let entry = log::entry_at(self.conn, last)?;
            let document = log::document_by_row(self.conn, entry.document)?;
            let delivered = match ahead.get(&entry.document) {
                Some(delivered) => *delivered,
                None => {
                    let delivered = self.ahead(cursor, entry.document, after)?;
                    ahead.insert(entry.document, delivered);
                    delivered
                }
            };
            if self.is_delivered(document) && !self.is_own(&entry) && delivered < entry.last {
                if self.room <= 0 {
                    return Ok(false);
                }
                let reached = self.push_entry(document, &entry, after.max(delivered), head)?;
                if reached < entry.last {
                    cursor.boards = Some(reached);
                    return Ok(false);
                }
            }
            (after, cursor.boards) = (last, Some(last));
        }
        cursor.urgent = None;
        Ok(true)
    }

    /// Delivers every urgent directive that is new, and what is before it on its board. True: all of them.
    fn urgent(
        &mut self,
        cursor: &mut Cursor,
        boards: &[&ScopeState],
        after: u64,
    ) -> Result<bool, ReplayError> {
        let (head, done) = (self.index.head(), cursor.urgent.map_or(0, |ahead| ahead.until));
        let mut urgent = Vec::new();
        for state in boards.iter().flat_map(|scope| scope.documents.values()) {
            let positions = directives::urgent_positions(self.conn, state.row, done.max(after), head)?;
            urgent.extend(positions.into_iter().map(|position| (position, state.row)));
        }
        urgent.sort_unstable();
        for (position, row) in urgent {
            let document = log::document_by_row(self.conn, row)?;
            if self.is_delivered(document) {
                let from = self.ahead(cursor, row, after)?;
                let reached = self.push_document(document, row, from, position)?;
                if reached < position {
                    let until = cursor.urgent.map_or(0, |ahead| ahead.until);
                    let within = Within {
                        document: row,
                        position: reached,
                    };
                    let within = Some(within);
                    cursor.urgent = Some(Ahead { until, within });
                    return Ok(false);
                }
            }
            cursor.urgent = Some(Ahead {
                until: position,
                within: None,
            });
        }
        Ok(true)
    }

    /// How far a board was delivered, `after` and what is urgent on it.
    fn ahead(&self, cursor: &Cursor, row: i64, after: u64) -> Result<u64, ReplayError> {
        let Some(ahead) = cursor.urgent else {
            return Ok(after);
        };
        let within = ahead.within.filter(|within| within.document == row);
        let urgent = directives::urgent_positions(self.conn, row, after, ahead.until)?;
        let reached = urgent.last().copied().max(within.map(|within| within.position));
        Ok(reached.unwrap_or(0).max(after))
    }
}
