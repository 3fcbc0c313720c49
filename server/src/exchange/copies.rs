//! The token of the exchange: it tells a phone that was copied from one whose answer was lost.
//!
//! A token is a counter (u32) and chance (u32), handed out when data moved and sent back with the next request. An answer may
//! be lost, so whoever answers a token twice may hand out two successors: the phone has heard at most one of them. Two
//! living copies of one vault hold the same token first; then each goes on with a successor of its own, and as soon as one
//! presents what the other has left behind, both are seen to be alive. A phone that was put back – restored from a backup,
//! its last writes lost – presents a token that is over, and is no copy until the other one shows up.
//!
//! Nothing is refused: both copies deliver, and what forks is written again. It is remembered in memory and written now and
//! then, as presence is: what a crash forgets makes a token look newer than it should be, which is taken as it is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use minicbor::{Decode, Encode};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sync_core::ids::DeviceId;
use sync_core::protocol::ExchangeToken;

use crate::audit::{self, Act, By, Change};

/// So many successors of one token, or of the other copy's, are told apart.
const SUCCESSORS: usize = 8;
/// A request that was made before the last one, but no longer than this, was under way for long.
const LATE_MS: i64 = 3_600_000;

/// What is known of the tokens of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Line {
    /// The one that was presented last; `None`: the phone had none.
    #[n(0)]
    presented: Option<ExchangeToken>,
    /// What answered it. The phone has heard one of them, or none.
    #[n(1)]
    answers: Vec<ExchangeToken>,
    /// What was left behind: whoever presents one of these lives beside the one that went on.
    #[n(2)]
    left: Vec<ExchangeToken>,
    /// The highest counter that was handed out.
    #[n(3)]
    counter: u32,
    /// When the last request was made that changed any of it, by the device's clock.
    #[n(4)]
    made_at_ms: i64,
}

/// What a token tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// One phone goes on, or hears again what it has not heard.
    One,
    /// The request was under way for long: it tells nothing, and gets no successor.
    Late,
    /// The phone is where it was before: restored, or one of two.
    Back,
    /// Two copies are alive.
    Copied,
}

impl Line {
    /// Takes the token of a request that the device says it made at a time.
    pub fn present(&mut self, token: Option<ExchangeToken>, made_at_ms: i64) -> Told {
        let before = self.made_at_ms.saturating_sub(made_at_ms);
        if (1..=LATE_MS).contains(&before) {
            return Told::Late;
        }
        if token == self.presented {
            return Told::One;
        }
        self.made_at_ms = made_at_ms;
        if let Some(answer) = token.filter(|token| self.answers.contains(token)) {
            let others = std::mem::take(&mut self.answers).into_iter();
            let others: Vec<_> = others.filter(|other| *other != answer).collect();
            if !others.is_empty() {
                self.left = others;
            }
            self.presented = token;
            return Told::One;
        }
        let living = token.is_some_and(|token| self.left.contains(&token));
        if token.is_some_and(|token| counter_of(token) > self.counter) {
            // It was never handed out, as far as is remembered: a crash forgot it.
            self.begin_again(token);
            return Told::One;
        }
        self.left = std::mem::take(&mut self.answers);
        self.left.extend(self.presented);
        self.presented = token;
        if living { Told::Copied } else { Told::Back }
    }

    /// The next token for whoever presented the last one.
    pub fn succeed(&mut self, chance: [u8; 4]) -> ExchangeToken {
        let next = match self.answers.last() {
            Some(last) if self.answers.len() >= SUCCESSORS => return *last,
            // Successors of one token share a counter, and differ by chance.
            Some(last) => counter_of(*last),
            None => self.counter.saturating_add(1),
        };
        let mut bytes = [0; 8];
        let parts = next.to_be_bytes().into_iter().chain(chance);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        let token = ExchangeToken(bytes);
        self.counter = self.counter.max(next);
        self.answers.push(token);
        token
    }

    /// Nothing is known of what was handed out: what the phone has now is where it goes on.
    pub fn begin_again(&mut self, token: Option<ExchangeToken>) {
        *self = Self {
            presented: token,
            counter: token.map_or(0, counter_of).max(self.counter),
            made_at_ms: self.made_at_ms,
            ..Self::default()
        };
    }
}

fn counter_of(token: ExchangeToken) -> u32 {
    let [a, b, c, d, ..] = token.0;
    u32::from_be_bytes([a, b, c, d])
}

