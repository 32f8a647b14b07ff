//! Nothing of its own: the tests are in `tests/`, one file per subject, in one program.
#![forbid(unsafe_code)]
