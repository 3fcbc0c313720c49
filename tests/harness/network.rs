//! The network: what may happen to one request and its answer.

use rand::RngExt;
use rand::rngs::StdRng;

/// What happens to one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Everything arrives.
    Delivered,
    /// The request is lost.
    RequestLost,
    /// The server answers, and nobody hears it.
    AnswerLost,
    /// The request arrives twice; the second answer is heard.
    RequestDoubled,
    /// The answer arrives after the next exchange was begun.
    AnswerLate,
    /// The answer is cut off somewhere.
    AnswerCut,
}

impl Fate {
    pub const ALL: [Fate; 6] = [
        Fate::Delivered,
        Fate::RequestLost,
        Fate::AnswerLost,
        Fate::RequestDoubled,
        Fate::AnswerLate,
        Fate::AnswerCut,
    ];

    pub fn random(rng: &mut StdRng) -> Self {
        Self::ALL[rng.random_range(0..Self::ALL.len())]
    }
}