/// One device in memory.
#[derive(Clone, Debug, Default)]
struct Known {
    line: Line,
    copied_at_ms: Option<i64>,
    /// Whether the table says something else.
    unwritten: bool,
}

/// A request, as far as it tells copies apart.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// Its token.
    pub token: Option<ExchangeToken>,
    /// When it was made, by the device's clock.
    pub made_at_ms: i64,
    /// Which life of the store it knows.
    pub life: Life,
}

/// Which life of the store a phone knows. What another one handed out proves nothing in this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// This one.
    Same,
    /// One that is over.
    Another,
}

/// What was seen of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the token tells.
    pub told: Told,
    /// When two copies were first seen.
    pub copied_at_ms: Option<i64>,
    /// That was just now.
    pub news: bool,
}

/// The tokens of all devices that were here.
#[derive(Debug, Default)]
pub struct Copies {
    devices: Mutex<HashMap<DeviceId, Known>>,
}

impl Copies {
    /// Takes what a request presents.
    ///
    /// # Errors
    /// The store's, which is asked at the first request of a device.
    pub fn present(
        &self,
        device: DeviceId,
        presented: Presented,
        now_ms: i64,
        stored: impl FnOnce() -> rusqlite::Result<Option<(Line, Option<i64>)>>,
    ) -> rusqlite::Result<Seen> {
        let is_known = self.lock().contains_key(&device);
        let stored = if is_known { None } else { stored()? };
        let mut devices = self.lock();
        let known = devices.entry(device).or_insert_with(|| {
            let (line, copied_at_ms) = stored.unwrap_or_default();
            Known {
                line,
                copied_at_ms,
                unwritten: false,
            }
        });
        let before = known.line.clone();
        let told = match presented.life {
            Life::Same => known.line.present(presented.token, presented.made_at_ms),
            Life::Another => {
                known.line.begin_again(presented.token);
                Told::One
            }
        };
        let news = told == Told::Copied && known.copied_at_ms.is_none();
        if news {
            known.copied_at_ms = Some(now_ms);
        }
        known.unwritten |= known.line != before;
        Ok(Seen {
            told,
            copied_at_ms: known.copied_at_ms,
            news,
        })
    }

    /// The next token of a device that has presented one.
    pub fn succeed(&self, device: DeviceId, chance: [u8; 4]) -> Option<ExchangeToken> {
        let mut devices = self.lock();
        let known = devices.get_mut(&device)?;
        known.unwritten = true;
        Some(known.line.succeed(chance))
    }

