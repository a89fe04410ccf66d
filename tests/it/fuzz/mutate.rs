//! Changes inputs: bytes and bits, pieces of other inputs, and the words and numbers that parsers stumble over.

use fastrand::Rng;

use super::corpus::Kind;

/// What breaks parsers: ends of ranges, other types, deep nesting, text that is not UTF-8.
const PIECES: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e308",
    b"-0.0",
    b"NaN",
    b"Infinity",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"9007199254740993",
    b"1e-320",
    b"\"\"",
    b"\"\\ud800\"",
    b"\"\\u0000\"",
    b"{}",
    b"[]",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\0",
    b"%00",
    b"%zz",
    b"${HOME}",
    b"'",
    b"\"",
    b":",
    b",",
    b"@",
    b"  ",
];

/// One input from one number: the same number gives the same input.
pub(crate) struct Mutator(Rng);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// One of `seeds` with some changes, sometimes none.
    pub(crate) fn mutate(&mut self, seeds: &[(Kind, Vec<u8>)]) -> Vec<u8> {
        let mut input = self.one_of(seeds).1.clone();
        for _ in 0..self.0.usize(0..6) {
            self.change(&mut input, seeds);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[(Kind, Vec<u8>)]) {
        match self.0.u8(0..9) {
            0 => self.flip(input),
            1 => self.remove(input),
            2 => self.repeat(input),
            3 => self.splice(input, seeds),
            4 => input.truncate(self.place(input)),
            5 | 6 => self.replace_value(input),
            _ => {
                let piece = self.one_of(PIECES);
                let at = self.place(input);
                input.splice(at..at, piece.iter().copied());
            }
        }
    }

    fn flip(&mut self, input: &mut [u8]) {
        if !input.is_empty() {
            let at = self.0.usize(..input.len());
            input[at] ^= 1 << self.0.u8(0..8);
        }
    }

    fn remove(&mut self, input: &mut Vec<u8>) {
        let (from, to) = (self.place(input), self.place(input));
        input.drain(from.min(to)..from.max(to).min(from.min(to) + 12));
    }

    /// Some repetitions make an input long, as a writer in a loop would.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let (from, to) = (self.place(input), self.place(input));
        let piece = input[from.min(to)..from.max(to)].to_vec();
        let times = if self.0.u8(0..50) == 0 { 2_000 } else { self.0.usize(1..4) };
        if piece.len() * times < 300_000 {
            input.splice(from.min(to)..from.min(to), piece.repeat(times));
        }
    }

    fn splice(&mut self, input: &mut Vec<u8>, seeds: &[(Kind, Vec<u8>)]) {
        let other = &self.one_of(seeds).1;
        let (from, to) = (self.place(other), self.place(other));
        let at = self.place(input);
        input.splice(at..at, other[from.min(to)..from.max(to)].iter().copied());
    }

    /// Puts a piece where a value of JSON, YAML or a query is.
    fn replace_value(&mut self, input: &mut Vec<u8>) {
        let is_before = |byte: &u8| matches!(byte, b':' | b'=');
        let begins: Vec<usize> = (0..input.len()).filter(|at| is_before(&input[*at])).map(|at| at + 1).collect();
        if begins.is_empty() {
            return;
        }
        let begin = *self.one_of(&begins);
        let is_after = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'\n' | b'&' | b'@');
        let length = input[begin..].iter().position(is_after).unwrap_or(input.len() - begin);
        input.splice(begin..begin + length, self.one_of(PIECES).iter().copied());
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.0.usize(..=input.len())
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.usize(..all.len())]
    }
}
