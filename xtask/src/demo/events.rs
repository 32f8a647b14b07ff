//! What the scene told: the other side of the events that `weir-lab` prints, one line each.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::figures::Figures;

/// Everything that a scene told, in order.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) steps: Vec<Step>,
    pub(super) marks: Vec<Mark>,
    pub(super) samples: Vec<Sample>,
    pub(super) result: Option<Figures>,
    played: Option<Played>,
}

/// A part of the scene begins.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    /// Seconds since the scene began.
    pub(super) t: f64,
    pub(super) name: String,
    pub(super) title: String,
}

/// Something changed.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    /// Seconds since the scene began.
    pub(super) t: f64,
    pub(super) what: String,
    /// Whether Weir shapes the seed from now on, where that changed.
    pub(super) shaped: Option<bool>,
}

/// A fifth of a second.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    /// Its end, in seconds since the scene began.
    pub(super) t: f64,
    /// What each pod sent.
    pub(super) rates_mbit: BTreeMap<String, f64>,
    /// The call's slowest packet.
    pub(super) call_ms: Option<f64>,
    /// The slowest short request.
    pub(super) web_ms: Option<f64>,
}

/// Where and when the scene was played.
#[derive(Debug, Deserialize)]
struct Played {
    machine: String,
    when: String,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Played(Played),
    Step(Step),
    Mark(Mark),
    Sample(Sample),
    Result(Box<Figures>),
}

impl Recording {
    /// Reads events, one JSON object a line.
    pub(super) fn parse(lines: &str) -> Result<Self> {
        let mut recording = Self::default();
        for (number, line) in lines.lines().enumerate() {
            let event = serde_json::from_str(line)
                .with_context(|| format!("line {}: no event of the demo: {line}", number + 1))?;
            match event {
                Event::Played(played) => recording.played = Some(played),
                Event::Step(step) => recording.steps.push(step),
                Event::Mark(mark) => recording.marks.push(mark),
                Event::Sample(sample) => recording.samples.push(sample),
                Event::Result(result) => recording.result = Some(*result),
            }
        }
        Ok(recording)
    }

    /// The machine, in words.
    pub(super) fn machine(&self) -> &str {
        self.played.as_ref().map_or("an unknown machine", |played| &played.machine)
    }

    /// When it was played, as RFC 3339 says it.
    pub(super) fn when(&self) -> &str {
        self.played.as_ref().map_or("an unknown time", |played| &played.when)
    }

    /// The samples of a step.
    pub(super) fn samples_of(&self, step: usize) -> impl Iterator<Item = &Sample> {
        let from = self.steps[step].t;
        let to = self.steps.get(step + 1).map_or(f64::INFINITY, |next| next.t);
        self.samples.iter().filter(move |sample| sample.t > from && sample.t <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::Recording;

    #[test]
    fn samples_belong_to_the_step_that_they_fall_into() {
        let lines = r#"{"event":"step","t":0.0,"name":"a","title":"A","seconds":3}
{"event":"sample","t":1.0,"rates_mbit":{"call":0.1},"call_ms":23.0,"web_ms":null}
{"event":"step","t":2.0,"name":"b","title":"B","seconds":3}
{"event":"mark","t":2.5,"what":"now"}
{"event":"sample","t":3.0,"rates_mbit":{"call":0.1},"call_ms":null,"web_ms":70.5}"#;
        let recording = Recording::parse(lines).unwrap();
        let of = |step| recording.samples_of(step).map(|sample| sample.t).collect::<Vec<_>>();
        assert_eq!((of(0), of(1)), (vec![1.0], vec![3.0]));
        assert_eq!((recording.marks[0].shaped, recording.when()), (None, "an unknown time"));
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let error = Recording::parse("{}").unwrap_err();
        assert!(error.to_string().starts_with("line 1:"), "{error}");
    }
}
