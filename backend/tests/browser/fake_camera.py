"""A film of a card's QR code, as Chromium's fake camera plays it: the scanner is tested for real."""

from __future__ import annotations

from pathlib import Path

import segno
from PIL import Image

WIDTH, HEIGHT = 640, 480
FRAMES = 10


def film_qr(text: str, path: Path) -> Path:
    """Write a Y4M film that shows the code on a grey table; return the path."""
    code = segno.make(text, error="m")
    rows = [list(row) for row in code.matrix_iter(border=4)]
    picture = Image.new("L", (len(rows[0]), len(rows)), 255)
    picture.putdata([30 if dark else 245 for row in rows for dark in row])
    frame = Image.new("L", (WIDTH, HEIGHT), 120)
    picture = picture.resize((360, 360), Image.Resampling.NEAREST)
    frame.paste(picture, ((WIDTH - 360) // 2, (HEIGHT - 360) // 2))
    grey = bytes([128]) * (WIDTH * HEIGHT // 4)
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(FRAMES):
            film.write(b"FRAME\n" + frame.tobytes() + grey + grey)
    return path
