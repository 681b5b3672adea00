"""What each figure counts: the same words that stand behind the question marks of all pages."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.reports import Block, Column, Report, ReportContext, Table, Value
from app.modules.analytics.figures import FIGURES
from app.modules.analytics.rules import SEGMENTS


async def load_glossary(_context: ReportContext) -> Report:
    """Return every figure with its definition, and the segments with theirs."""
    figures: list[list[Value]] = [[_(known.title), _(known.about)] for known in FIGURES.values()]
    segments: list[list[Value]] = [[_(segment.title), _(segment.about)] for segment in SEGMENTS]
    return Report(
        blocks=[
            Block(
                _("Figures"),
                _("A figure means the same on every page, in every file and on the home page."),
                table=Table(
                    "figures", [Column(_("Figure"), "text"), Column(_("What it counts"), "text")], figures
                ),
            ),
            Block(
                _("Segments"),
                _("Everybody is in exactly one segment."),
                table=Table(
                    "segments", [Column(_("Segment"), "text"), Column(_("Who they are"), "text")], segments
                ),
            ),
        ]
    )
