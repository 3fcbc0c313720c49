//! Preflight: reads a change chunk without automerge, and lets through only what is safe to hand to it.
//!
//! automerge allocates what a chunk claims before it looks at what is there, so 80 bytes can hang or abort the process,
//! which nobody can catch. Here every length is compared with the bytes that are left, every run with the number of
//! operations, and nothing is allocated but the few fields of the [`Header`]. The format is that of automerge's change
//! chunks (<https://automerge.org/automerge-binary-format-spec/>), narrowed to what this software writes: no
//! compression, no lists, no marks, no bytes that nobody reads.
//!
//! Not here: whether the operations make sense in a document, which [`crate::admission`] decides.

mod columns;
mod reader;
mod whole;

use sha2::{Digest, Sha256};

use reader::Reader;
pub use whole::{Density, DocumentLimits, Outline, preflight_document};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM: usize = 4;
/// Where the hashed part of a chunk begins: after the magic bytes and the checksum.
const HASHED_FROM: usize = MAGIC.len() + CHECKSUM;
const CHANGE_CHUNK: u8 = 1;
/// Operation counters are 32 bits wide in automerge, whatever the format allows.
const MAX_OP: u64 = u32::MAX as u64;

/// How large a change may be. The defaults are those of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct PreflightLimits {
    /// Bytes of the chunk.
    pub chunk: usize,
    /// Changes that it depends on.
    pub deps: usize,
    /// Actors that it names beside its own.
    pub other_actors: usize,
    /// Bytes of the message.
    pub message: usize,
    /// Operations.
    pub ops: usize,
    /// Operations that these replace, all together.
    pub preds: usize,
    /// Bytes of one key of a map.
    pub key: usize,
}

impl Default for PreflightLimits {
    fn default() -> Self {
        Self {
            chunk: crate::protocol::limits::CHANGE_BYTES,
            deps: crate::admission::DOCUMENT_HEADS + crate::admission::DEVICE_HEADS,
            // At most 63, which is what the walk can tell apart.
            other_actors: 32,
            message: 64,
            ops: 256,
            preds: 512,
            key: 64,
        }
    }
}

/// What a change says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// SHA-256 over type, length and body.
    pub hash: [u8; 32],
    /// The changes that it stands on, ascending.
    pub deps: Vec<[u8; 32]>,
    /// Who made it.
    pub actor: [u8; 16],
    /// Its number among its actor's changes, from 1.
    pub seq: u64,
    /// The counter of its first operation, from 1.
    pub start_op: u64,
    /// When it was made, as its author said.
    pub time_ms: i64,
    /// Its message.
    pub message: Option<String>,
    /// The other actors that its operations name, ascending.
    pub other_actors: Vec<[u8; 16]>,
    /// How many operations it has, at least one.
    pub ops: u64,
    /// The object that the last of them is about: the actor and the counter that made it; `None` for the root.
    pub object: Option<([u8; 16], u64)>,
}

impl Header {
    /// The counter of its last operation.
    pub fn max_op(&self) -> u64 {
        self.start_op + self.ops - 1
    }
}

/// Why a chunk is not handed to automerge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreflightError {
    /// Not a change chunk, or one that is compressed.
    #[error("not an uncompressed change chunk")]
    Kind,
    /// The checksum does not fit the bytes.
    #[error("the checksum does not fit")]
    Checksum,
    /// Larger than allowed, in one way or another.
    #[error("too many or too large: {0}")]
    Limit(&'static str),
    /// Not what the format says, or not the one way to say it.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Well-formed, but nothing that this software writes.
    #[error("not of our kind: {0}")]
    Foreign(&'static str),
}

impl PreflightError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            PreflightError::Kind => "chunk_kind",
            PreflightError::Checksum => "chunk_checksum",
            PreflightError::Limit(_) => "chunk_limit",
            PreflightError::Malformed(_) => "chunk_malformed",
            PreflightError::Foreign(_) => "chunk_foreign",
        }
    }
}

/// The hash of a chunk, whatever is in it.
pub fn chunk_hash(chunk: &[u8]) -> [u8; 32] {
    Sha256::digest(chunk.get(HASHED_FROM..).unwrap_or_default()).into()
}

