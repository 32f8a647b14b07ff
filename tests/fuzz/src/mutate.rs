//! Deterministic mutations: the same input and number always give the same bytes.

/// Texts that parsers stumble over.
const TOKENS: [&[u8]; 36] = [
    b"\n",
    b"---\n",
    b"\n---\n",
    b"...\n",
    b": ",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"'",
    b"\"",
    b"|\n",
    b">\n",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!str ",
    b"# ",
    b"%YAML 1.2\n",
    b"? ",
    b"~",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b".nan",
    b"M",
    b"Gi",
    b"\0",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff",
    "é".as_bytes(),
    b"kind: List\nitems:\n",
    b"null",
];

/// Longest input that is made.
const LONGEST: usize = 64 << 10;

/// The `number`th mutation of `input`, with parts of `other`.
#[must_use]
pub fn mutate(input: &[u8], other: &[u8], number: u32) -> Vec<u8> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ (u64::from(number) << 32) ^ input.len() as u64);
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        step(&mut bytes, other, &mut numbers);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn step(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let end = at + numbers.below((bytes.len() - at).min(64) + 1);
    match numbers.below(9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
        }
        4 => {
            let from = numbers.below(other.len() + 1);
            let to = from + numbers.below((other.len() - from).min(256) + 1);
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        5 => {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if let Some(line) = lines.get(numbers.below(lines.len() + 1)).map(|line| line.to_vec()) {
                bytes.extend(line);
            }
        }
        6 => {
            let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if !lines.is_empty() {
                lines.remove(numbers.below(lines.len()));
            }
            *bytes = lines.concat();
        }
        _ => {
            let token = TOKENS[numbers.below(TOKENS.len())];
            bytes.splice(at..at, token.iter().copied());
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(mixed % limit).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn mutations_are_many_and_always_the_same() {
        let (input, other) = (b"apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n", b"c: 3\n");
        let all: Vec<Vec<u8>> = (0..500).map(|number| mutate(input, other, number)).collect();
        let again: Vec<Vec<u8>> = (0..500).map(|number| mutate(input, other, number)).collect();
        assert_eq!(all, again);
        assert!(all.iter().collect::<BTreeSet<_>>().len() > 400);
    }

    #[test]
    fn nothing_is_a_good_input_too() {
        for number in 0..500 {
            assert!(mutate(b"", b"", number).len() < 1_000);
        }
    }
}
