"""ICC profiles that tests make: the smallest that say what a picture's numbers mean."""

from __future__ import annotations

import struct

SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))
P3_PRIMARIES = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def rgb_profile(primaries=P3_PRIMARIES, *, curve: bytes | None = None, name: str = "wide") -> bytes:
    """A profile of a screen: the colours of its red, green and blue, and how bright numbers are."""
    tags = {f"{c}XYZ".encode(): _xyz(*primary) for c, primary in zip("rgb", primaries, strict=True)}
    curves = {f"{c}TRC".encode(): curve or gamma(2.2) for c in "rgb"}
    return _profile(b"mntr", b"RGB ", b"XYZ ", name, tags | curves)


def grey_profile(exponent: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", "grey", {b"kTRC": gamma(exponent)})


def cmyk_profile() -> bytes:
    """A press on bluish paper, whose inks darken more than their complement would."""
    table = b""
    for node in range(16):
        cyan, magenta, yellow, black = ((node >> shift) & 1 for shift in (3, 2, 1, 0))
        light = 250 - 60 * cyan - 70 * magenta - 20 * yellow - 90 * black
        a, b = 128 - 30 * cyan + 50 * magenta, 120 - 40 * cyan + 70 * yellow
        table += bytes([max(light, 0), a, b])
    same = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
    matrix = struct.pack(">9i", *(65536 * one for one in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    return _profile(
        b"prtr", b"CMYK", b"Lab ", "press", {b"A2B0": head + matrix + same * 4 + table + same * 3}
    )


def gamma(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + b"\0\0"


def srgb_curve() -> bytes:
    """sRGB's own curve, linear near black."""
    values = [i / 1023 for i in range(1024)]
    light = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *(round(65535 * v) for v in light))


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))


def _profile(
    kind: bytes, space: bytes, between: bytes, name: str, tags: dict[bytes, bytes]
) -> bytes:
    said = name.encode() + b"\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(said)) + said + bytes(78)
    tags = {
        b"desc": described,
        b"wtpt": _xyz(0.9642, 1, 0.8249),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        value += bytes(-len(value) % 4)
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value
    size = struct.pack(">I", 128 + len(table) + len(body))
    head = size + bytes(4) + struct.pack(">I", 0x02400000) + kind + space + between
    head += (
        struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(0.9642, 1, 0.8249)[8:]
    )
    return head + bytes(128 - len(head)) + table + body
