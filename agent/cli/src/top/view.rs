//! What `weir top` shows at a moment, free of any terminal.

use weir_api::admin::v1::Snapshot;

use super::sort;
use crate::{command::Sort, rates::Rates};

/// The state of the screen.
#[derive(Debug)]
pub(super) struct View {
    last: Snapshot,
    /// None until two snapshots are there.
    pub(super) rates: Option<Rates>,
    pub(super) sort: Sort,
    /// The first pod that is shown.
    pub(super) scroll: usize,
    /// Why there is nothing new, while the agent is away.
    pub(super) lost: Option<String>,
}

impl View {
    pub(super) fn new(first: Snapshot, sort: Sort) -> Self {
        Self { last: first, rates: None, sort, scroll: 0, lost: None }
    }

    /// The node's name.
    pub(super) fn node(&self) -> &str {
        &self.last.node
    }

    /// What limits the agent.
    pub(super) fn degraded(&self) -> &[String] {
        &self.last.degraded
    }

    /// How many objects are not obeyed.
    pub(super) fn rejections(&self) -> usize {
        self.last.rejections.len()
    }

    /// Takes the next snapshot.
    pub(super) fn update(&mut self, snapshot: Snapshot) {
        self.lost = None;
        if let Some(mut rates) = Rates::between(&self.last, &snapshot) {
            sort(&mut rates, self.sort);
            self.rates = Some(rates);
        }
        self.last = snapshot;
    }

    /// The agent is away; what was known last stays on the screen.
    pub(super) fn lost(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// Another order of the pods, from the first one on.
    pub(super) fn sort_by(&mut self, order: Sort) {
        self.sort = order;
        self.scroll = 0;
        if let Some(rates) = &mut self.rates {
            sort(rates, order);
        }
    }

    /// Moves the list of pods by some rows; the screen's size bounds it when it is drawn.
    pub(super) fn scroll_by(&mut self, rows: isize) {
        self.scroll = self.scroll.saturating_add_signed(rows);
    }
}
