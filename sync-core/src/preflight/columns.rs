//! The operations of a change, column by column: every run is counted against the number of operations.

use super::reader::Reader;
use super::{MAX_OP, PreflightError, PreflightLimits};

type Result<T> = std::result::Result<T, PreflightError>;

/// The columns that our edits write, by specification, in the order in which the format has them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    ObjectActor = 0x01,
    ObjectCounter = 0x02,
    Key = 0x15,
    Insert = 0x34,
    Action = 0x42,
    ValueMeta = 0x56,
    Value = 0x57,
    PredCount = 0x70,
    PredActor = 0x71,
    PredCounter = 0x73,
}

impl Column {
    const ALL: [Column; 10] = [
        Column::ObjectActor,
        Column::ObjectCounter,
        Column::Key,
        Column::Insert,
        Column::Action,
        Column::ValueMeta,
        Column::Value,
        Column::PredCount,
        Column::PredActor,
        Column::PredCounter,
    ];

    fn of(spec: u64) -> Result<Self> {
        // Lists, marks, compressed columns and those of newer formats.
        let known = Self::ALL.into_iter().find(|column| *column as u64 == spec);
        known.ok_or(PreflightError::Foreign("column"))
    }
}

/// The bytes of each column; those of a missing one are empty.
#[derive(Default)]
struct Columns<'a>([&'a [u8]; Column::ALL.len()]);

impl<'a> Columns<'a> {
    fn reader(&self, column: Column) -> Reader<'a> {
        let at = Column::ALL.iter().position(|each| *each == column);
        Reader::new(at.and_then(|at| self.0.get(at)).copied().unwrap_or_default())
    }

    /// Metadata first, then the data of all columns; nothing after it.
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let count = reader.unsigned("columns")?;
        if count > Column::ALL.len() as u64 {
            return Err(PreflightError::Foreign("column"));
        }
        let mut lengths = [(None, 0); Column::ALL.len()];
        let mut last = None;
        for place in lengths.iter_mut().take(count as usize) {
            let spec = reader.unsigned("columns")?;
            if last.is_some_and(|last| last >= spec) {
                return Err(PreflightError::Malformed("columns"));
            }
            last = Some(spec);
            *place = (Some(Column::of(spec)?), reader.unsigned("columns")?);
        }
        let mut columns = Self::default();
        for (column, length) in lengths {
            let Some(column) = column else { break };
            let length = usize::try_from(length).map_err(|_| PreflightError::Malformed("columns"))?;
            let bytes = reader.take(length, "columns")?;
            let at = Column::ALL.iter().position(|each| *each == column);
            if let Some(place) = at.and_then(|at| columns.0.get_mut(at)) {
                *place = bytes;
            }
        }
        if reader.is_empty() {
            Ok(columns)
        } else {
            Err(PreflightError::Foreign("extra bytes"))
        }
    }
}

/// What the columns say about the change as a whole.
pub(super) struct Operations {
    /// How many there are.
    pub(super) count: u64,
    /// The object of the last one, as the index of an actor and a counter; `None` for the root.
    pub(super) object: Option<(usize, u64)>,
    /// Which actors they name, one bit each by its place.
    pub(super) named: u64,
}

/// Walks every column. `actors` is how many the change names, its own included.
pub(super) fn walk(reader: &mut Reader<'_>, actors: u64, limits: &PreflightLimits) -> Result<Operations> {
    let columns = Columns::read(reader)?;
    let ops = walk_actions(columns.reader(Column::Action), limits.ops as u64)?;
    let (object, of_objects) = walk_objects(&columns, ops, actors)?;
    walk_keys(columns.reader(Column::Key), ops, limits)?;
    walk_inserts(columns.reader(Column::Insert), ops)?;
    walk_values(&columns, ops)?;
    let of_preds = walk_preds(&columns, ops, actors, limits)?;
    Ok(Operations {
        count: ops,
        object,
        named: of_objects | of_preds,
    })
}

