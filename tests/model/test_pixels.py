import struct
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin, features

from unictoken.core import pictures
from unictoken.core.pictures import (
    LFS,
    MIN_SIDE,
    PictureError,
    check_picture,
    enlarge,
    large_enough,
    read_picture,
    read_shrunk,
)
from unictoken.model.pixels import grid, prepare, psnr, to_picture, to_pixels
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import sample_pet, sample_scene

pytestmark = pytest.mark.real

CASE = Path(__file__).parents[3] / "shared" / "cases" / "08-heic-by-content"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def test_a_photo_is_turned_upright(tmp_path):
    sideways = Image.new("RGB", (40, 20), RED)
    sideways.paste(BLUE, (20, 0, 40, 20))
    exif = Image.Exif()
    exif[274] = 6  # stored lying on its side: turn it by 90 degrees to the right
    sideways.save(tmp_path / "turned.png", exif=exif)
    picture = read_picture(tmp_path / "turned.png")
    assert picture.size == (20, 40)
    assert (picture.getpixel((10, 5)), picture.getpixel((10, 35))) == (RED, BLUE)


@pytest.mark.parametrize(("alpha", "seen"), [(0, WHITE), (255, RED), (51, (255, 204, 204))])
def test_transparency_is_blended_on_white(alpha, seen, tmp_path):
    Image.new("RGBA", (16, 16), (*RED, alpha)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").getpixel((3, 3)) == seen


def test_a_transparent_palette_colour_is_white(tmp_path):
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([*RED, *GREEN])
    picture.save(tmp_path / "palette.png", transparency=1)
    assert read_picture(tmp_path / "palette.png").getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("mode", "colour", "name", "seen"),
    [
        ("CMYK", (0, 255, 255, 0), "print.tif", RED),
        ("I;16", 257 * 100, "deep.png", (100, 100, 100)),
        ("L", 7, "grey.png", (7, 7, 7)),
        ("1", 1, "bits.png", WHITE),
        ("LA", (0, 0), "clear-grey.png", WHITE),
    ],
)
def test_every_kind_of_colour_becomes_rgb(mode, colour, name, seen, tmp_path):
    Image.new(mode, (16, 16), colour).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert (picture.mode, picture.getpixel((4, 4))) == ("RGB", seen)


def test_a_cmyk_jpeg_is_not_a_negative(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=100)
    # its inks are stored inverted, as Photoshop does it
    assert b"Adobe" in (tmp_path / "print.jpg").read_bytes()
    assert np.abs(np.subtract(read_picture(tmp_path / "print.jpg").getpixel((8, 8)), RED)).max() < 4


def deep_png(path: Path, channels: list[int], *, side: int = 16) -> None:
    """A PNG of 16 bits a channel in one colour, which Pillow itself cannot write: 3 channels, or 4
    with alpha.
    """
    row = b"\0" + struct.pack(f">{len(channels)}H", *channels) * side
    header = struct.pack(">IIBBBBB", side, side, 16, {3: 2, 4: 6}[len(channels)], 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(row * side), b"IEND": b""}
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(written))


@pytest.mark.parametrize(
    ("channels", "seen"),
    [
        ([257 * 200, 257 * 100, 257 * 3], (200, 100, 3)),
        ([65535, 0, 0, 65535], RED),
        ([65535, 0, 0, 0], WHITE),
    ],
)
def test_sixteen_bits_of_colour_become_eight(channels, seen, tmp_path):
    deep_png(tmp_path / "deep.png", channels)
    picture = read_picture(tmp_path / "deep.png")
    assert (picture.mode, picture.getpixel((8, 8))) == ("RGB", seen)


def test_a_dark_picture_of_sixteen_bits_stays_dark(tmp_path):
    Image.new("I;16", (16, 16), 200).save(tmp_path / "dark.png")
    assert read_picture(tmp_path / "dark.png").getpixel((8, 8)) == (1, 1, 1)


