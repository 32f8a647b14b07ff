//! The report: one HTML page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::events::Recording;
use super::figures::Figures;
use super::table::{ACTS, comparison};

const STYLE: &str = include_str!("page.css");

/// The page, around the picture.
pub(super) fn page(recording: &Recording, figures: &Figures, picture: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Weir: the demo" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Weir: the demo" }
                    p.lead { (summary(figures)) }
                    @if let Some(doubt) = figures.doubt(recording.machine()) { p.broken { "But " (doubt) "." } }
                }
                (cards(figures))
                figure { (PreEscaped(picture)) }
                h2 { "The figures" }
                (acts_table(figures))
                h2 { "What Weir promises, in this run" }
                (promises(figures))
                (setting(recording, figures))
            }
        }
    };
    page.into_string()
}

/// The whole story in two sentences.
fn summary(figures: &Figures) -> Markup {
    let (call, bulk) = (&figures.call, &figures.bulk);
    html! {
        "Eight bulk uploads beside a call raise its round trip from "
        b { (ms(call.idle_p99_ms)) } " to " b { (ms(call.unshaped_p99_ms)) } " (p99). With Weir it is "
        b { (ms(call.weir_p99_ms)) } ", and the uploads still get " b { (mbit(bulk.beside_mbit)) } ": "
        (format!("{:.0} %", figures.seed_share() * 100.0)) " of what call and web leave of the link."
    }
}

fn cards(figures: &Figures) -> Markup {
    let accounting = &figures.accounting;
    let cards = [
        ("call, p99", ms(figures.call.weir_p99_ms), format!("without Weir {}", ms(figures.call.unshaped_p99_ms))),
        ("web, p95", ms(figures.web.weir_p95_ms), format!("without Weir {}", ms(figures.web.unshaped_p95_ms))),
        ("bulk", mbit(figures.bulk.beside_mbit), format!("alone {}", mbit(figures.bulk.alone_mbit))),
        ("label in force, p99", ms(figures.enforce.p99_ms), format!("of {} changes", figures.enforce.count)),
        (
            "bytes miscounted",
            accounting.byte_errors.to_string(),
            format!("of {:.1} MB of {} pods", megabytes(accounting.bytes_sent), accounting.pods),
        ),
    ];
    html! {
        div.cards {
            @for (what, figure, beside) in cards {
                div.card { div.what { (what) } div.figure { (figure) } div.beside { (beside) } }
            }
        }
    }
}

fn acts_table(figures: &Figures) -> Markup {
    html! {
        table {
            thead { tr { th {} @for act in ACTS { th { (act) } } } }
            tbody {
                @for row in comparison(figures) {
                    tr { th { (row.what) } @for figure in row.figures { td { (figure) } } }
                }
                tr {
                    th { "seed alone: goodput" }
                    td { "–" }
                    td { (mbit(figures.bulk.link_mbit)) }
                    td { (mbit(figures.bulk.alone_mbit)) }
                }
            }
        }
    }
}

fn promises(figures: &Figures) -> Markup {
    html! {
        table {
            tbody {
                @for promise in figures.promises() {
                    tr {
                        th { span class=(if promise.kept { "kept" } else { "broken" }) { (if promise.kept { "✓" } else { "✗" }) } " " (promise.what) }
                        td { (promise.measured) }
                    }
                }
            }
        }
    }
}

fn setting(recording: &Recording, figures: &Figures) -> Markup {
    html! {
        footer {
            p {
                "One node and three pods behind a router whose uplink carries " (mbit(figures.link_mbit))
                ", with 20 ms of round trip and a dumb buffer of 250 ms. "
                b { "call" } " sends 50 UDP packets a second that the internet host echoes, "
                b { "web" } " makes short TCP requests, " b { "seed" } " uploads over 8 TCP streams (cubic). "
                "Weir runs on the node; it knows nothing of the router but the link's rate."
            }
            p {
                "Played " (recording.when()) " on " (recording.machine()) ", Weir " (env!("CARGO_PKG_VERSION")) ". "
                "Made by " code { "cargo xtask demo" } "; every sample is in " code { "events.jsonl" } " beside this page."
            }
        }
    }
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn mbit(value: f64) -> String {
    format!("{value:.1} Mbit/s")
}

#[allow(clippy::cast_precision_loss)] // shown with one digit
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::super::events::Recording;
    use super::super::figures::tests::good;

    #[test]
    fn the_page_needs_nothing_else() {
        let page = super::page(&Recording::default(), &good(), "<svg/>");
        assert!(page.contains("<svg/>") && page.contains("270.0 ms"));
        for reference in ["src=", "href=", "url(", "@import"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}