    /// Takes what is to be written.
    pub fn take(&self) -> Vec<(DeviceId, Line)> {
        let mut devices = self.lock();
        let unwritten = devices.iter_mut().filter(|(_, known)| known.unwritten);
        unwritten
            .map(|(device, known)| {
                known.unwritten = false;
                (*device, known.line.clone())
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, Known>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the table knows of a device, and when two copies of it were first seen.
///
/// # Errors
/// The store's.
pub fn stored(conn: &Connection, device: DeviceId) -> rusqlite::Result<Option<(Line, Option<i64>)>> {
    let row: Option<(Vec<u8>, Option<i64>)> = conn
        .prepare_cached("SELECT line, copied_at FROM device_token WHERE device = ?")?
        .query_row([device.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row.map(|(line, copied_at)| (minicbor::decode(&line).unwrap_or_default(), copied_at)))
}

/// Writes what [`Copies::take`] gave.
///
/// # Errors
/// The store's.
pub fn put(tx: &Transaction<'_>, lines: &[(DeviceId, Line)]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO device_token (device, line) SELECT id, ?2 FROM device WHERE id = ?1
               ON CONFLICT (device) DO UPDATE SET line = excluded.line";
    for (device, line) in lines {
        let line = minicbor::to_vec(line).unwrap_or_default();
        tx.prepare_cached(sql)?
            .execute(params![device.to_bytes(), line])?;
    }
    Ok(())
}

/// Two living copies of a device were seen: kept with the time, and written into the audit, once.
///
/// # Errors
/// The store's.
pub fn flag(tx: &Transaction<'_>, device: DeviceId, now_ms: i64) -> rusqlite::Result<()> {
    put(tx, &[(device, Line::default())])?;
    let sql = "UPDATE device_token SET copied_at = ? WHERE device = ? AND copied_at IS NULL";
    let flagged = tx
        .prepare_cached(sql)?
        .execute(params![now_ms, device.to_bytes()])?;
    if flagged == 1 {
        let by = By {
            account: None,
            origin: "exchange".to_owned(),
            now_ms,
        };
        audit::record(tx, &by, Act::DeviceCopied, &Change::of(device))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A phone: the token that it has.
    #[derive(Clone, Default)]
    struct Phone(Option<ExchangeToken>);

    struct Desk {
        line: Line,
        chance: u32,
        clock: i64,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                line: Line::default(),
                chance: 0,
                clock: 1_000_000_000,
            }
        }

        /// An exchange that moves data; the answer is not heard yet.
        fn answer(&mut self, phone: &Phone) -> (Told, ExchangeToken) {
            self.clock += 60_000;
            let told = self.line.present(phone.0, self.clock);
            self.chance += 1;
            (told, self.line.succeed(self.chance.to_be_bytes()))
        }

        fn exchange(&mut self, phone: &mut Phone) -> Told {
            let (told, token) = self.answer(phone);
            phone.0 = Some(token);
            told
        }
    }

    #[test]
    fn answers_lost_many_times_over_are_no_copy() {
        let (mut desk, mut phone) = (Desk::new(), Phone::default());
        for round in 0..200 {
            for _ in 0..round % 23 {
                assert_eq!(desk.answer(&phone).0, Told::One);
            }
            assert_eq!(desk.exchange(&mut phone), Told::One);
        }
    }

    #[test]
    fn an_answer_that_is_heard_although_another_was_made_after_it_is_no_copy() {
        // The request was doubled on its way, and the first answer is the one that arrives.
        let (mut desk, mut phone) = (Desk::new(), Phone::default());
        for _ in 0..50 {
            let (_, heard) = desk.answer(&phone);
            desk.answer(&phone);
            phone.0 = Some(heard);
            assert_eq!(desk.exchange(&mut phone), Told::One);
        }
    }

    #[test]
    fn a_request_that_was_under_way_for_long_tells_nothing() {
        let (mut desk, mut phone) = (Desk::new(), Phone::default());
        desk.exchange(&mut phone);
        let (stuck, made_at_ms) = (phone.0, desk.clock + 1);
        for _ in 0..3 {
            desk.exchange(&mut phone);
        }
        assert_eq!(desk.line.present(stuck, made_at_ms), Told::Late);
        assert_eq!(desk.exchange(&mut phone), Told::One);
    }

    #[test]
    fn two_living_copies_are_seen_whatever_the_order_in_which_they_come() {
        for order in [
            [0, 1, 0, 1, 0, 1],
            [0, 0, 1, 0, 0, 1],
            [0, 0, 0, 1, 1, 0],
            [1, 0, 0, 1, 1, 0],
        ] {
            let (mut desk, mut phone) = (Desk::new(), Phone::default());
            desk.exchange(&mut phone);
            let mut both = [phone.clone(), phone];
            let told: Vec<Told> = order.iter().map(|at| desk.exchange(&mut both[*at])).collect();
            assert!(told.contains(&Told::Copied), "{order:?}: {told:?}");
        }
    }

    #[test]
    fn a_phone_put_back_is_a_copy_only_once_the_other_one_is_seen() {
        let (mut desk, mut phone) = (Desk::new(), Phone::default());
        desk.exchange(&mut phone);
        let mut backup = phone.clone();
        for _ in 0..5 {
            desk.exchange(&mut phone);
        }
        assert_eq!(desk.exchange(&mut backup), Told::Back);
        for _ in 0..5 {
            assert_eq!(desk.exchange(&mut backup), Told::One);
        }
        assert_eq!(desk.exchange(&mut phone), Told::Copied);
    }

    #[test]
    fn what_the_server_forgot_is_taken_as_it_is() {
        let (mut desk, mut phone) = (Desk::new(), Phone::default());
        desk.exchange(&mut phone);
        let written = desk.line.clone();
        for _ in 0..5 {
            desk.exchange(&mut phone);
        }
        desk.line = written;
        for _ in 0..5 {
            assert_eq!(desk.exchange(&mut phone), Told::One);
        }
    }

    #[test]
    fn counters_at_their_end_and_tokens_out_of_the_air_harm_nobody() {
        let (mut desk, mut phone) = (Desk::new(), Phone(Some(ExchangeToken([0xff; 8]))));
        for _ in 0..20 {
            desk.exchange(&mut phone);
        }
        assert!(desk.line.answers.len() <= SUCCESSORS && desk.line.left.len() <= SUCCESSORS + 1);
        let line: Line = minicbor::decode(&minicbor::to_vec(&desk.line).unwrap()).unwrap();
        assert_eq!(line, desk.line);
    }
}
