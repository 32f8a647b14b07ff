//! µTP (BEP 29) as far as a peer speaks it that opens a connection and receives: no IO, no clock.
//!
//! ```text
//! SYN ─────────▶            id n, sequence number 1
//!     ◀───────── STATE      id n, acknowledges 1; its sequence number is that of the first data
//! DATA ────────▶            id n + 1
//! ```
//!
//! Times are in microseconds on any clock of this side. The sender's congestion control (LEDBAT, RFC 6817) lives on two
//! things that come from here: the one-way delay in every packet, and prompt acknowledgements.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Result, ensure};

const HEADER_BYTES: usize = 20;
const VERSION: u8 = 1;
/// Packet types.
const DATA: u8 = 0;
const FIN: u8 = 1;
const STATE: u8 = 2;
const RESET: u8 = 3;
const SYN: u8 = 4;
/// The extension that says what came beyond a gap.
const SELECTIVE_ACK: u8 = 1;
/// Packets beyond the first gap that a selective acknowledgement tells of.
const SELECTIVE_BITS: u16 = 64;
/// The receive window: more than any path holds. Nothing is ever waited for here.
const WINDOW_BYTES: u32 = 1 << 20;
/// An acknowledgement waits until this much has come, or for this long, as that of libutp (µTorrent, Transmission) does.
const ACK_BYTES: usize = 2400;
const ACK_MICROS: u64 = 4_000;
/// What is not acknowledged by then is sent again. A seed that gets a second SYN, because it was slow to answer the first
/// one, takes it for a second connection; libtorrent waits as long.
const RESEND_MICROS: u64 = 3_000_000;
/// What a packet carries at most: less than any MTU on the way.
const PAYLOAD_BYTES: usize = 1200;

/// The opening side of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    id: u16,
    connected: bool,
    next_sequence: u16,
    /// The last sequence number up to which everything has come.
    received: u16,
    /// Payload beyond a gap.
    early: BTreeMap<u16, Vec<u8>>,
    /// What is not acknowledged yet: sequence number, payload, when it was sent last.
    sent: VecDeque<(u16, Vec<u8>, Option<u64>)>,
    /// Payload that waits for the connection to open.
    waiting: Vec<u8>,
    /// How long the last packet took, by two clocks that do not agree.
    delay: u32,
    unacknowledged: usize,
    /// When an acknowledgement is due.
    due: Option<u64>,
}

impl Connection {
    /// Opens a connection with this number. [`Self::output`] gives the first packet.
    pub(super) fn open(id: u16) -> Self {
        Self {
            id,
            connected: false,
            next_sequence: 2,
            received: 0,
            early: BTreeMap::new(),
            sent: VecDeque::from([(1, Vec::new(), None)]),
            waiting: Vec::new(),
            delay: 0,
            unacknowledged: 0,
            due: None,
        }
    }

    /// Sends bytes of the stream, as soon as the connection is open.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// Takes a packet, and hands what is in order now to `deliver`.
    ///
    /// # Errors
    /// If the other side closes the connection.
    pub(super) fn input(
        &mut self,
        packet: &[u8],
        now: u64,
        mut deliver: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some((header, payload)) = parse(packet) else { return Ok(()) };
        if header.id != self.id {
            return Ok(());
        }
        ensure!(header.kind != FIN && header.kind != RESET, "the seed closed the connection");
        self.delay = low_word(now).wrapping_sub(header.timestamp);
        while self.sent.front().is_some_and(|(sequence, ..)| is_up_to(*sequence, header.acknowledged)) {
            self.sent.pop_front();
        }
        if !self.connected {
            if header.kind != STATE {
                return Ok(());
            }
            (self.connected, self.received) = (true, header.sequence.wrapping_sub(1));
        }
        if header.kind != DATA {
            return Ok(());
        }
        self.unacknowledged += payload.len();
        let ahead = header.sequence.wrapping_sub(self.received);
        if ahead == 1 && self.early.is_empty() {
            self.received = header.sequence;
            deliver(payload)?;
            let due = if self.unacknowledged >= ACK_BYTES { now } else { now + ACK_MICROS };
            self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
            return Ok(());
        }
        // A gap is there or was just filled, or this is here already: the sender has to know at once.
        self.due = Some(now);
        if (1..1 << 15).contains(&ahead) {
            self.early.insert(header.sequence, payload.to_vec());
        }
        while let Some(next) = self.early.remove(&self.received.wrapping_add(1)) {
            self.received = self.received.wrapping_add(1);
            deliver(&next)?;
        }
        Ok(())
    }

