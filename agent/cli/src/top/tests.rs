use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

use super::*;
use crate::testing;

fn view() -> View {
    let mut view = View::new(testing::healthy(10), Sort::Uplink);
    view.update(testing::healthy(11));
    view
}

fn screen(view: &mut View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal.draw(|frame| draw::draw(frame, view)).expect("drawn");
    terminal.backend().to_string()
}

fn press(view: &mut View, code: KeyCode) -> keys::Then {
    keys::handle(view, KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn the_screen_at_80_by_24() {
    insta::assert_snapshot!(screen(&mut view(), 80, 24));
}

#[test]
fn before_the_second_snapshot() {
    let mut view = View::new(testing::troubled(), Sort::Uplink);
    insta::assert_snapshot!(screen(&mut view, 80, 12));
}

#[test]
fn while_the_agent_is_away_the_last_rates_stay() {
    let mut view = view();
    view.lost("no agent answers on /run/weir/weir.sock".to_owned());
    let shown = screen(&mut view, 80, 24);
    assert!(shown.contains("no agent answers") && shown.contains("9.6M"), "{shown}");
    view.update(testing::healthy(12));
    assert!(!screen(&mut view, 80, 24).contains("no agent answers"));
}

#[test]
fn a_tiny_screen_is_no_reason_to_panic() {
    for (width, height) in [(1, 1), (20, 5), (79, 7)] {
        screen(&mut view(), width, height);
    }
}

#[test]
fn keys_sort_and_quit() {
    let mut view = view();
    let first = |view: &View| view.rates.as_ref().map(|rates| rates.pods[0].name.clone());
    assert_eq!(first(&view).as_deref(), Some("seed"), "the most over the uplink");
    assert_eq!(press(&mut view, KeyCode::Char('n')), keys::Then::GoOn);
    assert_eq!(first(&view).as_deref(), Some("node-exporter"), "kube-system is the first namespace");
    assert_eq!(press(&mut view, KeyCode::Char('q')), keys::Then::Quit);
    assert_eq!(press(&mut view, KeyCode::Esc), keys::Then::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(keys::handle(&mut view, interrupt), keys::Then::Quit);
}

#[test]
fn scrolling_ends_at_the_last_pod() {
    let mut view = View::new(testing::crowded(1), Sort::Name);
    view.update(testing::crowded(2));
    for _ in 0..50 {
        press(&mut view, KeyCode::PageDown);
    }
    let end = screen(&mut view, 80, 24);
    assert!(end.contains("crowd/pod-249"), "{end}");
    press(&mut view, KeyCode::Up);
    assert!(!screen(&mut view, 80, 24).contains("crowd/pod-249"));
    press(&mut view, KeyCode::Home);
    assert!(screen(&mut view, 80, 24).contains("crowd/pod-000"));
}

#[test]
fn one_plain_table() {
    let rates = Rates::between(&testing::healthy(10), &testing::healthy(11)).expect("time lies between them");
    insta::assert_snapshot!(plain::table(&rates, Sort::Uplink));
}

#[test]
fn every_order_is_reachable_and_holds() {
    let rates = Rates::between(&testing::healthy(10), &testing::healthy(11)).expect("time lies between them");
    let names = |order| plain::sorted(rates.clone(), order).pods.into_iter().map(|pod| pod.name).collect::<Vec<_>>();
    assert_eq!(names(Sort::Name), ["node-exporter", "backup", "seed", "web"]);
    assert_eq!(names(Sort::Tier), ["seed", "backup", "web", "node-exporter"]);
    assert_eq!(names(Sort::Received), ["web", "seed", "backup", "node-exporter"]);
    assert_eq!(names(Sort::Drops)[0], "seed");
    let mut letters: Vec<char> = keys::ORDERS.iter().map(|(letter, ..)| *letter).collect();
    letters.dedup();
    assert_eq!(letters.len(), 6);
}
