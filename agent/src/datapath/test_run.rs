//! Runs a loaded program on a packet that is made up: `BPF_PROG_TEST_RUN`, for tests and for measuring its cost.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::programs::ProgramFd;
use aya_obj::generated::bpf_cmd;

use super::{
    DatapathError,
    syscall::{attributes, call},
};

/// A packet and what the kernel says of it besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The frame, from its Ethernet header on.
    pub frame: Vec<u8>,
    /// `skb->mark`.
    pub mark: u32,
    /// ifindex of the device that it is seen on; 0 is the loopback device.
    pub ifindex: u32,
    /// `skb->skb_iif`: ifindex of the device by which it came; 0 for none.
    pub ingress_ifindex: u32,
    /// `skb->wire_len`, or 0 for the frame's own length.
    pub wire_len: u32,
    /// Segments that the packet stands for, and the payload of each; 0 for a packet that is one.
    pub gso_segs: u32,
    /// See there.
    pub gso_size: u32,
    /// `skb->tstamp`.
    pub tstamp: u64,
    /// How often to run.
    pub repeat: u32,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The program's verdict.
    pub verdict: i32,
    /// Mean duration of a run, in ns.
    pub duration_ns: u32,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
    /// `skb->mark` as the program left it.
    pub mark: u32,
    /// `skb->tstamp` as the program left it.
    pub tstamp: u64,
}

/// `struct __sk_buff` of `include/uapi/linux/bpf.h`, with names for what is used here.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Context {
    len_and_type: [u32; 2],
    mark: u32,
    queue_mapping_to_priority: [u32; 6],
    ingress_ifindex: u32,
    ifindex: u32,
    tc_index_to_data_meta: [u32; 25],
    flow_keys: u64,
    tstamp: u64,
    wire_len: u32,
    gso_segs: u32,
    sk: u64,
    gso_size: u32,
    tstamp_type: u32,
    hwtstamp: u64,
}

const _: () = assert!(size_of::<Context>() == 192);

/// Runs a program.
pub fn run(program: &ProgramFd, input: &Input) -> Result<Output, DatapathError> {
    let context = Context {
        mark: input.mark,
        ingress_ifindex: input.ingress_ifindex,
        ifindex: input.ifindex,
        wire_len: input.wire_len,
        gso_segs: input.gso_segs,
        gso_size: input.gso_size,
        tstamp: input.tstamp,
        ..Context::default()
    };
    let mut context_out = context;
    // Programs may lengthen a packet; ours do not.
    let mut frame = vec![0u8; input.frame.len() + 64];

    let mut attributes = attributes();
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    {
        // SAFETY: all bytes of the union are initialised; this view of it is the one that the command reads.
        let test = unsafe { &mut attributes.test };
        test.prog_fd = program.as_fd().as_raw_fd().cast_unsigned();
        test.data_in = input.frame.as_ptr() as u64;
        test.data_size_in = size(input.frame.len());
        test.data_out = frame.as_mut_ptr() as u64;
        test.data_size_out = size(frame.len());
        test.ctx_in = &raw const context as u64;
        test.ctx_size_in = size(size_of::<Context>());
        test.ctx_out = &raw mut context_out as u64;
        test.ctx_size_out = size(size_of::<Context>());
        test.repeat = input.repeat.max(1);
    }
    // SAFETY: every pointer in the attributes is to a buffer of the length given with it, and all outlive the call.
    unsafe { call(bpf_cmd::BPF_PROG_TEST_RUN, &mut attributes) }
        .map_err(|source| DatapathError::Call { call: "BPF_PROG_TEST_RUN", source })?;
    // SAFETY: the kernel wrote its results into this view of the union.
    let test = unsafe { attributes.test };
    frame.truncate(test.data_size_out as usize);
    Ok(Output {
        verdict: test.retval.cast_signed(),
        duration_ns: test.duration,
        frame,
        mark: context_out.mark,
        tstamp: context_out.tstamp,
    })
}
