//! The control plane as a whole: its start, and the API server's end and new start.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use weir_lab::{Client, Netns, Process};

use crate::access::{ADMIN, User, write_kubeconfig};
use crate::etcd::Etcd;
use crate::place::Place;
use crate::ports;
use crate::programs::{POLL, Programs, READY_LIMIT, command, must_run};
use crate::requests;

/// What a control plane is to be like. `Setup::default()` is one on the host whose only user is "admin".
#[derive(Debug, Default)]
pub struct Setup {
    place: Place,
    address: Option<IpAddr>,
    users: Vec<String>,
    audited: bool,
}

impl Setup {
    /// Runs it inside a namespace, at that namespace's 127.0.0.1. Needs root.
    #[must_use]
    pub fn within(mut self, netns: &Netns) -> Self {
        self.place = Place::within(netns);
        self
    }

    /// Runs it on a host of the lab's LAN, where every node reaches it: kubeconfigs name that host's address.
    #[must_use]
    pub fn on(mut self, host: &Client) -> Self {
        self.address = Some(host.v4());
        self.within(host.ns())
    }

    /// Adds a user with a token, who may do nothing until [`ControlPlane::allow`] says so.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.users.push(name.to_owned());
        self
    }

    /// Keeps a log of what is asked, for [`ControlPlane::requests`].
    #[must_use]
    pub fn audited(mut self) -> Self {
        self.audited = true;
        self
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Result<ControlPlane> {
        let programs = Programs::of_the_environment()?;
        let folder =
            tempfile::Builder::new().prefix("weir-api-").tempdir().context("cannot make a temporary folder")?;
        let names = [ADMIN].into_iter().chain(self.users.iter().map(String::as_str));
        let users = names.map(User::new).collect::<Result<Vec<_>>>()?;
        let etcd = Etcd::start(&programs.etcd, &self.place, folder.path())?;
        let port = ports::free(&self.place)?;
        let Self { place, address, audited, .. } = self;
        let address = SocketAddr::new(address.unwrap_or(Ipv4Addr::LOCALHOST.into()), port);
        let mut cluster = ControlPlane { api_server: None, etcd, address, place, programs, users, audited, folder };
        cluster.write_access()?;
        cluster.start_api_server()?;
        Ok(cluster)
    }
}

/// A running control plane. Killed, reaped and forgotten when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: whoever uses something goes before it.
    api_server: Option<Process>,
    etcd: Etcd,
    address: SocketAddr,
    place: Place,
    programs: Programs,
    users: Vec<User>,
    audited: bool,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts one on the host's loopback and waits until it is ready.
    pub fn start() -> Result<Self> {
        Setup::default().start()
    }

    /// Starts one inside a namespace, at that namespace's 127.0.0.1, and waits until it is ready. Needs root.
    pub fn start_in(netns: &Netns) -> Result<Self> {
        Setup::default().within(netns).start()
    }

    /// The port on which the API server serves HTTPS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Starts the API server that was stopped, on the same port and with the same objects, and waits until it is ready.
    pub fn start_api_server(&mut self) -> Result<()> {
        if self.api_server.is_some() {
            bail!("the API server runs already: stop it before it is started again");
        }
        self.api_server = Some(self.place.spawn(self.api_server_command())?);
        self.wait_until_ready()
    }

    /// Ends the API server at once, like a machine that fails. Its objects stay in etcd.
    pub fn stop_api_server(&mut self) -> Result<()> {
        match self.api_server.take() {
            Some(running) => drop(running),
            None => bail!("the API server is stopped already"),
        }
        Ok(())
    }

    /// Throws the API server's key and certificate away: it makes new ones when it starts, which a client that knows
    /// the old ones alone does not trust, and knows no token of a service account any more. It must be stopped.
    pub fn renew_certificate(&mut self) -> Result<()> {
        self.stopped()?;
        let folder = self.certificates();
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
    }

    fn write_access(&self) -> Result<()> {
        let lines: String = self.users.iter().map(User::line).collect();
        fs::write(self.tokens(), lines).context("cannot write the API server's token file")?;
        for user in &self.users {
            write_kubeconfig(&self.kubeconfig(&user.name)?, &self.server(), &self.certificate(), &user.token)?;
        }
        fs::write(self.audit_policy(), requests::POLICY).context("cannot write the API server's audit policy")?;
        Ok(())
    }

    fn api_server_command(&self) -> Command {
        let certificates = self.certificates();
        // The server makes a key and a certificate there when there are none; the key signs service
        // accounts' tokens as well, which saves making one here.
        let key = certificates.join("apiserver.key");
        let mut command = self.command(&self.programs.api_server);
        command
            .arg(format!("--bind-address={}", self.address.ip()))
            // A namespace need not have a way out, of which the server would take its address.
            .arg(format!("--advertise-address={}", self.address.ip()))
            .arg("--endpoint-reconciler-type=none")
            .arg(format!("--secure-port={}", self.port()))
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd.port()))
            .arg("--cert-dir")
            .arg(&certificates)
            .arg("--service-account-key-file")
            .arg(&key)
            .arg("--service-account-signing-key-file")
            .arg(&key)
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg("--token-auth-file")
            .arg(self.tokens())
            .arg("--authorization-mode=RBAC")
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--allow-privileged=true")
            // Nobody makes the service account without which this plugin refuses pods.
            .arg("--disable-admission-plugins=ServiceAccount");
        if let Some(log) = self.audit_log() {
            command.arg("--audit-policy-file").arg(self.audit_policy()).arg("--audit-log-path").arg(log);
        }
        command
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let Err(error) = self.check() else { return Ok(()) };
            self.etcd.must_run()?;
            if let Some(running) = &mut self.api_server {
                must_run("the API server", running)?;
            }
            if start.elapsed() > READY_LIMIT {
                let log = self.api_server.as_ref().map(Process::last_words).unwrap_or_default();
                bail!("the API server is not ready after {READY_LIMIT:?}: {error:#}\n{log}");
            }
            std::thread::sleep(POLL);
        }
    }

    /// Whether it serves and its first objects are there.
    fn check(&self) -> Result<()> {
        // A kubectl that finds nobody would only take time from the server that starts.
        ensure!(self.place.listens(self.address), "nobody listens at {}", self.address);
        self.kubectl(&["get", "--raw", "/readyz"])?;
        self.kubectl(&["get", "namespace", "default"]).map(drop)
    }

    /// Where its clients find it.
    pub(crate) fn server(&self) -> String {
        server_at(self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A program of the control plane, with nothing of the person's own environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        command(program, self.folder())
    }

    /// What a client has to trust: the server's certificate with its issuer's.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    pub(crate) fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// Where requests are logged, if they are.
    pub(crate) fn audit_log(&self) -> Option<PathBuf> {
        self.audited.then(|| self.folder().join("audit.log"))
    }

    /// etcd and where it runs.
    pub(crate) fn etcd_and_place(&mut self) -> (&mut Etcd, &Place) {
        (&mut self.etcd, &self.place)
    }

    /// Likewise, for what would confuse an API server that runs.
    pub(crate) fn stopped(&mut self) -> Result<(&mut Etcd, &Place)> {
        ensure!(self.api_server.is_none(), "the API server runs: stop it before");
        Ok(self.etcd_and_place())
    }

    fn certificates(&self) -> PathBuf {
        self.folder().join("certificates")
    }

    fn tokens(&self) -> PathBuf {
        self.folder().join("tokens.csv")
    }
}

/// The address of an API server, or of what stands before it.
pub(crate) fn server_at(address: SocketAddr) -> String {
    format!("https://{address}")
}
