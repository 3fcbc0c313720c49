//! The way down: one page of what a device may read and does not have.
//!
//! No document is loaded for it: changes and snapshots go out as they are stored. A page ends where its budget ends, at
//! any change; the cursor goes on from there.
//!
//! A device holds the scopes of one set up to one position. While the set is the one it should have, the log goes on
//! from that position. When it is not, first the log is delivered up to now for what both sets cover, then the new set
//! is announced, then the documents that only the new set covers come as a backfill, newest month first.

mod boards;

use std::collections::{BTreeSet, HashMap};

use minicbor::bytes::ByteVec;
use rusqlite::{Connection, params};
use sync_core::ids::{Class, DocumentId, RecordId, Scope};
use sync_core::protocol::{Item, ListedKey, ScopeSet};
use sync_core::seal::MasterKey;

use super::cursor::{Backfill, Cursor, Place, SetId};
use super::index::LogIndex;
use crate::directives;
use crate::log::{self, Entry, ReplayError, period_code};

/// How many entries of each scope are looked at to find the next ones of many.
const LOOK_AHEAD: usize = 64;
/// What an item costs besides its changes, about.
const ITEM_BYTES: usize = 40;
/// A listed key: record and key.
const KEY_BYTES: usize = 52;

/// Who asks, and for how much.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the device may read.
    pub set: &'a ScopeSet,
    /// The set's name.
    pub set_id: SetId,
    /// What it holds now, if its cursor names another set.
    pub held: Option<ScopeSet>,
    /// Positions that it delivered in this very exchange: `first..=last`.
    pub own: &'a [(u64, u64)],
    /// Bytes before compression. At least one item comes, whatever this says.
    pub budget: usize,
    /// Unwraps record keys.
    pub master: &'a MasterKey,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// What it brings.
    pub items: Vec<Item>,
    /// Where the next one starts.
    pub cursor: Cursor,
    /// Whether there is a next one.
    pub more: bool,
}

/// Makes the next page.
///
/// # Errors
/// When the store fails, or holds an entry that does not inflate.
pub fn page(
    conn: &Connection,
    index: &LogIndex,
    cursor: Cursor,
    request: &Request<'_>,
) -> Result<Page, ReplayError> {
    let mut builder = Builder {
        conn,
        index,
        request,
        items: Vec::new(),
        room: request.budget as i64,
    };
    let (cursor, more) = builder.advance(cursor)?;
    Ok(Page {
        items: builder.items,
        cursor,
        more,
    })
}

struct Builder<'a> {
    conn: &'a Connection,
    index: &'a LogIndex,
    request: &'a Request<'a>,
    items: Vec<Item>,
    room: i64,
}

