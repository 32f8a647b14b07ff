//! Which agent folds the nodes' reports: the one that holds a Lease (coordination.k8s.io/v1), elected as client-go does it.
//!
//! Nobody compares its clock with another's: a lease that has not changed for its duration, by one's own clock, is free.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, Error, api::PostParams};

/// The Lease's name, in the agent's namespace.
pub(super) const NAME: &str = "weir";
/// How long a holder that says nothing more keeps it.
pub(super) const DURATION: Duration = Duration::from_secs(15);

/// What a look at the lease leads to.
#[derive(Clone, Debug, PartialEq)]
enum Decision {
    /// There is none yet: make it.
    Make(LeaseSpec),
    /// It is ours, or free: write it.
    Take(LeaseSpec),
    /// Somebody has it.
    Wait,
}

/// What one candidate knows of the lease.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    /// Holder and time of the last renewal as they stood there last, and since when they have.
    seen: Option<(Option<String>, Option<MicroTime>, Instant)>,
    /// When we last wrote it.
    pub(super) renewed: Option<Instant>,
}

impl Election {
    pub(super) fn of(identity: &str) -> Self {
        Self { identity: identity.to_owned(), seen: None, renewed: None }
    }

    /// Looks at the lease, and takes or renews it if possible.
    pub(super) async fn look(&mut self, client: &Client) -> Result<(), Error> {
        let leases = Api::<Lease>::default_namespaced(client.clone());
        let stored = leases.get_opt(NAME).await?;
        let asked = Instant::now();
        if stored.is_none() && self.renewed.take().is_some() {
            // Somebody emptied the store: what was watched there says nothing of what is there now.
            return Ok(());
        }
        let written = match self.decide(stored.as_ref(), asked, Timestamp::now()) {
            Decision::Wait => {
                self.renewed = None;
                return Ok(());
            }
            Decision::Make(spec) => leases.create(&PostParams::default(), &lease(None, spec)).await,
            Decision::Take(spec) => leases.replace(NAME, &PostParams::default(), &lease(stored, spec)).await,
        };
        match written {
            Ok(_) => self.renewed = Some(asked),
            // Another one was quicker.
            Err(Error::Api(status)) if status.code == 409 => self.renewed = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Lets go of it, so that another one can take it at once.
    pub(super) async fn release(&mut self, client: &Client) -> Result<(), Error> {
        if self.renewed.take().is_none() {
            return Ok(());
        }
        let leases = Api::<Lease>::default_namespaced(client.clone());
        let Some(mut stored) = leases.get_opt(NAME).await? else { return Ok(()) };
        if let Some(spec) = &mut stored.spec
            && spec.holder_identity.as_deref() == Some(&self.identity)
        {
            spec.holder_identity = None;
            leases.replace(NAME, &PostParams::default(), &stored).await?;
        }
        Ok(())
    }

    fn decide(&mut self, stored: Option<&Lease>, now: Instant, time: Timestamp) -> Decision {
        let Some(stored) = stored else { return Decision::Make(self.spec(None, time)) };
        let spec = stored.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.clone()).filter(|holder| !holder.is_empty());
        let renewed = spec.and_then(|spec| spec.renew_time.clone());
        if holder.as_ref().is_none_or(|holder| *holder == self.identity) {
            return Decision::Take(self.spec(spec, time));
        }
        let since = match &self.seen {
            Some((seen_holder, seen_renewed, since)) if *seen_holder == holder && *seen_renewed == renewed => *since,
            _ => now,
        };
        self.seen = Some((holder, renewed, since));
        let duration = spec.and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
        if now.saturating_duration_since(since) < duration.map_or(DURATION, Duration::from_secs) {
            return Decision::Wait;
        }
        Decision::Take(self.spec(spec, time))
    }

    fn spec(&self, before: Option<&LeaseSpec>, time: Timestamp) -> LeaseSpec {
        let is_ours = before.and_then(|before| before.holder_identity.as_ref()) == Some(&self.identity);
        let taken = before.and_then(|before| before.acquire_time.clone()).filter(|_| is_ours);
        let changes = before.and_then(|before| before.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(taken.unwrap_or(MicroTime(time))),
            renew_time: Some(MicroTime(time)),
            lease_transitions: Some(if is_ours || before.is_none() { changes } else { changes.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }
}

/// The object to write in the place of the stored one; only if that has not changed meanwhile.
fn lease(stored: Option<Lease>, spec: LeaseSpec) -> Lease {
    let metadata = match stored {
        Some(stored) => stored.metadata,
        None => ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
    };
    Lease { metadata, spec: Some(spec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held(spec: LeaseSpec) -> Lease {
        lease(None, spec)
    }

    #[test]
    fn a_lease_is_made_renewed_and_waited_for() {
        let (mut first, mut second, start) = (Election::of("n1"), Election::of("n2"), Instant::now());
        let Decision::Make(spec) = first.decide(None, start, time(1)) else { panic!("there is none") };
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("n1"), Some(0)));
        let stored = held(spec);
        assert_eq!(second.decide(Some(&stored), start, time(900)), Decision::Wait, "clocks are not compared");
        let Decision::Take(renewed) = first.decide(Some(&stored), start, time(5)) else { panic!("it is ours") };
        assert_eq!((renewed.acquire_time, renewed.renew_time), (Some(MicroTime(time(1))), Some(MicroTime(time(5)))));
    }

    #[test]
    fn a_holder_that_says_nothing_loses_it() {
        let (mut first, mut second, start) = (Election::of("n1"), Election::of("n2"), Instant::now());
        let Decision::Make(spec) = first.decide(None, start, time(1)) else { panic!("there is none") };
        let stored = held(spec);
        assert_eq!(second.decide(Some(&stored), start, time(1)), Decision::Wait);
        let renewed = held(first.spec(stored.spec.as_ref(), time(9)));
        assert_eq!(second.decide(Some(&renewed), start + DURATION, time(20)), Decision::Wait, "it was renewed");
        let Decision::Take(taken) = second.decide(Some(&renewed), start + 2 * DURATION, time(40)) else {
            panic!("it has not been renewed")
        };
        assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("n2"), Some(1)));
        assert_eq!(taken.acquire_time, Some(MicroTime(time(40))));
    }

    #[test]
    fn a_lease_that_was_let_go_is_free_at_once() {
        let mut second = Election::of("n2");
        let free = held(LeaseSpec { lease_transitions: Some(3), ..LeaseSpec::default() });
        assert!(matches!(second.decide(Some(&free), Instant::now(), time(1)), Decision::Take(_)));
    }
}