/// Walks a run-length column of at most `limit` rows; `row` is told of each, `None` for a null. Gives their number.
pub(super) fn walk_runs<T: Copy>(
    mut reader: Reader<'_>,
    limit: u64,
    what: &'static str,
    mut value: impl FnMut(&mut Reader<'_>) -> Result<T>,
    mut row: impl FnMut(Option<T>) -> Result<()>,
) -> Result<u64> {
    let mut rows: u64 = 0;
    while !reader.is_empty() {
        let run = reader.signed(what)?;
        let length = if run == 0 {
            reader.unsigned(what)?
        } else {
            run.unsigned_abs()
        };
        rows = rows.saturating_add(length);
        if length == 0 {
            return Err(PreflightError::Malformed(what));
        }
        if rows > limit {
            return Err(PreflightError::Limit(what));
        }
        match run {
            0 => (0..length).try_for_each(|_| row(None))?,
            1.. => {
                let repeated = value(&mut reader)?;
                (0..length).try_for_each(|_| row(Some(repeated)))?;
            }
            ..0 => (0..length).try_for_each(|_| {
                let literal = value(&mut reader)?;
                row(Some(literal))
            })?,
        }
    }
    Ok(rows)
}

/// A column has a row for every operation, or no bytes at all, which makes each row a null.
fn all_or_none(rows: u64, ops: u64, what: &'static str) -> Result<()> {
    if rows == ops || rows == 0 {
        Ok(())
    } else {
        Err(PreflightError::Malformed(what))
    }
}

/// Make a map, put a scalar, delete: all that our edits do.
fn walk_actions(reader: Reader<'_>, limit: u64) -> Result<u64> {
    let ours = |action| match action {
        Some(0 | 1 | 3) => Ok(()),
        Some(_) => Err(PreflightError::Foreign("action")),
        None => Err(PreflightError::Malformed("action")),
    };
    match walk_runs(reader, limit, "action", |reader| reader.unsigned("action"), ours)? {
        0 => Err(PreflightError::Malformed("no operations")),
        ops => Ok(ops),
    }
}

/// The bit of an actor.
fn bit(actor: u64) -> u64 {
    1_u64
        .checked_shl(u32::try_from(actor).unwrap_or(u32::MAX))
        .unwrap_or(0)
}

/// An actor and a counter for each operation, or neither, which is the root. Gives those of the last one, and which
/// actors there are.
fn walk_objects(columns: &Columns<'_>, ops: u64, actors: u64) -> Result<(Option<(usize, u64)>, u64)> {
    let column = |column, what: std::ops::RangeInclusive<u64>, named: &mut u64| {
        let (mut given, mut last) = (Rows::default(), None);
        let reader = columns.reader(column);
        let rows = walk_runs(
            reader,
            ops,
            "object",
            |reader| reader.unsigned("object"),
            |value: Option<u64>| {
                last = value;
                *named |= value.map_or(0, bit);
                given.push(value.is_some())?;
                if value.is_none_or(|value| what.contains(&value)) {
                    Ok(())
                } else {
                    Err(PreflightError::Malformed("object"))
                }
            },
        )?;
        all_or_none(rows, ops, "object")?;
        Ok((given.bits, last))
    };
    let mut named = 0;
    let (with_actor, actor) = column(Column::ObjectActor, 0..=actors - 1, &mut named)?;
    let (with_counter, counter) = column(Column::ObjectCounter, 1..=MAX_OP, &mut 0)?;
    if with_actor != with_counter {
        return Err(PreflightError::Malformed("object"));
    }
    let last = actor.and_then(|actor| usize::try_from(actor).ok()).zip(counter);
    Ok((last, named))
}

/// Yes or no for each of at most 256 rows; rows that were not pushed are no.
#[derive(Default)]
struct Rows {
    bits: [u64; 4],
    count: usize,
}

impl Rows {
    fn push(&mut self, yes: bool) -> Result<()> {
        let word = self
            .bits
            .get_mut(self.count / 64)
            .ok_or(PreflightError::Limit("operations"))?;
        *word |= u64::from(yes) << (self.count % 64);
        self.count += 1;
        Ok(())
    }
}

fn walk_keys(reader: Reader<'_>, ops: u64, limits: &PreflightLimits) -> Result<()> {
    let key = |reader: &mut Reader<'_>| {
        let length = reader.unsigned("key")?;
        if length == 0 || length > limits.key as u64 {
            return Err(PreflightError::Limit("key"));
        }
        reader.text(length as usize, "key").map(drop)
    };
    let rows = walk_runs(reader, ops, "key", key, |key| {
        key.ok_or(PreflightError::Malformed("key"))
    })?;
    if rows == ops {
        Ok(())
    } else {
        Err(PreflightError::Malformed("key"))
    }
}