@pytest.mark.parametrize(("value", "seen"), [(0.5, 128), (100.0, 100), (float("nan"), 0)])
def test_a_picture_of_floating_numbers_is_scaled_by_what_it_holds(value, seen, tmp_path):
    Image.new("F", (16, 16), value).save(tmp_path / "float.tif")
    assert read_picture(tmp_path / "float.tif").getpixel((8, 8)) == (seen,) * 3


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp", "moving.png"])
def test_an_animation_is_its_first_frame(name, tmp_path):
    first, *others = (Image.new("RGB", (16, 16), colour) for colour in (GREEN, RED, BLUE))
    first.save(
        tmp_path / name,
        save_all=True,
        append_images=others,
        **({"lossless": True} if name.endswith("webp") else {}),
    )
    assert Image.open(tmp_path / name).n_frames == 3
    assert read_picture(tmp_path / name).getpixel((4, 4)) == GREEN


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "tif"])
def test_a_cut_file_is_refused_in_one_line(ending, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{ending}")
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    for share in (0.02, 0.5):
        cut = tmp_path / f"cut.{ending}"
        cut.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(PictureError, match=r"cut\.\w+: not a readable picture") as refused:
            read_picture(cut)
        assert "\n" not in str(refused.value)


def test_text_and_nothing_are_no_pictures(tmp_path):
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    with pytest.raises(PictureError, match="not a readable picture"):
        read_picture(tmp_path / "text.png")
    with pytest.raises(PictureError, match="no such file"):
        read_picture(tmp_path / "nowhere.png")


def test_a_clone_without_git_lfs_is_told_so(tmp_path):
    (tmp_path / "0.png").write_bytes(LFS + b".example/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(
        PictureError,
        match=r"0\.png: not a readable picture \(a pointer of Git LFS; `git lfs pull` fetches it\)",
    ):
        read_picture(tmp_path / "0.png")


def test_a_strip_is_refused(tmp_path):
    Image.new("RGB", (161, 20)).save(tmp_path / "strip.png")
    with pytest.raises(PictureError, match="161 x 20 is a strip"):
        read_picture(tmp_path / "strip.png")
    Image.new("RGB", (160, 20)).save(tmp_path / "wide.png")
    assert read_picture(tmp_path / "wide.png").size == (160, 20)


def test_a_tiny_picture_is_refused(tmp_path):
    Image.new("RGB", (MIN_SIDE, MIN_SIDE - 1)).save(tmp_path / "tiny.png")
    with pytest.raises(
        PictureError, match=f"tiny.png: 16 x 15 pixels, expected at least {MIN_SIDE} x {MIN_SIDE}"
    ):
        read_picture(tmp_path / "tiny.png")
    Image.new("RGB", (MIN_SIDE, MIN_SIDE)).save(tmp_path / "small.png")
    assert read_picture(tmp_path / "small.png").size == (MIN_SIDE, MIN_SIDE)


def box(*brands: bytes) -> bytes:
    """The beginning of an ISO media file that can be read as these."""
    first, *others = brands
    return struct.pack(">I", 16 + 4 * len(others)) + b"ftyp" + first + bytes(4) + b"".join(others)


@pytest.fixture
def decoders(monkeypatch):
    """Pillow's decoders, which a test may add to."""
    Image.init()
    for name in ("OPEN", "ID"):
        monkeypatch.setattr(Image, name, getattr(Image, name).copy())
    return Image.OPEN


@pytest.fixture
def without_plugin(decoders, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decoders.pop("HEIF", None)


@pytest.fixture
def with_plugin(decoders, monkeypatch):
    """A plugin that reads every HEIC as the same red picture."""

    def register():
        Image.register_open("HEIF", lambda file, name: Image.new("RGB", (32, 32), RED))

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    decoders.pop("HEIF", None)


HEIC = [(b"heic", b"mif1", b"heic"), (b"heix",), (b"mif1", b"heic"), (b"msf1", b"hevc")]


@pytest.mark.parametrize("name", ["phone.HEIC", "phone.jpg", "phone", "phone.jpeg.tmp"])
@pytest.mark.parametrize("brands", HEIC)
def test_heic_of_any_name_says_what_reads_it(brands, name, without_plugin, tmp_path):
    (tmp_path / name).write_bytes(box(*brands) + bytes(100))
    advice = f"{name}: HEIC is read by a plugin. `pip install pillow-heif`"
    for look in (read_picture, check_picture):
        with pytest.raises(PictureError, match=advice):
            look(tmp_path / name)


@pytest.mark.parametrize("name", ["phone.HEIC", "phone.jpg", "phone"])
@pytest.mark.parametrize("brands", HEIC)
def test_heic_of_any_name_is_read_by_the_plugin(brands, name, with_plugin, tmp_path):
    (tmp_path / name).write_bytes(box(*brands) + bytes(100))
    assert read_picture(tmp_path / name).getpixel((3, 3)) == RED


@pytest.mark.parametrize("plugin", ["with_plugin", "without_plugin"])
def test_a_jpeg_that_is_called_heic_is_just_read(plugin, request, tmp_path):
    request.getfixturevalue(plugin)
    Image.new("RGB", (40, 40), BLUE).save(tmp_path / "phone.HEIC", format="JPEG")
    assert read_picture(tmp_path / "phone.HEIC").size == (40, 40)


def test_avif_is_not_taken_for_heic(with_plugin, tmp_path):
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGB", (40, 40), BLUE).save(tmp_path / "photo.heic", format="AVIF")
    assert read_picture(tmp_path / "photo.heic").size == (40, 40)


def test_a_pillow_without_avif_is_named(decoders, tmp_path):
    decoders.pop("AVIF", None)
    (tmp_path / "photo.jpg").write_bytes(box(b"avif", b"mif1") + bytes(100))
    with pytest.raises(PictureError, match=r"photo\.jpg: AVIF, which this Pillow does not read"):
        read_picture(tmp_path / "photo.jpg")


@pytest.mark.skipif(not CASE.is_dir(), reason=f"no files of a phone at {CASE}")
def test_real_heic_is_told_by_content_in_any_order():
    pytest.importorskip("pillow_heif")
    names = ("heic_inside.jpg", "jpeg_inside.HEIC", "plain.heic", "heic_inside.jpg")
    assert [read_picture(CASE / name).size for name in names] == [(320, 240)] * 4


def test_the_preview_in_a_cameras_raw_file_is_not_taken_for_the_picture(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "0.dng", format="TIFF")
    with pytest.raises(PictureError, match=r"0\.dng: a camera's raw file"):
        read_picture(tmp_path / "0.dng")


def test_a_text_that_unpacks_to_too_much_is_refused(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 20_000_000, zip=True)
    Image.new("RGB", (16, 16)).save(tmp_path / "text.png", pnginfo=text)
    with pytest.raises(PictureError, match=r"text\.png: not a readable picture"):
        read_picture(tmp_path / "text.png")


def test_a_look_at_the_header_finds_what_is_no_picture_without_decoding_it(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:6000])
    check_picture(tmp_path / "cut.png")
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    with pytest.raises(PictureError, match="not a readable picture"):
        check_picture(tmp_path / "text.png")


@pytest.mark.parametrize("name", ["print.png", "print.eps"])
def test_postscript_never_reaches_a_program(name, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "PIL.EpsImagePlugin.Ghostscript", lambda *a, **k: pytest.fail("Ghostscript was asked")
    )
    (tmp_path / name).write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n",
        encoding="utf-8",
    )
    with pytest.raises(
        PictureError, match=r"not a readable picture \(it begins like none of PNG, JPEG"
    ):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "photo.png",
        "photo.jpg",
        "photo.webp",
        "photo.bmp",
        "photo.gif",
        "photo.tiff",
        "photo.mpo",
        "photo.avif",
    ],
)
def test_the_formats_of_photos_are_read(name, tmp_path):
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGB", (32, 32), RED).save(tmp_path / name)
    assert read_picture(tmp_path / name).size == (32, 32)


