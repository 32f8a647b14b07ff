//! kubectl as a person would use it, beside the control plane.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::access::{self, ADMIN, User};
use crate::control_plane::{ControlPlane, server_at};
use crate::proxy::Proxy;

/// What a test waits for at most when the API server does not answer.
const REQUEST_LIMIT: &str = "--request-timeout=30s";

impl ControlPlane {
    /// The kubeconfig of a user: of "admin", who may do everything, or of one named by
    /// [`Setup::user`](crate::Setup::user). It stays valid when the API server is started again.
    pub fn kubeconfig(&self, user: &str) -> Result<PathBuf> {
        self.user(user)?;
        Ok(self.folder().join(format!("{user}.kubeconfig")))
    }

    fn user(&self, name: &str) -> Result<&User> {
        self.users().iter().find(|known| known.name == name).with_context(|| {
            let known: Vec<_> = self.users().iter().map(|user| user.name.as_str()).collect();
            format!("no user {name}: there are {}; Setup::user names more before the start", known.join(", "))
        })
    }

    /// Writes a kubeconfig of a user whose way to the API server is a proxy, and gives its path.
    pub fn kubeconfig_through(&self, proxy: &Proxy, user: &str) -> Result<PathBuf> {
        let known = self.user(user)?;
        let path = self.folder().join(format!("{user}-through-{}.kubeconfig", proxy.address().port()));
        access::write_kubeconfig(&path, &server_at(proxy.address()), &self.certificate(), &known.token)?;
        Ok(path)
    }

    /// Writes a kubeconfig with any token, such as one of a service account, and gives its path.
    pub fn kubeconfig_with_token(&self, name: &str, token: &str) -> Result<PathBuf> {
        let path = self.folder().join(format!("{name}.kubeconfig"));
        access::write_kubeconfig(&path, &self.server(), &self.certificate(), token)?;
        Ok(path)
    }

    /// Writes a kubeconfig with a new token of a service account, whose namespace it works in, and gives its path.
    pub fn kubeconfig_of_account(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace])?;
        let path = self.folder().join(format!("{namespace}-{account}.kubeconfig"));
        let (server, certificate) = (self.server(), self.certificate());
        access::write_kubeconfig_in(namespace, &path, &server, &certificate, token.trim())?;
        Ok(path)
    }

    /// Runs kubectl as the admin and gives what it prints.
    ///
    /// # Errors
    /// If it fails; the error carries its standard error.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.run_kubectl(&self.kubeconfig(ADMIN)?, arguments, None)
    }

    /// Runs kubectl with a kubeconfig and gives what it prints.
    pub fn kubectl_with(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
        self.run_kubectl(kubeconfig, arguments, None)
    }

    /// Writes objects as `kubectl apply` does, as the admin. A field that the API server does not know is an error.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        let arguments = ["apply", "--server-side=false", "--validate=strict", "-f", "-"];
        self.run_kubectl(&self.kubeconfig(ADMIN)?, &arguments, Some(yaml))
    }

    fn run_kubectl(&self, kubeconfig: &Path, arguments: &[&str], input: Option<&str>) -> Result<String> {
        let stdin = input.map_or(Ok(Stdio::null()), |text| file_with(text).map(Stdio::from))?;
        let mut command = self.command(&self.programs().kubectl);
        command.arg(REQUEST_LIMIT).arg("--kubeconfig").arg(kubeconfig).args(arguments).stdin(stdin);
        let output = self.place().enter(|| command.output().context("cannot start kubectl"))?;
        if !output.status.success() {
            // `kubectl auth can-i` gives its reason on standard output.
            let said = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
            bail!("`kubectl {}` failed: {}", arguments.join(" "), said.join("\n").trim());
        }
        String::from_utf8(output.stdout).context("kubectl's output is not UTF-8")
    }
}

/// An open file with a text, unlike a pipe never full.
fn file_with(text: &str) -> Result<File> {
    let mut file = tempfile::tempfile().context("cannot make a temporary file")?;
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).context("cannot write a temporary file")?;
    Ok(file)
}
