//! `bpf(2)`, for the few commands that aya does not offer.

use std::io;

use aya_obj::generated::{bpf_attr, bpf_cmd};

/// Attributes of a command with nothing filled in.
pub(super) fn attributes() -> bpf_attr {
    // SAFETY: a union of integers, for which zero is a value; the kernel wants unused fields zero.
    unsafe { std::mem::zeroed() }
}

/// Makes the call and returns what it returns: for some commands a new file descriptor.
///
/// # Safety
/// Every pointer in the attributes that the command uses must be to memory of the length that it expects.
pub(super) unsafe fn call(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: the attributes are a whole `bpf_attr`; for the pointers in it the caller answers.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<bpf_attr>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}
