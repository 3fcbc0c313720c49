//! The targets of guided fuzzing, which live among the tests: `tests/fuzzing/targets.rs` says what each does.

#![expect(unreachable_pub, reason = "the tests that this is made of have no outside")]

#[path = "../tests/fuzzing/chance.rs"]
mod chance;
#[path = "../tests/fuzzing/guarded.rs"]
mod guarded;
#[path = "../tests/fuzzing/lies.rs"]
mod lies;
#[path = "../tests/fuzzing/phone.rs"]
mod phone;
#[path = "../tests/fuzzing/steps.rs"]
mod steps;
#[path = "../tests/fuzzing/targets.rs"]
pub mod targets;
#[path = "../tests/fuzzing/village.rs"]
mod village;
