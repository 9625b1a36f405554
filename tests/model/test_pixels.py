import numpy as np
import pytest
import torch
from PIL import Image

from unictoken.model.pixels import PictureError, grid, prepare, psnr, read_picture, to_picture, to_pixels
from unictoken.world.drawing import draw, enlarge
from unictoken.world.things import sample_pet, sample_scene

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


def test_an_animation_is_its_first_frame(tmp_path):
    first, *others = (Image.new("RGB", (16, 16), colour) for colour in (GREEN, RED, BLUE))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=others)
    assert read_picture(tmp_path / "moving.gif").getpixel((4, 4)) == GREEN


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
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(PictureError, match="not a readable picture"):
        read_picture(tmp_path / "text.png")
    with pytest.raises(PictureError, match="no such file"):
        read_picture(tmp_path / "nowhere.png")


def test_a_strip_is_refused(tmp_path):
    Image.new("RGB", (161, 20)).save(tmp_path / "strip.png")
    with pytest.raises(PictureError, match="161 x 20 is a strip"):
        read_picture(tmp_path / "strip.png")
    Image.new("RGB", (160, 20)).save(tmp_path / "wide.png")
    assert read_picture(tmp_path / "wide.png").size == (160, 20)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (10_001, 10_000)).save(tmp_path / "huge.png")
    with pytest.raises(PictureError, match="10001 x 10000 pixels, expected at most 100,000,000"):
        read_picture(tmp_path / "huge.png")


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


def test_a_grid_lays_pictures_side_by_side():
    sheet = grid([Image.new("RGB", (2, 2), colour) for colour in (RED, GREEN, BLUE)], columns=2, side=4, gap=1)
    assert sheet.size == (9, 9)
    assert [sheet.getpixel(at) for at in ((0, 0), (5, 0), (0, 5), (5, 5), (4, 0))] == [RED, GREEN, BLUE, WHITE, WHITE]


def test_psnr_of_half_the_range_is_six_decibels():
    assert psnr(torch.zeros(3), torch.ones(3)) == pytest.approx(6.02, abs=0.01)
