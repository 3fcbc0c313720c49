//! The input of a guided fuzzer as chance: it chooses every lie and every step, so that whoever bends the input learns.

use std::convert::Infallible;

use rand::TryRng;

/// Bytes that are drawn from until there are none, and then go on by themselves.
pub struct Chance<'a> {
    bytes: &'a [u8],
    drawn: u64,
}

impl<'a> Chance<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, drawn: 0 }
    }

    /// Whether everything that is drawn from now on follows by itself.
    pub fn is_exhausted(&self) -> bool {
        self.bytes.is_empty()
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        self.drawn += 1;
        if let Some((drawn, rest)) = self.bytes.split_first_chunk() {
            self.bytes = rest;
            return *drawn;
        }
        self.bytes = &[];
        let mixed = self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut drawn = [0; N];
        drawn.copy_from_slice(&(mixed ^ mixed >> 32).to_le_bytes()[..N]);
        drawn
    }
}

impl TryRng for Chance<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw()))
    }

    /// Names are drawn with 64 bits, and no two may be the same, whatever stands in the input.
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let drawn = u64::from_le_bytes(self.draw());
        Ok(drawn.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            [*byte] = self.draw();
        }
        Ok(())
    }
}
