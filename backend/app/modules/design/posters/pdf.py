"""Draws a sheet as PDF: vectors, an embedded font, 3 mm of bleed and crop marks where a printer wants them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PIL import Image

from app.modules.design.posters.layout import BOLD, MEDIUM
from app.modules.design.posters.shapes import Box, Code, Disc, Picture, Shape, Sheet, Words
from app.modules.qr.public import qr_rows

if TYPE_CHECKING:
    from fpdf import FPDF

BLEED = 3.0
# Marks stand outside of the bleed, or the knife would leave them on the poster.
MARK_LENGTH, MARK_GAP = 5.0, 3.5
MARK_LINE = 0.1
QUIET = 4
POINTS_PER_MM = 72 / 25.4
LOGO_DOTS_MAX = 1_000
# The same poster is the same file.
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


def draw_pdf(sheet: Sheet, *, title: str, for_printer: bool) -> bytes:
    """Return the PDF. for_printer: with bleed and crop marks; else the page is what is cut."""
    # 40 MB with what it imports: only who draws posters pays for it.
    from fpdf import FPDF

    margin = BLEED + MARK_GAP + MARK_LENGTH if for_printer else 0.0
    bleed = BLEED if for_printer else 0.0
    pdf = FPDF(unit="mm", format=(sheet.width + 2 * margin, sheet.height + 2 * margin))
    pdf.set_auto_page_break(auto=False)
    pdf.set_title(title)
    pdf.set_producer("Stempel")
    pdf.set_creation_date(MADE_AT)
    pdf.add_font("inter", fname=MEDIUM)
    pdf.add_font("inter", "B", fname=BOLD)
    pdf.add_page()
    _set_boxes(pdf, margin, bleed)
    pdf.set_fill_color(sheet.face.color)
    _draw_ground(pdf, sheet, margin, bleed)
    with pdf.local_context():
        with pdf.rect_clip(margin - bleed, margin - bleed, sheet.width + 2 * bleed, sheet.height + 2 * bleed):
            _draw_faces(pdf, sheet, margin)
    if for_printer:
        _draw_marks(pdf, sheet, margin)
    elif sheet.is_folded:
        _draw_fold(pdf, sheet, margin, 2.0)
    return bytes(pdf.output())


def _set_boxes(pdf: FPDF, margin: float, bleed: float) -> None:
    """Tell the printer's programs where the knife goes and how far the colour reaches (ISO 32000-1, 14.11.2)."""
    page = pdf.pages[1]
    for name, edge in (("trim_box", margin), ("bleed_box", margin - bleed)):
        far = (pdf.w - edge, pdf.h - edge)
        points = " ".join(f"{side * POINTS_PER_MM:.3f}" for side in (edge, edge, *far))
        # fpdf writes every attribute of a page into its dictionary, and has none of its own for these two.
        setattr(page, name, f"[{points}]")


def _draw_ground(pdf: FPDF, sheet: Sheet, margin: float, bleed: float) -> None:
    if sheet.is_round:
        radius = sheet.width / 2 + bleed
        middle = margin + sheet.width / 2
        pdf.circle(middle, margin + sheet.height / 2, radius, style="F")
        return
    left = margin - bleed
    pdf.rect(left, left, sheet.width + 2 * bleed, sheet.height + 2 * bleed, style="F")


def _draw_faces(pdf: FPDF, sheet: Sheet, margin: float) -> None:
    face = sheet.face
    lower = margin + (face.height if sheet.is_folded else 0)
    for shape in face.shapes:
        _draw(pdf, shape, margin, lower)
    if sheet.is_folded:
        with pdf.rotation(180, margin + face.width / 2, margin + face.height / 2):
            for shape in face.shapes:
                _draw(pdf, shape, margin, margin)


def _draw(pdf: FPDF, shape: Shape, left: float, top: float) -> None:
    match shape:
        case Box():
            pdf.set_fill_color(shape.color)
            rounded = bool(shape.radius)
            pdf.rect(
                left + shape.x,
                top + shape.y,
                shape.width,
                shape.height,
                style="F",
                round_corners=rounded,
                corner_radius=shape.radius,
            )
        case Disc():
            _draw_disc(pdf, shape, left, top)
        case Words():
            pdf.set_text_color(shape.color)
            pdf.set_font("inter", "B" if shape.bold else "", shape.size * POINTS_PER_MM)
            pdf.text(left + shape.x - pdf.get_string_width(shape.text) / 2, top + shape.y, shape.text)
        case Code():
            _draw_code(pdf, shape, left, top)
        case Picture():
            with Image.open(io.BytesIO(shape.png)) as opened:
                picture = opened.convert("RGBA")
            picture.thumbnail((LOGO_DOTS_MAX, LOGO_DOTS_MAX))
            pdf.image(
                picture, left + shape.x, top + shape.y, shape.width, shape.height, keep_aspect_ratio=True
            )


def _draw_disc(pdf: FPDF, shape: Disc, left: float, top: float) -> None:
    x, y = left + shape.x, top + shape.y
    if shape.line:
        pdf.set_draw_color(shape.color)
        pdf.set_line_width(shape.line)
        pdf.circle(x, y, shape.radius, style="D")
    else:
        pdf.set_fill_color(shape.color)
        pdf.circle(x, y, shape.radius, style="F")


def _draw_code(pdf: FPDF, shape: Code, left: float, top: float) -> None:
    """Draw black on white whatever the colours are: no reader fails on that."""
    x, y = left + shape.x, top + shape.y
    pdf.set_fill_color(255, 255, 255)
    pdf.rect(x, y, shape.size, shape.size, style="F", round_corners=True, corner_radius=shape.size * 0.05)
    rows = qr_rows(shape.text, error="q")
    module = shape.size / (len(rows) + 2 * QUIET)
    pdf.set_fill_color(0, 0, 0)
    for row, runs in enumerate(rows):
        for start, length in runs:
            # A hair more than a module: no white seam between rows, on any printer.
            pdf.rect(
                x + (QUIET + start) * module,
                y + (QUIET + row) * module,
                length * module,
                module * 1.02,
                style="F",
            )


def _draw_marks(pdf: FPDF, sheet: Sheet, margin: float) -> None:
    pdf.set_draw_color(0, 0, 0)
    pdf.set_line_width(MARK_LINE)
    near, far = margin - BLEED - 0.5, margin - BLEED - 0.5 - MARK_LENGTH
    right, bottom = sheet.width + 2 * margin, sheet.height + 2 * margin
    for x in (margin, margin + sheet.width):
        pdf.line(x, far, x, near)
        pdf.line(x, bottom - far, x, bottom - near)
    for y in (margin, margin + sheet.height):
        pdf.line(far, y, near, y)
        pdf.line(right - far, y, right - near, y)
    if sheet.is_folded:
        _draw_fold(pdf, sheet, margin, margin - BLEED - 0.5)


def _draw_fold(pdf: FPDF, sheet: Sheet, margin: float, length: float) -> None:
    """Mark where the sheet is folded, at both edges and not across the picture."""
    middle = margin + sheet.height / 2
    pdf.set_draw_color("#808080")
    pdf.set_line_width(MARK_LINE * 2)
    pdf.set_dash_pattern(dash=1, gap=0.7)
    pdf.line(0, middle, length, middle)
    edge = sheet.width + 2 * margin
    pdf.line(edge - length, middle, edge, middle)
    pdf.set_dash_pattern()
