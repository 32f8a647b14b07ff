//! The peer wire protocol (BEP 3) as far as a peer speaks it that only downloads: no IO, no clock.

use anyhow::{Result, bail, ensure};

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
const HANDSHAKE_BYTES: usize = 68;
/// What a request asks for, as every client does.
const BLOCK_BYTES: u32 = 16 << 10;
/// Requests that the seed has at any time, 2 MiB: more than any path holds.
const REQUESTS: usize = 128;
/// Requests are sent so many at a time, so that they fill packets.
const BATCH: usize = 32;
/// No message but a block is longer; the longest is the list of pieces that the seed has.
const LONGEST_BYTES: usize = 64 << 10;

/// Message numbers.
const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
/// Bytes of a block's message before its data: number, piece, offset.
const PIECE_HEADER_BYTES: usize = 9;

/// What is downloaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Torrent {
    /// The hash that names it.
    pub(super) info_hash: [u8; 20],
    /// Length of a piece.
    pub(super) piece_bytes: u32,
    /// Number of pieces.
    pub(super) pieces: u32,
}

/// The downloading side of one connection.
#[derive(Debug)]
pub(super) struct Download {
    torrent: Torrent,
    /// The block that is asked for next, counted through all pieces.
    next_block: u32,
    requested: usize,
    choked: bool,
    received: u64,
    greeted: bool,
    /// The start of a message that has not come whole.
    partial: Vec<u8>,
    /// Bytes of the current block that are still to come.
    block_left: usize,
}

impl Download {
    /// Begins with the first block of this piece. `out` gets what has to be sent first.
    pub(super) fn new(torrent: Torrent, first_piece: u32, number: u16, out: &mut Vec<u8>) -> Self {
        out.extend(PROTOCOL);
        out.extend([0; 8]);
        out.extend(torrent.info_hash);
        out.extend(format!("-WL0001-{number:012}").as_bytes());
        out.extend(message(INTERESTED, &[]));
        let next_block = first_piece % torrent.pieces * (torrent.piece_bytes / BLOCK_BYTES);
        Self {
            torrent,
            next_block,
            requested: 0,
            choked: true,
            received: 0,
            greeted: false,
            partial: Vec::new(),
            block_left: 0,
        }
    }

    /// Payload that has arrived.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes of the stream; `out` gets the requests that follow from them.
    ///
    /// # Errors
    /// If this is no BitTorrent, or another torrent.
    pub(super) fn input(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        while !bytes.is_empty() {
            if self.block_left > 0 {
                let count = self.block_left.min(bytes.len());
                self.block_left -= count;
                self.received += count as u64;
                bytes = &bytes[count..];
                if self.block_left == 0 {
                    self.requested = self.requested.saturating_sub(1);
                }
                continue;
            }
            // What comes before the data of a block is short: byte by byte is quick enough.
            let (first, rest) = bytes.split_at(1);
            self.partial.extend(first);
            bytes = rest;
            self.take_message()?;
        }
        self.request(out);
        Ok(())
    }

    /// Looks whether what has come so far is a whole message, or the whole head of a block.
    fn take_message(&mut self) -> Result<()> {
        if !self.greeted {
            if self.partial.len() == HANDSHAKE_BYTES {
                ensure!(self.partial.starts_with(PROTOCOL), "the seed speaks no BitTorrent");
                ensure!(self.partial[28..48] == self.torrent.info_hash, "the seed has another torrent");
                self.greeted = true;
                self.partial.clear();
            }
            return Ok(());
        }
        let Some(length) = self.partial.first_chunk().map(|length| u32::from_be_bytes(*length) as usize) else {
            return Ok(());
        };
        let body = &self.partial[4..];
        match body.first() {
            Some(&PIECE) if body.len() == PIECE_HEADER_BYTES => {
                self.block_left = length.saturating_sub(PIECE_HEADER_BYTES);
            }
            Some(&PIECE) => return Ok(()),
            _ if length > LONGEST_BYTES => bail!("a message of {length} bytes, which no seed sends"),
            _ if body.len() < length => return Ok(()),
            Some(&CHOKE) => (self.choked, self.requested) = (true, 0),
            Some(&UNCHOKE) => self.choked = false,
            // What the seed has, which is everything, and messages that keep the connection alive.
            _ => {}
        }
        self.partial.clear();
        Ok(())
    }

    fn request(&mut self, out: &mut Vec<u8>) {
        if self.choked || self.requested > REQUESTS - BATCH {
            return;
        }
        let blocks_in_piece = self.torrent.piece_bytes / BLOCK_BYTES;
        while self.requested < REQUESTS {
            let (piece, block) = (self.next_block / blocks_in_piece, self.next_block % blocks_in_piece);
            let words = [piece, block * BLOCK_BYTES, BLOCK_BYTES].map(u32::to_be_bytes);
            out.extend(message(REQUEST, words.as_flattened()));
            self.next_block = (self.next_block + 1) % (self.torrent.pieces * blocks_in_piece);
            self.requested += 1;
        }
    }
}

fn message(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &[number], body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORRENT: Torrent = Torrent { info_hash: [7; 20], piece_bytes: 32 << 10, pieces: 2 };

    fn greeting(hash: u8) -> Vec<u8> {
        [&PROTOCOL[..], &[0; 8], &[hash; 20], &[1; 20]].concat()
    }

    #[test]
    fn asks_for_block_after_block_and_counts_their_data() {
        let mut out = Vec::new();
        let mut download = Download::new(TORRENT, 1, 3, &mut out);
        assert_eq!(out.len(), HANDSHAKE_BYTES + 5);
        out.clear();
        let mut stream = greeting(7);
        stream.extend(message(5, &[0xc0]));
        stream.extend([0; 4]);
        stream.extend(message(UNCHOKE, &[]));
        download.input(&stream, &mut out).unwrap();
        assert_eq!(out.len(), REQUESTS * 17);
        // The last block of the last piece, and then the first one again.
        assert_eq!(out[17..34], message(REQUEST, &[0, 0, 0, 1, 0, 0, 0x40, 0, 0, 0, 0x40, 0])[..]);
        assert_eq!(out[34..51], message(REQUEST, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0])[..]);

        out.clear();
        let block = message(PIECE, &vec![0; PIECE_HEADER_BYTES - 1 + BLOCK_BYTES as usize]);
        for chunk in block.chunks(1000) {
            download.input(chunk, &mut out).unwrap();
        }
        assert_eq!(download.received(), u64::from(BLOCK_BYTES));
        assert!(out.is_empty(), "requests go by the batch");
        for _ in 1..BATCH {
            download.input(&block, &mut out).unwrap();
        }
        assert_eq!(out.len(), BATCH * 17);
    }

    #[test]
    fn a_choke_takes_all_requests_back() {
        let mut out = Vec::new();
        let mut download = Download::new(TORRENT, 0, 3, &mut out);
        let mut stream = greeting(7);
        stream.extend([message(UNCHOKE, &[]), message(CHOKE, &[])].concat());
        download.input(&stream, &mut out).unwrap();
        out.clear();
        download.input(&message(UNCHOKE, &[]), &mut out).unwrap();
        assert_eq!(out.len(), REQUESTS * 17);
    }

    #[test]
    fn another_torrent_is_an_error() {
        let mut out = Vec::new();
        let mut download = Download::new(TORRENT, 0, 3, &mut out);
        let error = download.input(&greeting(8), &mut out).unwrap_err();
        assert!(error.to_string().contains("another torrent"), "{error}");
    }
}
