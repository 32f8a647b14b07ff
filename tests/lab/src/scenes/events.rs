//! What a scene tells while it plays: JSON for programs on standard output, words on standard error.
//!
//! | event | fields beside `t`, the seconds since the scene began |
//! |---|---|
//! | `step` | `name`, `title`, `seconds`: what begins now, and how long it takes |
//! | `mark` | `what`: something changed at this moment; `shaped`: whether Weir shapes the seed from now on, if that changed |
//! | `sample` | `rates_mbit` (sent per pod), `call_ms`, `web_ms` (slowest that began then; null: none) |
//! | `cell` | one row of a benchmark |
//! | `result` | `scene`, and its figures |

use std::time::Instant;

use serde_json::{Value, json};

/// Where a scene's events go.
#[derive(Debug)]
pub(super) struct Events {
    start: Instant,
    all: bool,
}

impl Events {
    /// `all` prints every event; otherwise only the result is printed.
    pub(super) fn new(all: bool) -> Self {
        Self { start: Instant::now(), all }
    }

    /// When the scene began.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Says what begins now.
    pub(super) fn step(&self, name: &str, title: &str, seconds: u64) {
        eprintln!(
            "[{:5.1} s] {title}{}",
            self.now(),
            if seconds > 0 { format!(" ({seconds} s)") } else { String::new() }
        );
        self.emit("step", json!({"name": name, "title": title, "seconds": seconds}));
    }

    /// Says what has changed at this moment.
    pub(super) fn mark(&self, what: &str) {
        eprintln!("[{:5.1} s]   · {what}", self.now());
        self.emit("mark", json!({"what": what}));
    }

    /// Says that Weir shapes the seed from this moment on, or no longer does.
    pub(super) fn mark_shaped(&self, what: &str, shaped: bool) {
        eprintln!("[{:5.1} s]   · {what}", self.now());
        self.emit("mark", json!({"what": what, "shaped": shaped}));
    }

    /// Any other event.
    pub(super) fn emit(&self, event: &str, fields: Value) {
        if self.all {
            println!("{}", self.line(event, fields));
        }
    }

    /// The scene's figures.
    pub(super) fn result(&self, scene: &str, mut figures: Value) {
        figures["scene"] = json!(scene);
        if self.all {
            println!("{}", self.line("result", figures));
        } else {
            println!("{figures:#}");
        }
    }

    fn line(&self, event: &str, fields: Value) -> Value {
        let mut line = fields;
        line["event"] = json!(event);
        if line.get("t").is_none() {
            line["t"] = json!(round(self.now(), 3));
        }
        line
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// Rounds for print: what is behind the noise is no news.
pub(super) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_own_time() {
        let events = Events::new(true);
        assert_eq!(events.line("sample", json!({"t": 1.5}))["t"], 1.5);
        assert!(events.line("mark", json!({"what": "x"}))["t"].is_number());
    }

    #[test]
    fn rounding() {
        assert!((round(1.2345, 2) - 1.23).abs() < 1e-12);
    }
}
