//! stub
#[derive(Debug, Default)]
pub struct PreflightLimits {}
#[derive(Debug)]
pub struct Header {
    pub hash: [u8; 32],
    pub deps: Vec<[u8; 32]>,
    pub actor: [u8; 16],
    pub seq: u64,
    pub start_op: u64,
    pub time_ms: i64,
    pub message: Option<String>,
    pub other_actors: Vec<[u8; 16]>,
    pub ops: u64,
}
impl Header {
    pub fn max_op(&self) -> u64 {
        self.start_op + self.ops - 1
    }
}
#[derive(Debug, thiserror::Error)]
#[error("preflight")]
pub struct PreflightError;
impl PreflightError {
    pub fn code(&self) -> &'static str {
        "preflight"
    }
}
pub fn preflight(chunk: &[u8], _l: &PreflightLimits) -> Result<Header, PreflightError> {
    let c = automerge::Change::from_bytes(chunk.to_vec()).map_err(|_| PreflightError)?;
    Ok(Header {
        hash: c.hash().0,
        deps: c.deps().iter().map(|d| d.0).collect(),
        actor: c.actor_id().to_bytes().try_into().unwrap(),
        seq: c.seq(),
        start_op: c.start_op().get(),
        time_ms: c.timestamp(),
        message: c.message().map(|m| m.to_owned()),
        other_actors: vec![],
        ops: c.len() as u64,
    })
}
pub fn chunk_hash(chunk: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(chunk.get(8..).unwrap_or_default()).into()
}
