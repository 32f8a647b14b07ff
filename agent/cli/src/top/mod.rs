//! `weir top`: live rates of uplinks, tiers and pods.

mod draw;
mod keys;
mod plain;
mod view;

use std::{io::IsTerminal, time::Duration};

use ratatui::crossterm::event::Event;
use tokio::sync::mpsc;
use weir_api::admin::v1::Snapshot;

use crate::{
    client::{Client, NoAnswer},
    command::{Format, Sort, TopArgs},
    output,
    rates::Rates,
};
use view::View;

/// How long to wait before an agent that went away is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Shows rates until the person quits; without a terminal, with `--once` or as JSON, once.
pub(crate) async fn run(args: TopArgs) -> anyhow::Result<()> {
    let mut client = Client::new(&args.agent.socket)?;
    let live = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if args.once || args.output.format == Format::Json || !live {
        return once(&mut client, &args).await;
    }
    // Whether there is an agent at all is said before the screen is taken.
    let first = client.snapshot().await?;
    let (news, updates) = mpsc::channel(1);
    let interval = args.interval;
    let watching = tokio::spawn(async move { watch(client, interval, news).await });
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, View::new(first, args.sort), updates).await;
    watching.abort();
    ratatui::try_restore()?;
    shown
}

async fn once(client: &mut Client, args: &TopArgs) -> anyhow::Result<()> {
    let mut watch = client.watch(args.interval).await?;
    let first = watch.next().await?;
    let rates = loop {
        let next = watch.next().await?;
        if let Some(rates) = Rates::between(&first, &next) {
            break rates;
        }
    };
    output::print(&match args.output.format {
        Format::Table => plain::table(&rates, args.sort),
        Format::Json => output::json(&plain::sorted(rates, args.sort))?,
    })?;
    Ok(())
}

/// Snapshots, or why there is none now. Asks again until nobody listens: an agent that is restarted comes back.
async fn watch(mut client: Client, interval: Duration, news: mpsc::Sender<Result<Snapshot, NoAnswer>>) {
    loop {
        let lost = match client.watch(interval).await {
            Ok(mut watch) => loop {
                match watch.next().await {
                    Ok(snapshot) => {
                        if news.send(Ok(snapshot)).await.is_err() {
                            return;
                        }
                    }
                    Err(lost) => break lost,
                }
            },
            Err(lost) => lost,
        };
        if news.send(Err(lost)).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut view: View,
    mut updates: mpsc::Receiver<Result<Snapshot, NoAnswer>>,
) -> anyhow::Result<()> {
    let mut events = keys::events();
    loop {
        terminal.draw(|frame| draw::draw(frame, &mut view))?;
        tokio::select! {
            update = updates.recv() => match update {
                Some(Ok(snapshot)) => view.update(snapshot),
                Some(Err(lost)) => view.lost(lost.to_string()),
                None => return Ok(()),
            },
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) => {
                    if keys::handle(&mut view, key) == keys::Then::Quit {
                        return Ok(());
                    }
                }
                // Anything else (the window has another size) only needs a new picture.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
        }
    }
}

/// Puts pods into the order that was asked for.
fn sort(rates: &mut Rates, order: Sort) {
    use std::cmp::Reverse;
    let pods = &mut rates.pods;
    // Names first: the sorts below are stable, so that equal pods keep this order.
    pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    match order {
        Sort::Name => {}
        Sort::Tier => pods.sort_by(|a, b| {
            // Interactive pods (without a tier) last.
            let key = |tier: &str| (tier.is_empty(), tier.to_owned());
            key(&a.tier).cmp(&key(&b.tier)).then(b.uplink_bits_per_second.cmp(&a.uplink_bits_per_second))
        }),
        Sort::Uplink => pods.sort_by_key(|pod| Reverse(pod.uplink_bits_per_second)),
        Sort::Sent => pods.sort_by_key(|pod| Reverse(pod.transmit_bits_per_second)),
        Sort::Received => pods.sort_by_key(|pod| Reverse(pod.receive_bits_per_second)),
        Sort::Drops => pods.sort_by(|a, b| b.drops_per_second.total_cmp(&a.drops_per_second)),
    }
}

#[cfg(test)]
mod tests;
