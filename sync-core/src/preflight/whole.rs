//! Whole documents: reads a document chunk without automerge, before it is loaded.
//!
//! A snapshot comes from a server, which may be somebody else's, or from the own disk. Loading believes what columns claim,
//! as parsing a change does: here compressed columns are inflated up to a limit, and every run is counted against what so
//! many bytes can honestly say ([`DocumentLimits::RECEIVED`]). What the operations mean is not looked at; a snapshot that
//! crossed a network is judged by [`crate::admission`], change by change.

use std::io::Read;

use flate2::bufread::DeflateDecoder;

use super::columns::walk_runs;
use super::reader::Reader;
use super::{CHECKSUM, MAGIC, PreflightError, PreflightLimits, actor, chunk_hash};

type Result<T> = std::result::Result<T, PreflightError>;

const DOCUMENT_CHUNK: u8 = 0;
/// Set in the specification of a column that is deflated.
const DEFLATED: u64 = 0b1000;

/// Columns of changes and of operations that documents of ours have: no elements of lists, no marks.
const CHANGE_COLUMNS: &[u64] = &[0x01, 0x03, 0x13, 0x23, 0x35, 0x40, 0x43, 0x56, 0x57];
const OP_COLUMNS: &[u64] = &[
    0x01, 0x02, 0x15, 0x21, 0x23, 0x34, 0x42, 0x56, 0x57, 0x80, 0x81, 0x83, 0x94,
];
/// The column of operations that has a row for each of them, and the one that has a row for each change.
const ACTION: u64 = 0x42;
const SEQ: u64 = 0x03;
/// The column of changes that names other changes by their place.
const DEPENDENCY: u64 = 0x43;

/// How large a document may be.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Bytes of the chunk.
    pub chunk: usize,
    /// Bytes of its columns, inflated.
    pub inflated: usize,
    /// Changes, each of which takes a kilobyte and more when it is loaded.
    pub changes: u64,
    /// Dependencies, operations, and operations that these replace: each at most so many.
    pub rows: u64,
    /// How much of all that so many bytes may claim: a run of a million costs three bytes to write, and a gigabyte to load.
    pub density: Option<Density>,
    /// Actors.
    pub actors: u64,
    /// Heads.
    pub heads: u64,
}

/// How many rows a chunk may have, by its length.
#[derive(Clone, Copy, Debug)]
pub struct Density {
    /// So many in any case: what is alike is written short.
    pub few: u64,
    /// And so many changes for each byte of the chunk.
    pub changes: u64,
    /// Of the other rows, so many.
    pub rows: u64,
}

impl DocumentLimits {
    /// For what crossed a network. An honest change takes dozens of bytes, and some for each of its operations; a document
    /// that is denser is sent change by change.
    pub const RECEIVED: Self = Self {
        chunk: crate::protocol::limits::RESPONSE_INFLATED_BYTES,
        inflated: 32 * 1024 * 1024,
        changes: 100_000,
        rows: 2_000_000,
        density: Some(Density {
            few: 4_096,
            changes: 1,
            rows: 16,
        }),
        actors: 65_536,
        heads: 1_024,
    };

    /// For what [`crate::document::Document::save`] gave, and was kept where nobody else writes: everything that changes
    /// which were admitted one by one can add up to. A checksum tells whether it is still that.
    pub const STORED: Self = Self {
        chunk: 256 * 1024 * 1024,
        inflated: 1024 * 1024 * 1024,
        changes: 2_000_000,
        rows: 64_000_000,
        density: None,
        actors: 1_000_000,
        heads: 1_000_000,
    };

    /// How many changes and other rows a chunk of so many bytes may have.
    fn of(&self, bytes: usize) -> (u64, u64) {
        let Some(density) = self.density else {
            return (self.changes, self.rows);
        };
        let within = |most: u64, each: u64| {
            let dense = each.saturating_mul(bytes as u64);
            most.min(density.few.saturating_add(dense))
        };
        (
            within(self.changes, density.changes),
            within(self.rows, density.rows),
        )
    }
}

