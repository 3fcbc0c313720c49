//! stub
use sync_core::{edit::EditKind, ids::Scope, protocol::ScopeSet};
/// x
#[derive(Clone, Debug)]
pub struct Access {
    /// x
    pub set: ScopeSet,
}
impl Access {
    /// x
    pub fn may_edit(&self, _s: Scope, _k: EditKind) -> bool {
        true
    }
}