def test_a_name_with_a_line_break_is_refused_in_one_line(tmp_path):
    (tmp_path / "two\nlines.png").write_text("hello", encoding="utf-8")
    for path in (tmp_path / "two\nlines.png", tmp_path / "no\nfile.png"):
        with pytest.raises(PictureError, match=r"(two|no)\\n(lines|file)\.png") as refused:
            read_picture(path)
        assert "\n" not in str(refused.value)


def test_a_path_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(PictureError, match="x{50}.*no such file.* picture") as refused:
        read_picture(tmp_path / ("x" * 5000 + ".png"))
    assert len(str(refused.value)) < 500


@pytest.mark.filterwarnings("error")
def test_a_damaged_exif_is_passed_over_without_a_word(tmp_path):
    damaged = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x02\0\xff\xff\0\0\x06\xff\0\0"
    Image.new("RGB", (32, 32), RED).save(tmp_path / "photo.jpg", exif=damaged)
    assert read_picture(tmp_path / "photo.jpg").size == (32, 32)


@pytest.mark.parametrize(("clear", "seen"), [(500, WHITE), (501, (2, 2, 2))])
def test_the_transparent_grey_of_sixteen_bits_is_white(clear, seen, tmp_path):
    Image.new("I;16", (16, 16), 500).save(tmp_path / "deep.png", transparency=clear)
    assert read_picture(tmp_path / "deep.png").getpixel((4, 4)) == seen


