"""Draws a sheet as a picture: what the page shows beside the buttons, laid out like the PDF."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.modules.design.posters.layout import BOLD, MEDIUM
from app.modules.design.posters.pdf import QUIET
from app.modules.design.posters.shapes import Box, Code, Disc, Face, Picture, Sheet, Words
from app.modules.qr.public import qr_rows

PREVIEW_HEIGHT = 640
SOFT = 2
COLORS = 96


def draw_preview(sheet: Sheet, *, height: int = PREVIEW_HEIGHT) -> bytes:
    """Return a PNG of the sheet, its longer side as many pixels; what is cut away is see-through."""
    scale = height * SOFT / max(sheet.height, sheet.width)
    face = _draw_face(sheet.face, scale)
    image = face
    if sheet.is_folded:
        image = Image.new("RGB", (face.width, face.height * 2), sheet.face.color)
        image.paste(face.transpose(Image.Transpose.ROTATE_180), (0, 0))
        image.paste(face, (0, face.height))
    image = image.resize((image.width // SOFT, image.height // SOFT), Image.Resampling.LANCZOS)
    if sheet.is_round:
        mask = Image.new("L", (image.width * 4, image.height * 4), 0)
        ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), fill=255)
        image.putalpha(mask.resize(image.size, Image.Resampling.LANCZOS))
    out = io.BytesIO()
    small = image if sheet.is_round else image.quantize(COLORS)
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _draw_face(face: Face, scale: float) -> Image.Image:
    image = Image.new("RGB", (round(face.width * scale), round(face.height * scale)), face.color)
    draw = ImageDraw.Draw(image)
    for shape in face.shapes:
        match shape:
            case Box():
                corner = (shape.x * scale, shape.y * scale)
                end = ((shape.x + shape.width) * scale, (shape.y + shape.height) * scale)
                draw.rounded_rectangle((*corner, *end), shape.radius * scale, fill=shape.color)
            case Disc():
                middle, radius = (shape.x * scale, shape.y * scale), shape.radius * scale
                line = max(1, round(shape.line * scale))
                filled = {"outline": shape.color, "width": line} if shape.line else {"fill": shape.color}
                draw.circle(middle, radius, **filled)
            case Words():
                font = ImageFont.truetype(BOLD if shape.bold else MEDIUM, shape.size * scale)
                draw.text((shape.x * scale, shape.y * scale), shape.text, shape.color, font, anchor="ms")
            case Code():
                _draw_code(draw, shape, scale)
            case Picture():
                _paste(image, shape, scale)
    return image


def _draw_code(draw: ImageDraw.ImageDraw, shape: Code, scale: float) -> None:
    x, y, side = shape.x * scale, shape.y * scale, shape.size * scale
    draw.rounded_rectangle((x, y, x + side, y + side), side * 0.05, fill="#ffffff")
    rows = qr_rows(shape.text, error="q")
    module = side / (len(rows) + 2 * QUIET)
    for row, runs in enumerate(rows):
        for start, length in runs:
            left, top = x + (QUIET + start) * module, y + (QUIET + row) * module
            draw.rectangle((left, top, left + length * module - 1, top + module - 1), fill="#000000")


def _paste(image: Image.Image, shape: Picture, scale: float) -> None:
    with Image.open(io.BytesIO(shape.png)) as opened:
        box = (max(1, round(shape.width * scale)), max(1, round(shape.height * scale)))
        logo = ImageOps.contain(opened.convert("RGBA"), box)
    left = round(shape.x * scale) + (box[0] - logo.width) // 2
    top = round(shape.y * scale) + (box[1] - logo.height) // 2
    image.paste(logo, (left, top), logo)
