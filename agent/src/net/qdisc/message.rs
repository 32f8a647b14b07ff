//! Traffic control messages: what is read from them, and how they are written.

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, NlasIterator, parse_string};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcHeader, TcMessage},
};

use super::tree::{Handle, Qdisc};

/// `struct tcmsg` (`linux/rtnetlink.h`).
const HEADER_BYTES: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// A qdisc or class of some interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) ifindex: u32,
    pub(super) qdisc: Qdisc,
}

pub(super) fn all_qdiscs() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default())
}

pub(super) fn classes_of(ifindex: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetTrafficClass(address(ifindex, Handle::default(), Handle::default()))
}

pub(super) fn filters_at(ifindex: u32, parent: Handle) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetTrafficFilter(address(ifindex, Handle::default(), parent))
}

/// Makes or changes `qdisc` on an interface. Without a handle the kernel finds one by the parent.
pub(super) fn new_qdisc(ifindex: u32, qdisc: &Qdisc) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewQueueDiscipline(with_options(ifindex, qdisc))
}

pub(super) fn new_class(ifindex: u32, class: &Qdisc) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewTrafficClass(with_options(ifindex, class))
}

/// Takes the root away; the kernel puts its default there.
pub(super) fn delete_root(ifindex: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelQueueDiscipline(address(ifindex, Handle::default(), Handle::ROOT))
}

/// Reads kind, handles and options; the options stay as they are, so that they can be given back to the letter.
pub(super) fn parse(payload: &[u8]) -> Result<Option<Found>, DecodeError> {
    let header = TcHeader::parse(payload)?;
    let ifindex = header.index.cast_unsigned();
    let handle = |handle: TcHandle| Handle { major: handle.major, minor: handle.minor };
    let mut qdisc = Qdisc { handle: handle(header.handle), parent: handle(header.parent), ..Qdisc::default() };
    for attribute in NlasIterator::new(&payload[HEADER_BYTES..]) {
        let attribute = attribute.with_context(|| format!("qdisc or class of interface {ifindex}"))?;
        match attribute.kind() {
            TCA_KIND => qdisc.kind = parse_string(attribute.value())?,
            TCA_OPTIONS => qdisc.options = Some(attribute.value().to_vec()),
            _ => {}
        }
    }
    Ok(Some(Found { ifindex, qdisc }))
}

fn address(ifindex: u32, handle: Handle, parent: Handle) -> TcMessage {
    let tc = |handle: Handle| TcHandle { major: handle.major, minor: handle.minor };
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.handle = tc(handle);
    message.header.parent = tc(parent);
    message
}

fn with_options(ifindex: u32, qdisc: &Qdisc) -> TcMessage {
    let mut message = address(ifindex, qdisc.handle, qdisc.parent);
    message.attributes.push(TcAttribute::Kind(qdisc.kind.clone()));
    let options = qdisc.options.clone().map(|options| TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)));
    message.attributes.extend(options);
    message
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    #[test]
    fn what_is_read_is_written_again_to_the_letter() {
        let qdisc = Qdisc {
            kind: "tbf".to_owned(),
            handle: Handle { major: 0x8001, minor: 0 },
            parent: Handle::ROOT,
            options: Some(vec![9, 8, 7, 6, 5]),
        };
        let written = with_options(7, &qdisc);
        let mut bytes = vec![0; written.buffer_len()];
        written.emit(&mut bytes);
        assert_eq!(parse(&bytes).expect("well-formed"), Some(Found { ifindex: 7, qdisc }));
    }

    #[test]
    fn no_options_stay_no_options() {
        let qdisc = Qdisc { kind: "mq".to_owned(), ..Qdisc::default() };
        assert_eq!(with_options(7, &qdisc).attributes.len(), 1);
    }
}