/// What a document chunk says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Changes.
    pub changes: u64,
    /// No operation of an honest document has a higher counter: so many there are, deletions included.
    pub max_op: u64,
}

/// Reads one document chunk, to its last byte.
///
/// # Errors
/// [`PreflightError`] for whatever is not safe to load.
pub fn preflight_document(chunk: &[u8], limits: &DocumentLimits) -> Result<Outline> {
    if chunk.len() > limits.chunk {
        return Err(PreflightError::Limit("chunk"));
    }
    let mut reader = Reader::new(chunk);
    let magic = reader.take(MAGIC.len(), "chunk")?;
    let checksum = reader.take(CHECKSUM, "chunk")?;
    let kind = reader.take(1, "chunk")?;
    if magic != MAGIC || kind != [DOCUMENT_CHUNK] {
        return Err(PreflightError::Kind);
    }
    if reader.unsigned("chunk")? != reader.left() as u64 {
        return Err(PreflightError::Malformed("chunk"));
    }
    if !chunk_hash(chunk).starts_with(checksum) {
        return Err(PreflightError::Checksum);
    }
    let actors = counted(&mut reader, limits.actors, "actors", actor)?;
    let heads = counted(&mut reader, limits.heads, "heads", |reader| {
        reader.array::<32>("heads")
    })?;
    let changes = metadata(&mut reader, CHANGE_COLUMNS)?;
    let ops = metadata(&mut reader, OP_COLUMNS)?;
    let mut room = limits.inflated;
    let (changes_most, rows_most) = limits.of(chunk.len());
    let most = Rows {
        rows: changes_most,
        grouped: rows_most,
    };
    let change_rows = walk_columns(&mut reader, &changes, SEQ, actors, most, &mut room)?;
    let of_change = PreflightLimits::default().ops as u64;
    let most = Rows {
        rows: rows_most.min(change_rows.rows.saturating_mul(of_change)),
        grouped: rows_most,
    };
    let op_rows = walk_columns(&mut reader, &ops, ACTION, actors, most, &mut room)?;
    // Where each head is found; older versions leave it out.
    if !reader.is_empty() {
        for _ in 0..heads {
            if reader.unsigned("heads")? >= change_rows.rows {
                return Err(PreflightError::Malformed("heads"));
            }
        }
    }
    if !reader.is_empty() {
        return Err(PreflightError::Foreign("extra bytes"));
    }
    Ok(Outline {
        changes: change_rows.rows,
        max_op: op_rows.rows.saturating_add(op_rows.grouped),
    })
}

