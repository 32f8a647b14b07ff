//! Go, which some tools are built with. It is not fetched.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The version of Go that is installed. Without one, an error that says what is built with it, and what else would do.
pub(super) fn version(what_is: &str, otherwise: &str) -> Result<String> {
    let said = process::output(Command::new("go").args(["env", "GOVERSION"]))
        .with_context(|| format!("{what_is} sources, which needs Go: install it (https://go.dev/dl){otherwise}"))?;
    Ok(said.trim().to_owned())
}
