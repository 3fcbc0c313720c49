//! Turns: who has much to deliver lets those go first who have little.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// So long who has much waits at most: somebody new may come at any time.
const PATIENCE: Duration = Duration::from_millis(250);

/// Deliveries that are at their first part. Most have no other.
#[derive(Debug)]
pub struct Turns(watch::Sender<usize>);

/// A delivery at its first part; over when dropped.
#[derive(Debug)]
pub struct FirstPart<'a>(&'a Turns);

impl Default for Turns {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Turns {
    /// A delivery begins.
    pub fn first_part(&self) -> FirstPart<'_> {
        self.0.send_modify(|beginning| *beginning += 1);
        FirstPart(self)
    }

    /// Lets those go who are at their first part, within limits.
    pub async fn let_others_go(&self) {
        let mut beginning = self.0.subscribe();
        // Either way it is one's own turn now.
        drop(timeout(PATIENCE, beginning.wait_for(|beginning| *beginning == 0)).await);
    }
}

impl Drop for FirstPart<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|beginning| *beginning -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_more_waits_for_those_who_begin_and_not_for_ever() {
        let (turns, begun) = (Turns::default(), Instant::now());
        turns.let_others_go().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "nobody is there");
        let (one, two) = (turns.first_part(), turns.first_part());
        let mut waiting = std::pin::pin!(turns.let_others_go());
        assert!(timeout(PATIENCE / 4, &mut waiting).await.is_err());
        drop(one);
        assert!(
            timeout(PATIENCE / 4, &mut waiting).await.is_err(),
            "another is there"
        );
        drop(two);
        waiting.await;
        assert!(begun.elapsed() < PATIENCE);
        let (_never_done, begun) = (turns.first_part(), Instant::now());
        turns.let_others_go().await;
        assert!(begun.elapsed() >= PATIENCE);
    }
}