    /// The next packet that has to be sent by now. To be called until there is none.
    pub(super) fn output(&mut self, now: u64) -> Option<Vec<u8>> {
        let stale = |sent: Option<u64>| sent.is_none_or(|sent| now >= sent + RESEND_MICROS);
        if let Some(at) = self.sent.iter().position(|(.., sent)| stale(*sent)) {
            self.sent[at].2 = Some(now);
            let (sequence, payload) = (self.sent[at].0, self.sent[at].1.clone());
            let kind = if sequence == 1 { SYN } else { DATA };
            return Some(self.packet(kind, sequence, &payload, now));
        }
        if self.connected && !self.waiting.is_empty() {
            let count = self.waiting.len().min(PAYLOAD_BYTES);
            let payload: Vec<u8> = self.waiting.drain(..count).collect();
            let sequence = self.next_sequence;
            self.next_sequence = sequence.wrapping_add(1);
            self.sent.push_back((sequence, payload.clone(), Some(now)));
            return Some(self.packet(DATA, sequence, &payload, now));
        }
        if self.due.is_some_and(|due| now >= due) {
            return Some(self.packet(STATE, self.next_sequence, &[], now));
        }
        None
    }

    /// A packet; each one acknowledges.
    fn packet(&mut self, kind: u8, sequence: u16, payload: &[u8], now: u64) -> Vec<u8> {
        (self.unacknowledged, self.due) = (0, None);
        let selective = self.selective_ack();
        let id = if kind == SYN { self.id } else { self.id.wrapping_add(1) };
        let mut packet = Vec::with_capacity(HEADER_BYTES + selective.len() + payload.len());
        packet.extend([kind << 4 | VERSION, if selective.is_empty() { 0 } else { SELECTIVE_ACK }]);
        packet.extend(id.to_be_bytes());
        packet.extend(low_word(now).to_be_bytes());
        packet.extend(self.delay.to_be_bytes());
        packet.extend(WINDOW_BYTES.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend(self.received.to_be_bytes());
        packet.extend(selective);
        packet.extend(payload);
        packet
    }

    /// The extension with a bit for each packet beyond the first gap; nothing where there is none.
    fn selective_ack(&self) -> Vec<u8> {
        if self.early.is_empty() {
            return Vec::new();
        }
        let mut bits = 0u64;
        for sequence in self.early.keys() {
            // The first bit is that of the packet after the missing one.
            let bit = sequence.wrapping_sub(self.received).wrapping_sub(2);
            if bit < SELECTIVE_BITS {
                bits |= 1 << bit;
            }
        }
        let mut extension = vec![0, 8];
        extension.extend(bits.to_le_bytes());
        extension
    }
}

/// What a header says.
struct Header {
    kind: u8,
    id: u16,
    timestamp: u32,
    sequence: u16,
    acknowledged: u16,
}

/// Reads a header and passes over its extensions; none for what is no µTP.
fn parse(packet: &[u8]) -> Option<(Header, &[u8])> {
    let short = |at: usize| packet.get(at..at + 2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
    let [first, mut extension] = *packet.first_chunk()?;
    if first & 0x0f != VERSION || packet.len() < HEADER_BYTES {
        return None;
    }
    let timestamp = packet.get(4..8)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
    let header = Header { kind: first >> 4, id: short(2)?, timestamp, sequence: short(16)?, acknowledged: short(18)? };
    let mut rest = &packet[HEADER_BYTES..];
    while extension != 0 {
        let [next, length] = *rest.first_chunk()?;
        rest = rest.get(2 + usize::from(length)..)?;
        extension = next;
    }
    Some((header, rest))
}

/// Whether one sequence number is not after another, in a circle.
fn is_up_to(sequence: u16, last: u16) -> bool {
    last.wrapping_sub(sequence) < 1 << 15
}

/// The part of a time that goes into a packet.
#[allow(clippy::cast_possible_truncation)] // it wraps, as BEP 29 has it
fn low_word(micros: u64) -> u32 {
    micros as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: u16 = 500;
    const MS: u64 = 1000;

    fn from_seed(kind: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![kind << 4 | VERSION, 0];
        packet.extend(ID.to_be_bytes());
        packet.extend(7u32.to_be_bytes());
        packet.extend([0; 8]);
        packet.extend([sequence, 1].map(u16::to_be_bytes).as_flattened());
        packet.extend(payload);
        packet
    }

    /// A connection whose seed sends its first data as number 100.
    fn connected() -> Connection {
        let mut connection = Connection::open(ID);
        let syn = connection.output(0).unwrap();
        assert_eq!((syn[0] >> 4, u16::from_be_bytes([syn[2], syn[3]])), (SYN, ID));
        connection.input(&from_seed(STATE, 100, &[]), MS, |_| Ok(())).unwrap();
        connection
    }

    fn input(connection: &mut Connection, sequence: u16, now: u64) -> Vec<u8> {
        let mut got = Vec::new();
        let payload = vec![u8::try_from(sequence).unwrap(); 1000];
        let deliver = |bytes: &[u8]| {
            got.push(bytes[0]);
            Ok(())
        };
        connection.input(&from_seed(DATA, sequence, &payload), now, deliver).unwrap();
        got
    }

    fn acknowledged(packet: &[u8]) -> u16 {
        u16::from_be_bytes([packet[18], packet[19]])
    }

    #[test]
    fn data_waits_for_the_connection_and_is_sent_again_until_it_is_acknowledged() {
        let mut connection = Connection::open(ID);
        connection.send(b"hello");
        assert!(connection.output(0).is_some() && connection.output(1).is_none());
        connection.input(&from_seed(STATE, 100, &[]), MS, |_| Ok(())).unwrap();
        let data = connection.output(MS).unwrap();
        assert_eq!((data[0] >> 4, u16::from_be_bytes([data[2], data[3]])), (DATA, ID + 1));
        assert_eq!((u16::from_be_bytes([data[16], data[17]]), acknowledged(&data)), (2, 99));
        assert!(data.ends_with(b"hello") && connection.output(2 * MS).is_none());
        assert!(connection.output(MS + RESEND_MICROS).unwrap().ends_with(b"hello"));
    }

    #[test]
    fn an_acknowledgement_waits_for_a_second_packet_or_some_milliseconds() {
        let mut connection = connected();
        assert_eq!(input(&mut connection, 100, MS), [100]);
        assert!(connection.output(MS).is_none());
        let ack = connection.output(MS + ACK_MICROS).unwrap();
        assert_eq!((ack[0] >> 4, acknowledged(&ack)), (STATE, 100));
        // The delay is that of the last packet, by both clocks.
        assert_eq!(u32::from_be_bytes([ack[8], ack[9], ack[10], ack[11]]), 1000 - 7);
        for sequence in 101..=103 {
            input(&mut connection, sequence, 20 * MS);
        }
        assert_eq!(acknowledged(&connection.output(20 * MS).unwrap()), 103);
        assert!(connection.output(20 * MS).is_none());
    }

    #[test]
    fn a_gap_is_told_at_once_and_filled_in_order() {
        let mut connection = connected();
        assert!(input(&mut connection, 101, MS).is_empty() && input(&mut connection, 103, MS).is_empty());
        let ack = connection.output(MS).unwrap();
        assert_eq!((acknowledged(&ack), ack[1]), (99, SELECTIVE_ACK));
        // Of 101 and the seven after it: 101 and 103.
        assert_eq!(ack[HEADER_BYTES..], [0, 8, 0b101, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(input(&mut connection, 100, 2 * MS), [100, 101]);
        assert_eq!(input(&mut connection, 102, 2 * MS), [102, 103]);
        let ack = connection.output(2 * MS).unwrap();
        assert_eq!((acknowledged(&ack), ack.len()), (103, HEADER_BYTES));
        assert!(input(&mut connection, 102, 3 * MS).is_empty());
        assert_eq!(acknowledged(&connection.output(3 * MS).unwrap()), 103);
    }

    #[test]
    fn a_reset_is_an_error_and_strangers_are_not_heard() {
        let mut connection = connected();
        let mut stranger = from_seed(RESET, 100, &[]);
        stranger[3] ^= 1;
        assert!(connection.input(&stranger, MS, |_| Ok(())).is_ok());
        assert!(connection.input(&[VERSION, SELECTIVE_ACK], MS, |_| Ok(())).is_ok());
        assert!(connection.input(&from_seed(RESET, 100, &[]), MS, |_| Ok(())).is_err());
    }
}
