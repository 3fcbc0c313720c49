//! What the log holds, in short and in memory: how far each scope reaches, and the digest of each document.
//!
//! It makes "nothing new" free of queries whatever a device may read, and is rebuilt from the document table at start.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;
use sync_core::digest::DigestSum;
use sync_core::ids::{DocumentId, Scope};
use sync_core::protocol::ScopeSet;

use crate::log::{self, Advance, document_id, period_code};

/// The whole log in short.
#[derive(Debug, Default)]
pub struct LogIndex {
    head: u64,
    scopes: HashMap<Scope, ScopeState>,
}

/// One scope.
#[derive(Debug)]
pub struct ScopeState {
    /// Its row.
    pub row: i64,
    /// The position of its last change.
    pub high_water: u64,
    /// Its documents by period.
    pub documents: BTreeMap<i64, DocumentState>,
}

/// One document.
#[derive(Clone, Copy, Debug)]
pub struct DocumentState {
    /// Its row.
    pub row: i64,
    /// Over its heads.
    pub digest: DigestSum,
    /// The position of its last change.
    pub last: u64,
}

impl LogIndex {
    /// Reads the document table.
    ///
    /// # Errors
    /// The store's.
    pub fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut index = Self {
            head: log::head(conn)?,
            ..Self::default()
        };
        for advance in log::documents(conn)? {
            index.advance(&advance);
        }
        Ok(index)
    }

    /// Takes a committed change of a document in.
    pub fn advance(&mut self, to: &Advance) {
        self.head = self.head.max(to.last);
        let scope = self
            .scopes
            .entry(to.document.scope())
            .or_insert_with(|| ScopeState {
                row: to.scope_row,
                high_water: 0,
                documents: BTreeMap::new(),
            });
        scope.high_water = scope.high_water.max(to.last);
        let state = DocumentState {
            row: to.row,
            digest: to.digest,
            last: to.last,
        };
        let known = scope
            .documents
            .entry(period_code(to.document.period()))
            .or_insert(state);
        if known.last <= to.last {
            *known = state;
        }
    }

    /// Takes in what the document table says of positions that are not known here.
    ///
    /// # Errors
    /// The store's.
    pub fn catch_up(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let known = self.head;
        for advance in log::documents(conn)? {
            if advance.last > known {
                self.advance(&advance);
            }
        }
        Ok(())
    }

    /// The last position of the log.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// A scope that has documents.
    pub fn scope(&self, scope: &Scope) -> Option<&ScopeState> {
        self.scopes.get(scope)
    }

    /// The sum over the documents of a scope set.
    pub fn digest(&self, set: &ScopeSet) -> DigestSum {
        self.covered(set).map(|(_, state)| state.digest).sum()
    }

    /// The documents of a scope set.
    pub fn covered<'a>(
        &'a self,
        set: &'a ScopeSet,
    ) -> impl Iterator<Item = (DocumentId, DocumentState)> + 'a {
        set.read
            .iter()
            .filter_map(|scope| Some((scope, self.scopes.get(scope)?)))
            .flat_map(|(scope, state)| {
                state
                    .documents
                    .iter()
                    .map(move |(period, state)| (scope, *period, *state))
            })
            .filter_map(|(scope, period, state)| Some((document_id(*scope, period)?, state)))
            .filter(|(document, _)| set.covers(document))
    }
}
