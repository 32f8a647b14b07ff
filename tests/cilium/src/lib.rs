//! Nothing of its own: the tests are in `tests/`, in one program.
#![forbid(unsafe_code)]
