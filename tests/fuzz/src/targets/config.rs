//! The agent's configuration file.

use std::{fs, path::Path};

use weir::config::{Config, Environment};
use weir_cli::command::AgentArgs;

/// A configuration file: it is refused with a reason that names the file, or it is read, and what is written of it is
/// read back as the same.
pub fn config(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("weir.yaml");
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a temporary file can be written");
        read(&path)
    };
    match load(data) {
        Ok(config) => {
            let written = config.to_yaml();
            let again = load(written.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(again, config, "{written}");
        }
        Err(error) => assert!(!error.is_empty()),
    }
}

fn read(path: &Path) -> Result<Config, String> {
    let args = AgentArgs { config: Some(path.to_owned()), ..AgentArgs::default() };
    let environment = Environment { node_name: Some("n1".to_owned()), hostname: None };
    Config::load(&args, &environment).map_err(|error| error.to_string())
}
