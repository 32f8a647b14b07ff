//! One blocking rtnetlink socket: a request and its acknowledgement, or a dump.

use std::{io, thread, time::Duration};

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
    NetlinkBuffer, NetlinkMessage, NlasIterator, parse_i32, parse_string,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::{errno::Errno, sys::socket::MsgFlags};

use super::{Error, Result};

/// The kernel fills at most 32 KiB per read of a dump (`netlink_dump`, `net/netlink/af_netlink.c`).
const BUFFER_BYTES: usize = 64 * 1024;
/// How often a dump is read again when the table changed meanwhile.
const DUMP_ATTEMPTS: u32 = 10;
/// Attempts that follow at once; later ones wait a little, longer each time.
const EAGER_ATTEMPTS: u32 = 4;
/// `NLMSGERR_ATTR_MSG`: the kernel's words in an extended acknowledgement.
const ATTR_MSG: u16 = 1;
/// Length of the request's header, which an acknowledgement repeats.
const HEADER_BYTES: usize = 16;

/// A blocking rtnetlink socket.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// How one reading of a dump ended.
enum Ended {
    Whole,
    Interrupted,
}

impl Channel {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self> {
        let step = |doing| move |source| Error::Open { doing, source };
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(step("socket"))?;
        socket.bind_auto().map_err(step("bind"))?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(step("connect"))?;
        socket.set_ext_ack(true).map_err(step("NETLINK_EXT_ACK"))?;
        socket.set_cap_ack(true).map_err(step("NETLINK_CAP_ACK"))?;
        socket.set_netlink_get_strict_chk(true).map_err(step("NETLINK_GET_STRICT_CHK"))?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    /// Sends a change with `flags` beside REQUEST and ACK, and waits for the kernel's yes.
    ///
    /// `action` completes "the kernel refused to …".
    pub(crate) fn change(&mut self, action: &str, flags: u16, message: RouteNetlinkMessage) -> Result<()> {
        self.send(action, NLM_F_REQUEST | NLM_F_ACK | flags, message)?;
        let mut answered = false;
        while !answered {
            self.receive(action)?;
            for answer in messages(&self.buffer, self.sequence) {
                let answer = answer.map_err(|error| malformed(action, &error))?;
                if answer.message_type() == NLMSG_ERROR {
                    outcome(action, answer.payload(), HEADER_BYTES)?;
                    answered = true;
                }
            }
        }
        Ok(())
    }

    /// Asks for one thing: what `parse` makes of the answer.
    pub(crate) fn get<T>(
        &mut self,
        action: &str,
        request: RouteNetlinkMessage,
        parse: impl Fn(&[u8]) -> std::result::Result<Option<T>, DecodeError>,
    ) -> Result<Option<T>> {
        self.send(action, NLM_F_REQUEST, request)?;
        loop {
            self.receive(action)?;
            if let Some(answer) = messages(&self.buffer, self.sequence).next() {
                let answer = answer.map_err(|error| malformed(action, &error))?;
                if answer.message_type() == NLMSG_ERROR {
                    outcome(action, answer.payload(), HEADER_BYTES)?;
                    return Ok(None);
                }
                return parse(answer.payload()).map_err(|error| malformed(action, &error));
            }
        }
    }

    /// Reads a whole table: what `parse` makes of each message, in the kernel's order.
    ///
    /// Read again when it changed meanwhile, so that the result is of one moment.
    pub(crate) fn dump<T>(
        &mut self,
        action: &str,
        request: &RouteNetlinkMessage,
        parse: impl Fn(&[u8]) -> std::result::Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>> {
        for attempt in 0..DUMP_ATTEMPTS {
            thread::sleep(Duration::from_millis(attempt.saturating_sub(EAGER_ATTEMPTS).into()));
            let mut found = Vec::new();
            self.send(action, NLM_F_REQUEST | NLM_F_DUMP, request.clone())?;
            if matches!(self.read_dump(action, &parse, &mut found)?, Ended::Whole) {
                return Ok(found);
            }
        }
        Err(Error::Interrupted { action: action.to_owned(), attempts: DUMP_ATTEMPTS })
    }

    /// Reads to the end of a dump also when something in it cannot be parsed: an unfinished dump blocks the next.
    fn read_dump<T>(
        &mut self,
        action: &str,
        parse: impl Fn(&[u8]) -> std::result::Result<Option<T>, DecodeError>,
        found: &mut Vec<T>,
    ) -> Result<Ended> {
        let mut ended = Ended::Whole;
        let mut failure = None;
        loop {
            self.receive(action)?;
            for message in messages(&self.buffer, self.sequence) {
                let message = message.map_err(|error| malformed(action, &error))?;
                if message.flags() & NLM_F_DUMP_INTR != 0 {
                    ended = Ended::Interrupted;
                }
                match message.message_type() {
                    NLMSG_DONE => {
                        outcome(action, message.payload(), 0)?;
                        return failure.map_or(Ok(ended), Err);
                    }
                    NLMSG_ERROR => outcome(action, message.payload(), HEADER_BYTES)?,
                    NLMSG_OVERRUN => ended = Ended::Interrupted,
                    _ => match parse(message.payload()) {
                        Ok(item) => found.extend(item),
                        Err(error) => failure = Some(malformed(action, &error)),
                    },
                }
            }
        }
    }

    fn send(&mut self, action: &str, flags: u16, message: RouteNetlinkMessage) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let sent = self.socket.send(&bytes, 0);
        sent.map(drop).map_err(|source| Error::Socket { action: action.to_owned(), source })
    }