/// Nothing is inserted anywhere, for there are no lists: one run of "no".
fn walk_inserts(mut reader: Reader<'_>, ops: u64) -> Result<()> {
    let run = reader.unsigned("insert")?;
    if run == ops && reader.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::Foreign("insert"))
    }
}

/// Each value is as long as its metadata says, and all of them are as long as the column.
fn walk_values(columns: &Columns<'_>, ops: u64) -> Result<()> {
    let mut values = columns.reader(Column::Value);
    let meta = columns.reader(Column::ValueMeta);
    let rows = walk_runs(
        meta,
        ops,
        "value",
        |reader| reader.unsigned("value"),
        |meta| {
            let meta = meta.ok_or(PreflightError::Malformed("value"))?;
            let length = usize::try_from(meta >> 4).map_err(|_| PreflightError::Malformed("value"))?;
            walk_value(meta & 0x0f, Reader::new(values.take(length, "value")?))
        },
    )?;
    if rows == ops && values.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::Malformed("value"))
    }
}

fn walk_value(kind: u64, mut value: Reader<'_>) -> Result<()> {
    match kind {
        // Null, false, true.
        0..=2 => {}
        3 => drop(value.unsigned("value")?),
        // Counters are read like integers, and are refused with the record that holds one.
        4 | 8 | 9 => drop(value.signed("value")?),
        5 => drop(value.array::<8>("value")?),
        6 => drop(value.text(value.left(), "value")?),
        7 => drop(value.take(value.left(), "value")?),
        _ => return Err(PreflightError::Foreign("value")),
    }
    if value.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::Malformed("value"))
    }
}

/// How many operations each one replaces, and which. Gives the actors of those.
fn walk_preds(columns: &Columns<'_>, ops: u64, actors: u64, limits: &PreflightLimits) -> Result<u64> {
    let mut preds: u64 = 0;
    let counts = columns.reader(Column::PredCount);
    let rows = walk_runs(
        counts,
        ops,
        "preds",
        |reader| reader.unsigned("preds"),
        |count| {
            preds = preds.saturating_add(count.ok_or(PreflightError::Malformed("preds"))?);
            Ok(())
        },
    )?;
    if rows != ops {
        return Err(PreflightError::Malformed("preds"));
    }
    if preds > limits.preds as u64 {
        return Err(PreflightError::Limit("preds"));
    }
    let mut named = 0;
    let known = |actor: Option<u64>| match actor {
        Some(actor) if actor < actors => {
            named |= bit(actor);
            Ok(())
        }
        Some(_) | None => Err(PreflightError::Malformed("preds")),
    };
    let actor_rows = walk_runs(
        columns.reader(Column::PredActor),
        preds,
        "preds",
        |r| r.unsigned("preds"),
        known,
    )?;
    let mut counter: i64 = 0;
    let deltas = columns.reader(Column::PredCounter);
    let counter_rows = walk_runs(
        deltas,
        preds,
        "preds",
        |reader| reader.signed("preds"),
        |delta| {
            let delta = delta.ok_or(PreflightError::Malformed("preds"))?;
            counter = counter
                .checked_add(delta)
                .ok_or(PreflightError::Malformed("preds"))?;
            if (1..=MAX_OP as i64).contains(&counter) {
                Ok(())
            } else {
                Err(PreflightError::Malformed("preds"))
            }
        },
    )?;
    if (actor_rows, counter_rows) == (preds, preds) {
        Ok(named)
    } else {
        Err(PreflightError::Malformed("preds"))
    }
}