fn counted<T>(
    reader: &mut Reader<'_>,
    limit: u64,
    what: &'static str,
    mut member: impl FnMut(&mut Reader<'_>) -> Result<T>,
) -> Result<u64> {
    let count = reader.unsigned(what)?;
    if count > limit {
        return Err(PreflightError::Limit(what));
    }
    for _ in 0..count {
        member(reader)?;
    }
    Ok(count)
}

/// The specification and the length of each column.
fn metadata(reader: &mut Reader<'_>, known: &[u64]) -> Result<Vec<(u64, usize)>> {
    let count = reader.unsigned("columns")?;
    if count > known.len() as u64 {
        return Err(PreflightError::Foreign("column"));
    }
    let (mut columns, mut last) = (Vec::new(), None);
    for _ in 0..count {
        let spec = reader.unsigned("columns")?;
        let plain = spec & !DEFLATED;
        if !known.contains(&plain) {
            return Err(PreflightError::Foreign("column"));
        }
        if last.is_some_and(|last| last >= plain) {
            return Err(PreflightError::Malformed("columns"));
        }
        last = Some(plain);
        let length = reader.unsigned("columns")?;
        let length = usize::try_from(length).map_err(|_| PreflightError::Malformed("columns"))?;
        columns.push((spec, length));
    }
    Ok(columns)
}

/// How many rows there are or may be, and how many values hang on them in groups.
#[derive(Clone, Copy)]
struct Rows {
    rows: u64,
    grouped: u64,
}

fn walk_columns(
    reader: &mut Reader<'_>,
    columns: &[(u64, usize)],
    counter: u64,
    actors: u64,
    most: Rows,
    room: &mut usize,
) -> Result<Rows> {
    let mut plain = Vec::with_capacity(columns.len());
    for (spec, length) in columns {
        let bytes = reader.take(*length, "columns")?;
        let bytes = if spec & DEFLATED == 0 {
            std::borrow::Cow::Borrowed(bytes)
        } else {
            std::borrow::Cow::Owned(inflate(bytes, *room)?)
        };
        *room = room
            .checked_sub(bytes.len())
            .ok_or(PreflightError::Limit("columns"))?;
        plain.push((spec & !DEFLATED, bytes));
    }
    let of = |spec: u64| {
        let column = plain.iter().find(|(each, _)| *each == spec);
        Reader::new(column.map_or(&[][..], |(_, bytes)| bytes))
    };
    let rows = walk_runs(
        of(counter),
        most.rows,
        "rows",
        |reader| reader.signed("rows"),
        |_| Ok(()),
    )?;
    let (mut groups, mut grouped) = (0_u64, 0);
    for (spec, _) in plain.iter().filter(|(spec, _)| spec & 0b111 == 0) {
        groups += 1;
        let counts = |count: Option<u64>| {
            grouped = u64::saturating_add(grouped, count.unwrap_or(0));
            Ok(())
        };
        walk_runs(
            of(*spec),
            rows,
            "group",
            |reader| reader.unsigned("group"),
            counts,
        )?;
    }
    if groups > 1 || grouped > most.grouped {
        return Err(PreflightError::Limit("group"));
    }
    for (spec, _) in &plain {
        // Members of the group that this chunk has: dependencies of changes, successors of operations.
        let in_group = [DEPENDENCY, 0x81, 0x83].contains(spec);
        let most = if in_group { grouped } else { rows };
        if *spec == DEPENDENCY {
            walk_dependencies(of(*spec), most, rows)?;
        } else {
            walk_column(*spec, of(*spec), of(spec + 1), most, actors)?;
        }
    }
    Ok(Rows { rows, grouped })
}

/// One column by the type that its specification names; `values` is the column after it, for the metadata of values.
fn walk_column(spec: u64, reader: Reader<'_>, mut values: Reader<'_>, most: u64, actors: u64) -> Result<()> {
    let key = PreflightLimits::default().key as u64;
    match spec & 0b111 {
        1 => {
            let known = |actor: Option<u64>| match actor {
                Some(actor) if actor >= actors => Err(PreflightError::Malformed("actor")),
                Some(_) | None => Ok(()),
            };
            walk_runs(reader, most, "actor", |reader| reader.unsigned("actor"), known).map(drop)
        }
        2 => walk_runs(
            reader,
            most,
            "number",
            |reader| reader.unsigned("number"),
            |_| Ok(()),
        )
        .map(drop),
        3 => walk_runs(reader, most, "delta", |reader| reader.signed("delta"), |_| Ok(())).map(drop),
        4 => walk_booleans(reader, most),
        5 => {
            let text = |reader: &mut Reader<'_>| {
                let length = reader.unsigned("text")?;
                if length > key {
                    return Err(PreflightError::Limit("text"));
                }
                reader.text(length as usize, "text").map(drop)
            };
            walk_runs(reader, most, "text", text, |_| Ok(())).map(drop)
        }
        6 => {
            let meta = |meta: Option<u64>| {
                let length = usize::try_from(meta.unwrap_or(0) >> 4);
                let length = length.map_err(|_| PreflightError::Malformed("value"))?;
                values.take(length, "value").map(drop)
            };
            walk_runs(reader, most, "value", |reader| reader.unsigned("value"), meta)?;
            if values.is_empty() {
                Ok(())
            } else {
                Err(PreflightError::Malformed("value"))
            }
        }
        // Groups were counted before, and values are walked with their metadata.
        _ => Ok(()),
    }
}

