import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from profiles import SRGB_PRIMARIES, cmyk_profile, grey_profile, rgb_profile, srgb_curve

from unictoken.core.pictures import enlarge, read_picture
from unictoken.world.drawing import draw
from unictoken.world.things import sample_pet, sample_scene

pytestmark = pytest.mark.real

P3, LINEAR_GREY, CMYK = rgb_profile(), grey_profile(1.0), cmyk_profile()
OWN = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OTHERS_SRGB = rgb_profile(SRGB_PRIMARIES, curve=srgb_curve(), name="a camera's own")


def shown(picture: Image.Image, icc: bytes) -> Image.Image:
    """What a viewer that honours profiles shows."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return ImageCms.profileToProfile(
        picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )


def distance(a, b) -> float:
    return float(np.linalg.norm(np.subtract(a, b, dtype=float), axis=-1).max())


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("colour", [(200, 40, 40), (230, 140, 50), (60, 170, 70), (140, 90, 50)])
def test_a_wide_colour_is_read_as_a_viewer_shows_it(colour, ending, tmp_path):
    how = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(ending, {})
    Image.new("RGB", (32, 32), colour).save(tmp_path / f"0.{ending}", icc_profile=P3, **how)
    with Image.open(tmp_path / f"0.{ending}") as stored:
        wanted = shown(stored.convert("RGB"), P3).getpixel((9, 9))
    read = read_picture(tmp_path / f"0.{ending}").getpixel((9, 9))
    assert distance(read, wanted) <= 3 and distance(read, colour) > 10


@pytest.mark.parametrize(
    ("mode", "colour", "icc"),
    [
        ("L", 64, LINEAR_GREY),
        ("I;16", 64 * 257, LINEAR_GREY),
        ("L", 64, grey_profile(1.8)),
        ("CMYK", (20, 200, 120, 30), CMYK),
        ("CMYK", (255, 0, 0, 0), CMYK),
    ],
)
def test_a_profile_of_any_kind_of_colours_is_honoured(mode, colour, icc, tmp_path):
    picture = Image.new(mode, (16, 16), colour)
    picture.save(tmp_path / "0.tif", icc_profile=icc)
    wanted = shown(picture, icc).getpixel((3, 3))
    plain = Image.new("RGB", (16, 16), (64,) * 3) if mode != "CMYK" else picture.convert("RGB")
    assert distance(read_picture(tmp_path / "0.tif").getpixel((3, 3)), wanted) <= 3
    assert distance(wanted, plain.getpixel((3, 3))) > 10


def test_grey_in_a_screens_profile_is_read_as_that_screen_shows_it(tmp_path):
    bright = rgb_profile(SRGB_PRIMARIES, curve=None, name="gamma 2.2")
    linear = rgb_profile(SRGB_PRIMARIES, curve=b"curv\0\0\0\0\0\0\0\0")
    for icc in (bright, linear):
        Image.new("L", (16, 16), 64).save(tmp_path / "0.png", icc_profile=icc)
        wanted = shown(Image.new("RGB", (16, 16), (64, 64, 64)), icc).getpixel((3, 3))
        assert distance(read_picture(tmp_path / "0.png").getpixel((3, 3)), wanted) <= 3


def test_a_palette_in_a_profile_is_read_as_a_viewer_shows_it(tmp_path):
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([0, 0, 0, 200, 40, 40])
    picture.save(tmp_path / "0.png", icc_profile=P3)
    wanted = shown(picture.convert("RGB"), P3).getpixel((3, 3))
    assert distance(read_picture(tmp_path / "0.png").getpixel((3, 3)), wanted) <= 3


@pytest.mark.parametrize(
    ("mode", "colour", "icc"), [("RGB", (60, 170, 70), P3), ("L", 64, LINEAR_GREY)]
)
def test_transparency_is_blended_after_the_profile(mode, colour, icc, tmp_path):
    picture = Image.new(mode, (16, 16), colour)
    wanted = np.add(np.multiply(shown(picture, icc).getpixel((3, 3)), 0.2), 0.8 * 255)
    picture.putalpha(51)
    picture.save(tmp_path / "0.png", icc_profile=icc)
    assert distance(read_picture(tmp_path / "0.png").getpixel((3, 3)), wanted) <= 3


def test_a_transparent_colour_is_looked_for_among_the_stored_ones(tmp_path):
    picture = Image.new("RGB", (16, 16), (200, 40, 40))
    picture.save(tmp_path / "0.png", icc_profile=P3, transparency=(200, 40, 40))
    assert read_picture(tmp_path / "0.png").getpixel((3, 3)) == (255, 255, 255)


def test_a_turned_photo_keeps_its_profile(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 20), (200, 40, 40)).save(
        tmp_path / "0.jpg", exif=exif, icc_profile=P3, quality=100
    )
    read = read_picture(tmp_path / "0.jpg")
    assert read.size == (20, 40) and distance(read.getpixel((3, 3)), (220, 0, 17)) <= 3


@pytest.mark.parametrize("icc", [OWN, OTHERS_SRGB], ids=["littlecms", "others"])
def test_pixel_art_in_srgb_stays_bit_for_bit(icc, tmp_path):
    rng = np.random.default_rng(0)
    drawn = enlarge(draw(sample_pet(rng), sample_scene(rng)), 4)
    drawn.save(tmp_path / "0.png", icc_profile=icc)
    assert np.array_equal(np.asarray(read_picture(tmp_path / "0.png")), np.asarray(drawn))


def test_a_profile_is_what_it_does_and_not_what_it_is_called(tmp_path):
    icc = rgb_profile(name="sRGB IEC61966-2.1")
    Image.new("RGB", (16, 16), (200, 40, 40)).save(tmp_path / "0.png", icc_profile=icc)
    assert distance(read_picture(tmp_path / "0.png").getpixel((3, 3)), (220, 0, 17)) <= 3


@pytest.mark.parametrize(
    ("mode", "icc"),
    [
        ("RGB", b"no profile"),
        ("RGB", P3[:200]),
        ("RGB", P3[:-60]),
        ("RGB", LINEAR_GREY),
        ("RGB", CMYK),
        ("I;16", P3[:200]),
    ],
)
def test_a_profile_that_cannot_be_used_loses_no_picture(mode, icc, tmp_path):
    colour = (200, 40, 40) if mode == "RGB" else 257 * 200
    Image.new(mode, (16, 16), colour).save(tmp_path / "0.png", icc_profile=icc)
    seen = (200, 40, 40) if mode == "RGB" else (200, 200, 200)
    assert read_picture(tmp_path / "0.png").getpixel((3, 3)) == seen


def test_a_picture_that_is_saved_again_does_not_say_the_profile_it_had(tmp_path):
    Image.new("RGB", (16, 16), (200, 40, 40)).save(tmp_path / "0.png", icc_profile=P3)
    read_picture(tmp_path / "0.png").save(tmp_path / "1.png")
    assert read_picture(tmp_path / "1.png").getpixel((3, 3)) == read_picture(
        tmp_path / "0.png"
    ).getpixel((3, 3))