@pytest.mark.filterwarnings("error")
def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (10_001, 10_000)).save(tmp_path / "huge.png")
    with pytest.raises(PictureError, match="10001 x 10000 pixels, expected at most 100,000,000"):
        read_picture(tmp_path / "huge.png")


@pytest.mark.slow
def test_a_large_webp_is_refused_before_its_decoder_fills_the_memory(tmp_path):
    Image.new("L", (6000, 5001)).save(tmp_path / "huge.webp")
    with pytest.raises(PictureError, match="6000 x 5001 pixels, expected at most 30,000,000"):
        read_picture(tmp_path / "huge.webp")


@pytest.mark.slow
def test_many_pixels_in_few_bytes_are_refused_before_they_are_all_decoded(tmp_path):
    for i in range(4):
        Image.new("1", (9000, 9000)).save(tmp_path / f"{i}.png")
    read = pictures.read_together(tmp_path / f"{i}.png" for i in range(4))
    assert next(read).size == next(read).size == (1125, 1125)
    with pytest.raises(
        PictureError, match=r"2.png: with those before it 243,000,000 pixels, expected at most"
    ):
        next(read)


def test_many_honest_photos_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "FREE_PIXELS", 10_000)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    for i in range(20):
        Image.fromarray(noise + np.uint8(i)).save(tmp_path / f"{i}.jpg")
    assert len(list(pictures.read_together(tmp_path / f"{i}.jpg" for i in range(20)))) == 20


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "CMYK", "I;16", "F"])
def test_a_picture_that_is_converted_in_strips_is_the_same(mode, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    drawn = Image.fromarray(rng.integers(0, 256, (130, 70, 3), dtype=np.uint8))
    if mode == "F":
        given = Image.fromarray(rng.random((130, 70)).astype(np.float32))
    elif mode == "I;16":
        given = Image.fromarray(rng.integers(0, 65536, (130, 70)).astype(np.uint16))
    else:
        given = drawn.convert(mode)
    whole = {times: pictures.to_rgb(given, times) for times in (1, 2, 3)}
    monkeypatch.setattr(pictures, "STRIP", 70 * 20)
    for times, expected in whole.items():
        found = pictures.to_rgb(given, times)
        assert found.size == expected.size and found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("factor", [1, 2, 8, 16])
def test_enlarged_pixel_art_goes_back_exactly(factor):
    rng = np.random.default_rng(factor)
    drawn = draw(sample_pet(rng), sample_scene(rng))
    assert np.array_equal(np.asarray(prepare(enlarge(drawn, factor), 32)), np.asarray(drawn))


def test_a_wide_picture_keeps_its_middle():
    wide = Image.new("RGB", (96, 32), WHITE)
    wide.paste(RED, (32, 0, 64, 32))
    assert np.array_equal(np.asarray(prepare(wide, 32)), np.full((32, 32, 3), RED, np.uint8))


@pytest.mark.parametrize("size", [(33, 64), (640, 481), (5, 9), (512, 512)])
def test_a_picture_of_any_size_becomes_a_square(size):
    assert prepare(Image.new("RGB", size), 32).size == (32, 32)


def test_pixels_lie_between_minus_one_and_one_and_come_back():
    values = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    pixels = to_pixels(Image.fromarray(values))
    assert pixels.shape == (3, 16, 16) and (pixels.min(), pixels.max()) == (-1, 1)
    assert np.array_equal(np.asarray(to_picture(pixels)), values)
    assert to_picture(torch.full((3, 1, 1), 9.0)).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("size", "read"),
    [
        ((100, 60), (100, 60)),
        ((119, 60), (119, 60)),
        ((200, 120), (100, 60)),
        ((400, 190), (134, 64)),
    ],
)
def test_a_picture_of_more_pixels_than_are_needed_can_be_shrunk_by_a_whole_number(
    size, read, tmp_path
):
    Image.new("RGB", size, RED).save(tmp_path / "1.png")
    assert read_picture(tmp_path / "1.png", at_least=60).size == read
    assert read_picture(tmp_path / "1.png").size == size


