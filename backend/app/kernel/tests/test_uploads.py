"""Pictures from strangers: what is taken, what is refused before it costs anything, and what is left of it."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import pytest
from PIL import Image, PngImagePlugin

from app.kernel.errors import Invalid
from app.kernel.web import uploads
from app.kernel.web.uploads import clean_image

TOO_LARGE = "This picture is too large: at most 2 MB and 10 million pixels."
NO_SVG = "An SVG drawing cannot be taken. Save it as PNG, 1000 pixels wide, and upload that."
NO_HEIC = "A photo in HEIC or AVIF cannot be taken. Save it as JPEG, and upload that."
PHOTO_TOO_LARGE = "This picture is too large: at most 12 MB and 10 million pixels, a JPEG photo 50 million."
NO_PICTURE = "Please choose a picture: PNG, JPEG or WebP."
RED, GREEN = (255, 0, 0), (0, 255, 0)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png), formats=("PNG",))


def refusal_of(data: bytes, *, is_photo: bool = False) -> str:
    with pytest.raises(Invalid) as raised:
        clean_image(data, max_side=64, field="logo", is_photo=is_photo)
    return raised.value.extra["fields"]["logo"]


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, body: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    )


def jpeg_with_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is sent again and again."""
    whole = encoded(Image.effect_noise((64, 64), 90), "JPEG", progressive=True)
    start = whole.rindex(b"\xff\xda")
    last = whole[start:-2]
    return whole[:start] + last * (count - whole[:start].count(b"\xff\xda")) + whole[-2:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_taken_by_its_content_and_fitted(kind):
    """The three kinds come back as a PNG of the same shape, no side over the bound."""
    clean = clean_image(encoded(Image.new("RGB", (300, 200), RED), kind), max_side=150)

    assert (clean.width, clean.height) == (150, 100)
    assert opened(clean.png).size == (150, 100)
    assert all(abs(a - b) < 4 for a, b in zip(opened(clean.png).getpixel((9, 9)), RED, strict=True))


def test_ten_megapixels_are_taken_and_one_row_more_is_not(monkeypatch):
    """The bound is 10,000,000 pixels on the dot; without it the larger picture would be drawn."""
    taken = clean_image(encoded(Image.new("L", (4000, 2500)), "PNG"), max_side=64)
    larger = encoded(Image.new("L", (4000, 2501)), "PNG")

    assert (taken.width, taken.height) == (64, 40)
    assert refusal_of(larger) == TOO_LARGE
    monkeypatch.setattr(uploads, "IMAGE_PIXELS_MAX", 10**9)
    assert clean_image(larger, max_side=64).width == 64


@pytest.mark.parametrize(
    "bomb",
    [
        png_of(60_000, 60_000, zlib.compress(bytes(1000))),
        encoded(Image.new("1", (10_000, 8_000)), "PNG"),
        encoded(Image.new("RGB", (8_000, 8_000)), "JPEG", quality=1),
        encoded(Image.new("RGB", (16_000, 4_000)), "WEBP", lossless=True),
    ],
    ids=["png-header", "png", "jpeg", "webp"],
)
def test_a_bomb_is_refused_before_it_is_decoded(bomb):
    """A small file that would unfold into gigabytes costs no memory and no time."""
    tracemalloc.start()
    began = time.thread_time()
    text = refusal_of(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert text == TOO_LARGE
    assert peak < 5_000_000
    assert time.thread_time() - began < 0.5


def test_more_data_than_pixels_is_cut_off():
    """A PNG whose data goes on for 200 MB is read to its last row only."""
    data = zlib.compress(bytes(200_000_000), 1)
    began = time.thread_time()
    clean = clean_image(png_of(50, 50, data), max_side=64)
    cleaned = time.thread_time()
    zlib.decompress(data)
    unpacked = time.thread_time()

    assert (clean.width, clean.height) == (50, 50)
    # Processor time of this thread, so that neighbours do not count.
    assert cleaned - began < (unpacked - cleaned) / 10


def test_a_file_over_two_megabytes_is_refused():
    """Bytes are counted before anything looks at them."""
    picture = encoded(Image.new("RGB", (10, 10)), "PNG")

    assert clean_image(picture + bytes(2_000_000 - len(picture)), max_side=64).width == 10
    assert refusal_of(picture + bytes(2_000_001 - len(picture))) == TOO_LARGE


def test_a_jpeg_may_not_go_over_the_picture_for_ever(monkeypatch):
    """A hundred scans are taken, one more is refused; without the guard it is decoded."""
    assert clean_image(jpeg_with_scans(100), max_side=64).width == 64
    assert refusal_of(jpeg_with_scans(101)) == NO_PICTURE

    monkeypatch.setattr(uploads, "JPEG_SCANS_MAX", 10**6)
    assert clean_image(jpeg_with_scans(101), max_side=64).width == 64


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"RIFF\x00\x00\x00\x00WEBPVP8X" + bytes(40),
        encoded(Image.new("RGB", (20, 20)), "GIF"),
        encoded(Image.new("RGB", (20, 20)), "TIFF"),
        encoded(Image.new("RGB", (20, 20)), "BMP"),
        encoded(Image.effect_noise((200, 200), 90), "PNG")[:2000],
    ],
    ids=["empty", "text", "png-head", "png", "jpeg", "webp", "gif", "tiff", "bmp", "half-a-png"],
)
def test_what_is_no_such_picture_is_refused(data):
    """Other kinds, scripts and broken files get one plain sentence."""
    assert refusal_of(data) == NO_PICTURE


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', NO_SVG),
        (b'\n<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', NO_SVG),
        (b"\x00\x00\x00\x24ftypheic" + bytes(40), NO_HEIC),
        (b"\x00\x00\x00\x20ftypavif" + bytes(40), NO_HEIC),
    ],
    ids=["svg", "svg-xml", "heic", "avif"],
)
def test_whoever_has_another_kind_is_told_what_to_do(data, text):
    """A drawing and an iPhone's own kind are refused like the others, with the way out in the sentence."""
    assert refusal_of(data) == text


