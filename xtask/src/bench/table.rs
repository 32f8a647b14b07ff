//! Tables in Markdown, which read well in a terminal too.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// A table with this header. Columns from `numbers_from` on stand to the right.
pub(super) fn markdown<H, R>(header: H, rows: impl IntoIterator<Item = R>, numbers_from: usize) -> String
where
    H: IntoIterator<Item = String>,
    R: IntoIterator<Item = String>,
{
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