impl Builder<'_> {
    fn advance(&mut self, mut cursor: Cursor) -> Result<(Cursor, bool), ReplayError> {
        if cursor.backfill.is_none() {
            // A device that holds nothing has no tail to go on with: everything comes by the backfill.
            let up_to_date = self.request.held.is_none() || self.tail(&mut cursor)?;
            if !up_to_date {
                return Ok((cursor, true));
            }
            if cursor.set == Some(self.request.set_id) {
                return Ok((cursor, false));
            }
            self.announce();
            cursor.backfill = Some(Backfill {
                set: self.request.set_id,
                until: self.index.head(),
                next: None,
            });
        }
        let Some(mut backfill) = cursor.backfill.take() else {
            return Ok((cursor, false));
        };
        if self.backfill(&mut backfill)? {
            // What changed behind the backfill, or the set itself, is the next page's.
            let until = backfill.until;
            let more = backfill.set != self.request.set_id || self.waiting(until, self.request.set);
            return Ok((
                Cursor {
                    position: until,
                    set: Some(backfill.set),
                    backfill: None,
                    boards: None,
                    urgent: None,
                    verdict: cursor.verdict,
                },
                more,
            ));
        }
        cursor.backfill = Some(backfill);
        Ok((cursor, true))
    }

    /// Says what the device may read from now on, and what no longer.
    fn announce(&mut self) {
        let lost = self.request.held.iter().flat_map(|held| &held.read);
        let lost: Vec<_> = lost
            .filter(|scope| !self.request.set.read.contains(scope))
            .copied()
            .collect();
        self.items
            .extend(lost.into_iter().map(|scope| Item::Gone { scope }));
        self.items.push(Item::ScopeSet(self.request.set.clone()));
    }

    /// Whether anything of a set came after a position.
    fn waiting(&self, position: u64, set: &ScopeSet) -> bool {
        let after = |scope| {
            self.index
                .scope(scope)
                .is_some_and(|state| state.high_water > position)
        };
        set.read.iter().any(after)
    }

    /// Goes on with the log, for documents that the device holds and may still read. True: up to now.
    fn tail(&mut self, cursor: &mut Cursor) -> Result<bool, ReplayError> {
        let head = self.index.head();
        if !self.boards(cursor)? {
            return Ok(false);
        }
        loop {
            let (lasts, complete) = self.next_entries(cursor.position)?;
            let mut documents = HashMap::new();
            for last in lasts {
                let entry = log::entry_at(self.conn, last)?;
                let document = match documents.get(&entry.document) {
                    Some(id) => *id,
                    None => {
                        let id = log::document_by_row(self.conn, entry.document)?;
                        documents.insert(entry.document, id);
                        id
                    }
                };
                let ahead = document.class() == Class::Board && Some(entry.last) <= cursor.boards;
                if self.is_delivered(document) && !self.is_own(&entry) && !ahead {
                    if self.room <= 0 {
                        return Ok(false);
                    }
                    let taken = self.push_entry(document, &entry, cursor.position, head)?;
                    if taken < entry.last {
                        cursor.position = taken;
                        return Ok(false);
                    }
                }
                cursor.position = last;
            }
            if complete {
                // Nothing is owed up to here; but a cursor that says the same in other words would travel for nothing.
                cursor.boards = None;
                return Ok(true);
            }
        }
    }

    fn is_delivered(&self, document: DocumentId) -> bool {
        let held = self.request.held.as_ref();
        self.request.set.covers(&document) && held.is_some_and(|held| held.covers(&document))
    }

    fn is_own(&self, entry: &Entry) -> bool {
        self.request
            .own
            .iter()
            .any(|(first, last)| *first <= entry.first && entry.last <= *last)
    }

    /// The next entries of all scopes after a position, in log order, and whether those are all.
    fn next_entries(&self, position: u64) -> Result<(Vec<u64>, bool), ReplayError> {
        let (mut lasts, mut horizon) = (Vec::new(), u64::MAX);
        for scope in &self.request.set.read {
            let Some(state) = self
                .index
                .scope(scope)
                .filter(|state| state.high_water > position)
            else {
                continue;
            };
            let of_scope = log::entries_of_scope(self.conn, state.row, position, LOOK_AHEAD)?;
            if of_scope.len() == LOOK_AHEAD {
                horizon = horizon.min(of_scope.last().copied().unwrap_or(u64::MAX));
            }
            lasts.extend(of_scope);
        }
        lasts.retain(|last| *last <= horizon.min(self.index.head()));
        lasts.sort_unstable();
        Ok((lasts, horizon == u64::MAX))
    }

    /// Delivers the documents of the new set that the device does not hold. True: all of them.
    fn backfill(&mut self, backfill: &mut Backfill) -> Result<bool, ReplayError> {
        for (document, row) in self.owed(backfill)? {
            let period = period_code(document.period());
            let mut after = match backfill.next {
                Some(place) if place.document == row => place.after,
                Some(_) | None => 0,
            };
            backfill.next = Some(Place {
                period,
                document: row,
                after,
            });
            if self.room <= 0 {
                return Ok(false);
            }
            after = self.push_snapshot(document, row, after, backfill.until)?;
            let reached = self.push_document(document, row, after, backfill.until)?;
            if reached < backfill.until {
                backfill.next = Some(Place {
                    period,
                    document: row,
                    after: reached,
                });
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The documents of a backfill from its place on: what the device answers directives by, boards with something urgent,
    /// other boards, then the rest, each with the newest month first.
    fn owed(&self, backfill: &Backfill) -> Result<Vec<(DocumentId, i64)>, ReplayError> {
        let held = self.request.held.as_ref();
        let mut owed: Vec<(DocumentId, i64)> = self
            .index
            .covered(self.request.set)
            .filter(|(document, _)| held.is_none_or(|held| !held.covers(document)))
            .map(|(document, state)| (document, state.row))
            .collect();
        let urgent = directives::urgent_documents(self.conn, backfill.until)?;
        let order = |document: &DocumentId, row: i64| {
            let month = std::cmp::Reverse(period_code(document.period()));
            (self.rank(document, row, &urgent), month, row)
        };
        owed.sort_by_key(|(document, row)| order(document, *row));
        if let Some(place) = &backfill.next {
            let at = log::document_by_row(self.conn, place.document)?;
            let from = order(&at, place.document);
            owed.retain(|(document, row)| order(document, *row) >= from);
        }
        Ok(owed)
    }

    fn rank(&self, document: &DocumentId, row: i64, urgent: &BTreeSet<i64>) -> u8 {
        let speaks = |unit| {
            let class = Class::Acks;
            self.request.set.write.contains(&Scope { unit, class })
        };
        match document.class() {
            Class::Directory if speaks(document.unit()) => 0,
            Class::Board if urgent.contains(&row) => 1,
            Class::Board => 2,
            Class::Ledger
            | Class::Acks
            | Class::Drafts
            | Class::Remarks
            | Class::Directory
            | Class::Catalogue => 3,
        }
    }

    /// The stored snapshot, where it is not newer than the backfill, fits into the page and is smaller than the changes
    /// that it stands for. Gives the position that was reached.
    fn push_snapshot(
        &mut self,
        document: DocumentId,
        row: i64,
        after: u64,
        until: u64,
    ) -> Result<u64, ReplayError> {
        let Some((position, bytes)) = log::snapshot_within(self.conn, row, after, until, self.room)? else {
            return Ok(after);
        };
        let keys = self.keys(row, after, position)?;
        self.room -= (ITEM_BYTES + bytes.len() + keys.len() * KEY_BYTES) as i64;
        self.items.push(Item::Snapshot {
            document,
            bytes: bytes.into(),
            keys,
        });
        Ok(position)
    }

    /// A document's changes in `(after, until]`. Gives the position that was reached: `until` when nothing is left.
    fn push_document(
        &mut self,
        document: DocumentId,
        row: i64,
        after: u64,
        until: u64,
    ) -> Result<u64, ReplayError> {
        let mut reached = after;
        loop {
            let mut next = None;
            log::entries_of_document(self.conn, row, reached, until, |entry| {
                next = Some(entry);
                std::ops::ControlFlow::Break(())
            })?;
            let Some(entry) = next else { return Ok(until) };
            if self.is_own(&entry) {
                reached = entry.last;
                continue;
            }
            if self.room <= 0 {
                return Ok(reached);
            }
            let end = entry.last.min(until);
            reached = self.push_entry(document, &entry, reached, until)?;
            if reached < end {
                return Ok(reached);
            }
        }
    }

    /// The changes of an entry in `(after, until]`, as far as there is room – at least one. Gives the last position.
    fn push_entry(
        &mut self,
        document: DocumentId,
        entry: &Entry,
        after: u64,
        until: u64,
    ) -> Result<u64, ReplayError> {
        let (mut chunks, mut reached) = (Vec::new(), after.max(entry.first - 1));
        let from = reached;
        for (chunk, position) in entry.changes.iter().zip(entry.first..) {
            if position <= from {
                continue;
            }
            if position > until || (self.room <= 0 && !chunks.is_empty()) {
                break;
            }
            self.room -= chunk.len() as i64;
            chunks.push(ByteVec::from(chunk.clone()));
            reached = position;
        }
        let keys = self.keys(entry.document, from, reached)?;
        self.room -= (ITEM_BYTES + keys.len() * KEY_BYTES) as i64;
        self.push_tail(document, chunks, keys);
        Ok(reached)
    }

    /// Appends to the last item where it is the same document's.
    fn push_tail(&mut self, document: DocumentId, chunks: Vec<ByteVec>, listed: Vec<ListedKey>) {
        if let Some(Item::Tail {
            document: last,
            changes,
            keys,
        }) = self.items.last_mut()
            && *last == document
        {
            changes.extend(chunks);
            keys.extend(listed);
        } else if !chunks.is_empty() {
            self.items.push(Item::Tail {
                document,
                changes: chunks,
                keys: listed,
            });
        }
    }

    /// Keys of the records created in `(after, until]`: for readers of personal data, and for nobody else.
    fn keys(&self, document: i64, after: u64, until: u64) -> Result<Vec<ListedKey>, ReplayError> {
        if !self.request.set.personal_read {
            return Ok(Vec::new());
        }
        listed_keys(self.conn, self.request.master, document, after, until)
    }
}

/// Keys of the records of a document that were created in `(after, until]`. Who may have them is decided before.
pub(super) fn listed_keys(
    conn: &Connection,
    master: &MasterKey,
    document: i64,
    after: u64,
    until: u64,
) -> Result<Vec<ListedKey>, ReplayError> {
    let mut statement = conn.prepare_cached(
        "SELECT record, wrapped FROM record_key WHERE document = ? AND position > ? AND position <= ?",
    )?;
    let rows = statement.query_map(params![document, after, until], |row| {
        Ok((
            RecordId::from_bytes(row.get(0)?),
            row.get_ref(1)?.as_blob()?.to_vec(),
        ))
    })?;
    let mut keys = Vec::new();
    for row in rows {
        let (record, wrapped) = row?;
        // A key that does not unwrap is a damaged row; the record stays readable but for its sealed fields.
        let key = master.unwrap_key(&wrapped, record).ok();
        keys.extend(key.map(|key| ListedKey { record, key }));
    }
    Ok(keys)
}