    fn receive(&mut self, action: &str) -> Result<()> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, MsgFlags::MSG_TRUNC.bits()) {
                Ok(length) if length > self.buffer.len() => {
                    let reason = format!("a message of {length} bytes does not fit into {BUFFER_BYTES}");
                    return Err(Error::Malformed { action: action.to_owned(), reason });
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Socket { action: action.to_owned(), source }),
            }
        }
    }
}

/// The messages in what one `recv` returned that answer request `sequence`.
pub(super) fn messages(
    bytes: &[u8],
    sequence: u32,
) -> impl Iterator<Item = std::result::Result<NetlinkBuffer<&[u8]>, DecodeError>> {
    split(bytes).filter(move |message| message.as_ref().map_or(true, |message| message.sequence_number() == sequence))
}

/// All messages in what one `recv` returned. An error ends the iteration.
pub(super) fn split(bytes: &[u8]) -> impl Iterator<Item = std::result::Result<NetlinkBuffer<&[u8]>, DecodeError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = NetlinkBuffer::new_checked(rest);
        let length = message.as_ref().map_or(rest.len(), |message| message.length() as usize);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Reads an acknowledgement (or the end of a dump): an error number, 0 for success, then after `skip` bytes the
/// attributes of the extended acknowledgement.
fn outcome(action: &str, payload: &[u8], skip: usize) -> Result<()> {
    let code = payload.get(..4).map_or(Ok(0), parse_i32).map_err(|error| malformed(action, &error))?;
    if code == 0 {
        return Ok(());
    }
    let attributes = payload.get(4 + skip..).unwrap_or_default();
    let detail = NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == ATTR_MSG)
        .and_then(|attribute| parse_string(attribute.value()).ok());
    Err(Error::Kernel { action: action.to_owned(), errno: Errno::from_raw(code.saturating_neg()), detail })
}

fn malformed(action: &str, error: &DecodeError) -> Error {
    Error::Malformed { action: action.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A netlink message: header with `kind`, no flags, sequence 7; then the payload, padded.
    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).expect("short");
        let mut bytes =
            [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0, 0], &7_u32.to_ne_bytes(), &[0; 4]].concat();
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn several_messages_come_apart_and_strangers_are_left_out() {
        let bytes = [message(16, &[1]), message(17, &[2, 3]), message(18, &[])].concat();
        let kinds: Vec<u16> = messages(&bytes, 7).map(|message| message.expect("well-formed").message_type()).collect();
        assert_eq!(kinds, [16, 17, 18]);
        assert_eq!(messages(&bytes, 8).count(), 0);
    }

    #[test]
    fn a_cut_message_is_an_error_and_the_end() {
        let mut bytes = message(16, &[1, 2, 3, 4]);
        bytes.truncate(18);
        let all: Vec<_> = split(&bytes).collect();
        assert!(matches!(&all[..], [Err(_)]));
    }

    #[test]
    fn a_refusal_carries_number_and_words() {
        let words = b"Specified qdisc kind is unknown\0";
        let length = u16::try_from(4 + words.len()).expect("short");
        let payload =
            [&(-2_i32).to_ne_bytes()[..], &[0; 16], &length.to_ne_bytes(), &ATTR_MSG.to_ne_bytes(), words].concat();
        let error = outcome("add fq", &payload, HEADER_BYTES).expect_err("refused");
        assert_eq!(error.errno(), Some(Errno::ENOENT));
        assert_eq!(
            error.to_string(),
            "the kernel refused to add fq: No such file or directory: Specified qdisc kind is unknown"
        );
    }

    #[test]
    fn zero_is_success() {
        outcome("x", &[0; 4], HEADER_BYTES).expect("acknowledged");
        outcome("x", &[], 0).expect("a dump's end may carry nothing");
    }
}