def photo(size: tuple[int, int], **options) -> bytes:
    """Return a JPEG of a phone's size: red above, green below."""
    picture = Image.new("RGB", size, GREEN)
    picture.paste(RED, (0, 0, size[0], size[1] // 2))
    return encoded(picture, "JPEG", quality=60, **options)


@pytest.mark.parametrize("size", [(4032, 3024), (8064, 6048)], ids=["12-megapixels", "48-megapixels"])
def test_a_phones_photo_is_taken_and_never_decoded_whole(size, monkeypatch):
    """Twelve and forty-eight megapixels arrive, twelve megabytes at most; only every so many dots are decoded."""
    drawn = []
    plain = uploads._plain_pixels
    monkeypatch.setattr(uploads, "_plain_pixels", lambda source: drawn.append(source.size) or plain(source))
    data = photo(size)
    data += bytes(12_000_000 - len(data))

    clean = clean_image(data, max_side=2_048, is_photo=True)

    assert (clean.width, clean.height) == (2_016, 1_512)
    assert [opened(clean.png).getpixel((900, y))[0] > 250 for y in (100, 1_400)] == [True, False]
    assert all(width * height <= 10_000_000 for width, height in drawn)
    assert refusal_of(data) == TOO_LARGE
    assert refusal_of(data + b"\0", is_photo=True) == PHOTO_TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [
        photo((8_000, 6_501)),
        photo((4_032, 3_024), progressive=True),
        encoded(Image.new("L", (4_000, 2_501)), "PNG"),
        encoded(Image.new("RGB", (4_000, 2_501)), "WEBP", lossless=True),
    ],
    ids=["pixels", "progressive", "png", "webp"],
)
def test_what_would_fill_the_memory_is_no_photo(data):
    """More dots, a JPEG that is kept whole until its last scan, and kinds that are decoded whole are refused."""
    tracemalloc.start()
    text = refusal_of(data, is_photo=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert text == PHOTO_TOO_LARGE
    assert peak < 5_000_000


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_animation_becomes_its_first_frame(kind):
    """Of a moving picture one still picture is kept."""
    options = {"lossless": True} if kind == "WEBP" else {}
    frames = [Image.new("RGB", (50, 40), color) for color in (RED, GREEN)]
    moving = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
    assert getattr(Image.open(io.BytesIO(moving)), "n_frames", 1) == 2

    still = opened(clean_image(moving, max_side=64).png)

    assert getattr(still, "n_frames", 1) == 1
    assert still.getpixel((5, 5)) == RED


def test_nothing_but_pixels_is_left():
    """Place, camera, profile, comments and what was hung behind the picture are gone."""
    exif = Image.Exif()
    exif[0x010F] = "PLANTED-CAMERA"
    exif.get_ifd(0x8825)[1] = "PLANTED-PLACE"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "PLANTED-COMMENT", zip=False)
    texts = encoded(Image.new("RGB", (20, 20)), "PNG", pnginfo=text, exif=exif) + b"PLANTED-<script>"
    photo = encoded(
        Image.new("RGB", (20, 20)), "JPEG", exif=exif, comment="PLANTED", icc_profile=b"PLANTED" * 9
    )
    assert b"PLANTED" in texts
    assert b"PLANTED" in photo

    for data in (texts, photo):
        clean = clean_image(data, max_side=64)

        assert b"PLANTED" not in clean.png
        assert opened(clean.png).info == {}


def test_a_photo_taken_sideways_stands_upright():
    """The turn that the metadata asked for is made in the pixels."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.new("RGB", (60, 30), GREEN)
    photo.paste(RED, (0, 0, 30, 30))

    clean = clean_image(encoded(photo, "PNG", exif=exif), max_side=64)

    assert (clean.width, clean.height) == (30, 60)
    assert opened(clean.png).getpixel((15, 5)) == RED


@pytest.mark.parametrize(
    ("picture", "pixel"),
    [
        (Image.new("I;16", (9, 9), 40_000), (156, 156, 156)),
        (Image.new("LA", (9, 9), (128, 100)), (128, 128, 128, 100)),
        (Image.new("1", (9, 9), 1), (255, 255, 255)),
    ],
    ids=["16-bit", "grey-alpha", "black-white"],
)
def test_rare_kinds_of_pixels_keep_their_look(picture, pixel):
    """Sixteen bits, grey with transparency and black-and-white come out as the eye saw them."""
    assert opened(clean_image(encoded(picture, "PNG"), max_side=64).png).getpixel((4, 4)) == pixel