/// Each is the place of a change that is here.
fn walk_dependencies(reader: Reader<'_>, most: u64, changes: u64) -> Result<()> {
    let mut place: i64 = 0;
    let there = |delta: Option<i64>| {
        place = delta
            .and_then(|delta| place.checked_add(delta))
            .filter(|place| u64::try_from(*place).is_ok_and(|place| place < changes))
            .ok_or(PreflightError::Malformed("deps"))?;
        Ok(())
    };
    walk_runs(reader, most, "deps", |reader| reader.signed("deps"), there).map(drop)
}

/// Runs of no and yes in turn, the first of which may be empty.
fn walk_booleans(mut reader: Reader<'_>, most: u64) -> Result<()> {
    let mut rows = 0_u64;
    while !reader.is_empty() {
        rows = rows.saturating_add(reader.unsigned("flags")?);
        if rows > most {
            return Err(PreflightError::Limit("flags"));
        }
    }
    Ok(())
}

/// Inflates a column in a stream that stops at the limit.
fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    DeflateDecoder::new(bytes)
        .take(limit as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| PreflightError::Malformed("columns"))?;
    if plain.len() > limit {
        Err(PreflightError::Limit("columns"))
    } else {
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::tests::honest_document;
    use crate::forge::{chunk, claiming_document};

    fn check(chunk: &[u8]) -> Result<Outline> {
        preflight_document(chunk, &DocumentLimits::RECEIVED)
    }

    #[test]
    fn honest_documents_pass_and_bound_their_counters() {
        for seed in 0..8 {
            let document = honest_document(seed, 40 * (1 + seed as usize));
            let outline = check(&document.save()).unwrap();
            assert_eq!(outline.changes, document.history().len() as u64);
            let heads = document.history().heads().iter();
            let max_op = heads
                .map(|head| document.history().node(head).unwrap().max_op)
                .max();
            assert!(max_op.unwrap() <= outline.max_op);
            let bytes = document.save().len() as u64;
            assert!(
                outline.changes * 8 < bytes && outline.max_op < bytes,
                "not near any limit"
            );
        }
    }

    #[test]
    fn a_column_that_inflates_too_far_is_refused() {
        let mut deflated = Vec::new();
        let zeros = vec![0; 64 * 1024 * 1024];
        flate2::bufread::DeflateEncoder::new(zeros.as_slice(), flate2::Compression::best())
            .read_to_end(&mut deflated)
            .unwrap();
        let mut body = vec![0, 0, 1, 0x5f];
        let mut length = deflated.len();
        while length >= 0x80 {
            body.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        body.push(length as u8);
        body.push(0);
        body.extend(&deflated);
        assert_eq!(check(&chunk(0, &body)), Err(PreflightError::Limit("columns")));
    }

    #[test]
    fn runs_that_are_only_claimed_are_refused() {
        // 2^40 operations that are all a put.
        let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x01];
        let mut body = vec![0, 0, 0, 1, 0x42, huge.len() as u8];
        body.extend(huge);
        assert_eq!(check(&chunk(0, &body)), Err(PreflightError::Limit("rows")));
        // No single number is too large, but the bytes are too few for what they say.
        for (changes, ops) in [
            (1, 1_900_000),
            (1_900_000, 1),
            (7_500, 250),
            (100_000, 1),
            (40, 256),
        ] {
            let document = claiming_document(changes, ops);
            assert!(document.len() < 400, "{} bytes", document.len());
            assert_eq!(
                check(&document),
                Err(PreflightError::Limit("rows")),
                "{changes} × {ops}"
            );
        }
        // As many as an honest document of so few bytes might have.
        assert!(check(&claiming_document(4_000, 1)).is_ok() && check(&claiming_document(1_000, 6)).is_ok());
        assert_eq!(
            check(&claiming_document(10, 257)),
            Err(PreflightError::Limit("rows")),
            "no change has so many operations"
        );
        // More actors, heads and columns than there are bytes.
        for body in [&[0xff, 0xff, 0x03][..], &[0, 0xff, 0x07], &[0, 0, 0x0d]] {
            assert!(check(&chunk(0, body)).is_err());
        }
    }
}