/// Whether a chunk of any kind is as it was made: its checksum fits. Tells damage, not malice.
pub fn is_intact(chunk: &[u8]) -> bool {
    chunk
        .get(MAGIC.len()..HASHED_FROM)
        .is_some_and(|checksum| chunk_hash(chunk).starts_with(checksum))
}

/// Reads one chunk, to its last byte.
///
/// # Errors
/// [`PreflightError`] for whatever is not safe to hand to automerge.
pub fn preflight(chunk: &[u8], limits: &PreflightLimits) -> Result<Header, PreflightError> {
    if chunk.len() > limits.chunk {
        return Err(PreflightError::Limit("chunk"));
    }
    let mut reader = Reader::new(chunk);
    let checksum = frame(&mut reader)?;
    let hash = chunk_hash(chunk);
    if !hash.starts_with(checksum) {
        return Err(PreflightError::Checksum);
    }
    let deps = ascending(&mut reader, limits.deps, "deps", |reader| reader.array("deps"))?;
    let own = actor(&mut reader)?;
    let seq = reader.unsigned("seq")?;
    let start_op = reader.unsigned("start_op")?;
    let time_ms = reader.signed("time")?;
    let message = message(&mut reader, limits)?;
    let other_actors = ascending(&mut reader, limits.other_actors, "other_actors", actor)?;
    if other_actors.contains(&own) {
        return Err(PreflightError::Malformed("other_actors"));
    }
    let actors = 1 + other_actors.len();
    let operations = columns::walk(&mut reader, actors as u64, limits)?;
    // automerge looks every listed actor up and panics where one is not there; what the operations name is judged later.
    if (1..actors).any(|place| operations.named & (1 << place) == 0) {
        return Err(PreflightError::Foreign("an actor that no operation names"));
    }
    let ops = operations.count;
    if seq == 0 || start_op == 0 || start_op.saturating_add(ops) > MAX_OP {
        return Err(PreflightError::Limit("counters"));
    }
    let named = |index: usize| {
        if index == 0 {
            Some(own)
        } else {
            other_actors.get(index - 1).copied()
        }
    };
    let object = operations
        .object
        .and_then(|(index, counter)| Some((named(index)?, counter)));
    Ok(Header {
        hash,
        deps,
        actor: own,
        seq,
        start_op,
        time_ms,
        message,
        other_actors,
        ops,
        object,
    })
}

/// Magic bytes, checksum, kind and length; gives the checksum.
fn frame<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], PreflightError> {
    let magic = reader.take(MAGIC.len(), "chunk")?;
    let checksum = reader.take(CHECKSUM, "chunk")?;
    let kind = reader.take(1, "chunk")?;
    if magic != MAGIC || kind != [CHANGE_CHUNK] {
        return Err(PreflightError::Kind);
    }
    let length = reader.unsigned("chunk")?;
    if length == reader.left() as u64 {
        Ok(checksum)
    } else {
        Err(PreflightError::Malformed("chunk"))
    }
}

/// A counted list whose members strictly ascend: the one order in which the format writes it.
fn ascending<T: Ord>(
    reader: &mut Reader<'_>,
    limit: usize,
    what: &'static str,
    mut member: impl FnMut(&mut Reader<'_>) -> Result<T, PreflightError>,
) -> Result<Vec<T>, PreflightError> {
    let count = reader.unsigned(what)?;
    if count > limit as u64 {
        return Err(PreflightError::Limit(what));
    }
    let members = (0..count)
        .map(|_| member(reader))
        .collect::<Result<Vec<T>, _>>()?;
    if members.is_sorted_by(|a, b| a < b) {
        Ok(members)
    } else {
        Err(PreflightError::Malformed(what))
    }
}

fn actor(reader: &mut Reader<'_>) -> Result<[u8; 16], PreflightError> {
    if reader.unsigned("actor")? != 16 {
        return Err(PreflightError::Foreign("actor"));
    }
    reader.array("actor")
}

fn message(reader: &mut Reader<'_>, limits: &PreflightLimits) -> Result<Option<String>, PreflightError> {
    let length = reader.unsigned("message")?;
    if length > limits.message as u64 {
        return Err(PreflightError::Limit("message"));
    }
    let text = reader.text(length as usize, "message")?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests;
