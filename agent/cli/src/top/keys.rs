//! The keys of `weir top`.

use std::{io, thread};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::view::View;
use crate::command::Sort;

/// Rows of a page.
const PAGE: isize = 10;

/// Keys that choose an order, with the word that the last line shows.
pub(super) const ORDERS: [(char, Sort, &str); 6] = [
    ('n', Sort::Name, "name"),
    ('t', Sort::Tier, "tier"),
    ('u', Sort::Uplink, "uplink"),
    ('s', Sort::Sent, "sent"),
    ('r', Sort::Received, "received"),
    ('d', Sort::Drops, "drops"),
];

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Quit,
}

/// Does what a key says.
pub(super) fn handle(view: &mut View, key: KeyEvent) -> Then {
    if key.kind == KeyEventKind::Release {
        return Then::GoOn;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Then::Quit,
        // In raw mode the terminal makes no signal of it.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Then::Quit,
        KeyCode::Up | KeyCode::Char('k') => view.scroll_by(-1),
        KeyCode::Down | KeyCode::Char('j') => view.scroll_by(1),
        KeyCode::PageUp => view.scroll_by(-PAGE),
        KeyCode::PageDown => view.scroll_by(PAGE),
        KeyCode::Home => view.scroll_by(isize::MIN),
        KeyCode::Char(typed) => {
            if let Some((_, order, _)) = ORDERS.iter().find(|(letter, ..)| *letter == typed) {
                view.sort_by(*order);
            }
        }
        _ => {}
    }
    Then::GoOn
}

/// The terminal's events. They are read by a thread of their own, as reading blocks; it ends with the process.
pub(super) fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, events) = mpsc::channel(16);
    thread::spawn(move || {
        loop {
            let event = event::read();
            let last = event.is_err();
            if sender.blocking_send(event).is_err() || last {
                return;
            }
        }
    });
    events
}
