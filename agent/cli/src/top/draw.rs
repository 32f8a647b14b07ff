//! The screen of `weir top`: uplinks, tiers, pods, and a line of keys. Made for 80 columns and 24 rows, and more.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::{keys::ORDERS, plain, view::View};
use crate::{rates::Rates, units};

/// Rows of uplinks and of tiers that are shown at most, so that pods keep the larger part of a small screen.
const MOST_ROWS: usize = 5;

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame, view: &mut View) {
    let rates = view.rates.clone().unwrap_or_default();
    let table_height =
        |rows: usize| Constraint::Length(u16::try_from(rows.clamp(1, MOST_ROWS) + 2).unwrap_or(u16::MAX));
    let [head, uplinks, tiers, pods, keys] = Layout::vertical([
        Constraint::Length(2),
        table_height(rates.uplinks.len()),
        table_height(rates.tiers.len()),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());

    frame.render_widget(Paragraph::new(headline(view)), head);
    draw_uplinks(frame, uplinks, &rates);
    draw_tiers(frame, tiers, &rates);
    draw_pods(frame, pods, &rates, view);
    frame.render_widget(Paragraph::new(key_line(view)), keys);
}

/// The node and what the figures are; below it, what is wrong.
fn headline(view: &View) -> Vec<Line<'static>> {
    let name = Span::styled(format!("weir top  {}", view.node()), Style::new().add_modifier(Modifier::BOLD));
    let what = match &view.rates {
        None => "  measuring…".to_owned(),
        Some(rates) => format!("  bits per second over {}", units::time(rates.window_ns)),
    };
    vec![Line::from(vec![name, Span::raw(what)]), Line::from(warning(&trouble(view)))]
}

/// What is wrong, in one line: an agent that is away goes before all else.
fn trouble(view: &View) -> String {
    if let Some(why) = &view.lost {
        return why.clone();
    }
    let mut parts = Vec::new();
    match view.rejections() {
        0 => {}
        1 => parts.push("1 object rejected".to_owned()),
        many => parts.push(format!("{many} objects rejected")),
    }
    parts.extend(view.degraded().iter().cloned());
    parts.join("; ")
}

fn warning(text: &str) -> Span<'static> {
    Span::styled(text.to_owned(), Style::new().fg(Color::Yellow))
}

fn draw_uplinks(frame: &mut Frame, area: Rect, rates: &Rates) {
    let rows = rates.uplinks.iter().map(|uplink| (plain::uplink(uplink), Style::new()));
    let widths = [10, 10, 8, 11, 8, 8, 18];
    frame.render_widget(table(plain::UPLINK_HEADER, [2, 3, 4, 5, 6], widths, rows), area);
}

fn draw_tiers(frame: &mut Frame, area: Rect, rates: &Rates) {
    let rows = rates.tiers.iter().map(|tier| {
        let throttled = tier.demand_bits_per_second > tier.sent_bits_per_second;
        (plain::tier(tier), if throttled { Style::new().fg(Color::Yellow) } else { Style::new() })
    });
    let widths = [12, 7, 7, 7, 7, 9, 8, 7, 7];
    frame.render_widget(table(plain::TIER_HEADER, [2, 3, 4, 5, 6, 7, 8], widths, rows), area);
}

fn draw_pods(frame: &mut Frame, area: Rect, rates: &Rates, view: &mut View) {
    // One row is the header's.
    let fitting = usize::from(area.height.saturating_sub(1));
    view.scroll = view.scroll.min(rates.pods.len().saturating_sub(fitting));
    let rows = rates.pods.iter().skip(view.scroll).take(fitting).map(|pod| {
        let dropping = pod.drops_per_second > 0.0;
        (plain::pod(pod), if dropping { Style::new().fg(Color::Yellow) } else { Style::new() })
    });
    let widths = [26, 12, 7, 7, 7, 8, 7];
    frame.render_widget(table(plain::POD_HEADER, [2, 3, 4, 5, 6], widths, rows), area);
}

fn key_line(view: &View) -> Line<'static> {
    let mut spans = vec![Span::raw("q quit  ↑↓ scroll  sort:")];
    for (letter, order, word) in ORDERS {
        let style = if order == view.sort { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        spans.push(Span::raw(" "));
        spans.push(Span::styled(format!("{letter} {word}"), style));
    }
    Line::from(spans)
}

/// A table with a bold header; `numbers` are the columns to align to the right. The last row of the area stays empty.
fn table<const N: usize, const M: usize>(
    header: [&'static str; N],
    numbers: [usize; M],
    widths: [u16; N],
    rows: impl Iterator<Item = ([String; N], Style)>,
) -> Table<'static> {
    let cell = |index: usize, text: String| {
        let line = Line::raw(text);
        Cell::new(if numbers.contains(&index) { line.right_aligned() } else { line })
    };
    let header = header.into_iter().enumerate().map(|(index, text)| cell(index, text.to_owned()));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let rows: Vec<Row> = rows
        .map(|(cells, style)| {
            Row::new(cells.into_iter().enumerate().map(|(index, text)| cell(index, text)).collect::<Vec<_>>())
                .style(style)
        })
        .collect();
    // The first column takes what a wider screen has to give.
    let widths = widths
        .into_iter()
        .enumerate()
        .map(|(index, width)| if index == 0 { Constraint::Min(width) } else { Constraint::Length(width) });
    Table::new(rows, widths).header(Row::new(header.collect::<Vec<_>>()).style(bold)).column_spacing(1)
}