@pytest.mark.slow
@pytest.mark.parametrize("times", [64, 65, 96, 130])
def test_large_pixel_art_that_is_shrunk_goes_back_exactly(times, tmp_path):
    rng = np.random.default_rng(times)
    drawn = draw(sample_pet(rng), sample_scene(rng))
    enlarge(drawn, times).save(tmp_path / "0.png")
    read = read_shrunk(tmp_path / "0.png")
    assert np.array_equal(np.asarray(prepare(read, 32)), np.asarray(drawn))
    whole = prepare(enlarge(drawn, times), 64)
    assert np.array_equal(np.asarray(prepare(read, 64)), np.asarray(whole))


def test_a_photo_is_held_no_larger_than_a_base_can_use(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((4000, 3000)).save(tmp_path / "0.jpg")
    assert read_shrunk(tmp_path / "0.jpg").size == (2000, 1500)


def test_a_grid_lays_pictures_side_by_side():
    sheet = grid(
        [Image.new("RGB", (2, 2), colour) for colour in (RED, GREEN, BLUE)],
        columns=2,
        side=4,
        gap=1,
    )
    assert sheet.size == (9, 9)
    assert [sheet.getpixel(at) for at in ((0, 0), (5, 0), (0, 5), (5, 5), (4, 0))] == [
        RED,
        GREEN,
        BLUE,
        WHITE,
        WHITE,
    ]


def test_a_grid_shows_pictures_as_large_as_they_are_within_reason():
    sizes = {
        side: grid([Image.new("RGB", (side, side))], columns=1).width
        for side in (32, 200, 512, 4000)
    }
    assert sizes == {32: 128, 200: 200, 512: 512, 4000: 512}


def test_a_grid_keeps_the_shape_of_a_picture():
    sheet = grid([Image.new("RGB", (4, 2), RED)], columns=1, side=4)
    assert [sheet.getpixel((2, y)) for y in range(4)] == [WHITE, RED, RED, WHITE]


def test_psnr_of_half_the_range_is_six_decibels():
    assert psnr(torch.zeros(3), torch.ones(3)) == pytest.approx(6.02, abs=0.01)


def test_small_pictures_are_shown_with_each_pixel_a_square():
    small = Image.fromarray(
        np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3)
    )
    assert np.array_equal(
        np.asarray(large_enough(small)), np.asarray(small).repeat(8, 0).repeat(8, 1)
    )
    assert large_enough(Image.new("RGB", (100, 40))).size == (700, 280)
    assert large_enough(Image.new("RGB", (256, 300))).size == (256, 300)
