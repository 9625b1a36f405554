"""`draw(pet, scene)`: pixel art on a 32 x 32 canvas, without anti-aliasing, pure."""

from __future__ import annotations

import numpy as np
from PIL import Image

from unictoken.toy.world.attributes import BRIGHT_COLOURS, EYE_COLOURS, NONE
from unictoken.toy.world.things import Pet, Scene

SIDE = 32
GROUND = 29  # the row of the feet; puts the eyes of every pose inside one row of codes
# of the pet's middle; steps of 8 keep the 4-pixel grid of the codes
COLUMN = {"left": 7.5, "middle": 15.5, "right": 23.5}
OUTLINE = (22, 18, 26)
NIGHT = np.array([0.42, 0.46, 0.78])
X, Y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))

Colour = tuple[int, int, int]
Canvas = np.ndarray  # [32, 32, 3] float32, RGB from 0 to 255
Mask = np.ndarray  # [32, 32] bool


def draw(pet: Pet, scene: Scene) -> Image.Image:
    """The picture of a pet in a scene: RGB, 32 x 32."""
    canvas = _place(scene)
    figure = _Figure(pet, scene)
    if scene.pose == "jumping":
        shadow = figure.ellipse(0, 0.4 + figure.lift, 5.5, 1.0)
        canvas[shadow] *= 0.7
    figure.paint(canvas)
    return Image.fromarray(canvas.clip(0, 255).astype(np.uint8))


# ---- places ---------------------------------------------------------------------------------------


def _place(scene: Scene) -> Canvas:
    """The background."""
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    _PLACES[scene.place](canvas, scene.detail)
    if scene.time == "night":
        canvas *= NIGHT
        if scene.place != "room":
            _night_sky(canvas, scene.detail)
    elif scene.place != "room":
        _disc(canvas, 4 + 8 * scene.detail, 4, 2.4, (255, 236, 130))
    return canvas


def _box(canvas: Canvas, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
    canvas[max(y0, 0) : y1, max(x0, 0) : x1] = colour


def _disc(canvas: Canvas, x: float, y: float, radius: float, colour: Colour) -> None:
    canvas[(X - x) ** 2 + (Y - y) ** 2 <= radius**2] = colour


def _night_sky(canvas: Canvas, detail: int) -> None:
    x = 4 + 8 * detail
    # The colour of the sky beside the moon, to cut a crescent out of it.
    sky = canvas[4, (x + 12) % SIDE].copy()
    _disc(canvas, x, 4, 2.4, (244, 244, 216))
    _disc(canvas, x + 1.3, 3.2, 1.9, sky)
    for star_x, star_y in ((2, 2), (9, 6), (14, 1), (21, 5), (26, 2), (30, 7)):
        # No star inside the moon.
        if abs(star_x - x) > 3:
            canvas[star_y, star_x] = (235, 235, 250)


def _sky(canvas: Canvas, top: Colour, bottom: Colour, horizon: int) -> None:
    # a whole number of 4-pixel patches: no patch holds both colours
    half = horizon // 8 * 4
    canvas[:half], canvas[half:horizon] = top, bottom


def _beach(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (124, 204, 248), (168, 224, 252), 16)
    _box(canvas, 0, 16, SIDE, 22, (48, 132, 208))
    for x in range(4 * (detail % 2), SIDE, 8):
        _box(canvas, x, 18, x + 3, 19, (150, 212, 244))
    _box(canvas, 0, 21, SIDE, 22, (226, 244, 250))
    _box(canvas, 0, 22, SIDE, SIDE, (244, 220, 156))
    for x in range(2, SIDE, 8):
        canvas[26, (x + 2 * detail) % SIDE] = canvas[30, (x + 4) % SIDE] = (220, 190, 122)


def _snow(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (176, 196, 222), (200, 214, 234), 20)
    # Two mountains of rock, each with a white top.
    for middle in (6 + 4 * detail, 26 - 4 * detail):
        canvas[(Y < 20) & (Y >= 8 + abs(X - middle))] = (150, 164, 192)
        canvas[(Y < 12) & (Y >= 8 + abs(X - middle))] = (250, 252, 255)
    _box(canvas, 0, 20, SIDE, SIDE, (238, 244, 250))
    for x, y in ((3, 3), (11, 7), (18, 2), (27, 6), (7, 14), (23, 13), (30, 16), (1, 18)):
        canvas[y, (x + 8 * detail) % SIDE] = (255, 255, 255)
    for x in range(1, SIDE, 8):
        _box(canvas, x, 25, x + 3, 26, (212, 224, 240))


def _forest(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (150, 206, 196), (176, 220, 190), 21)
    for i, x in enumerate(range(2 * detail - 4, SIDE + 4, 8)):
        top = 4 + 4 * ((i + detail) % 2)
        _box(canvas, x + 3, 16, x + 5, 22, (104, 70, 46))
        canvas[(Y >= top) & (Y < 19) & (abs(X - x - 3.5) <= (Y - top) / 3 + 0.5)] = (
            (40, 108, 64) if i % 2 else (56, 132, 72)
        )
    _box(canvas, 0, 21, SIDE, SIDE, (84, 136, 66))
    _box(canvas, 0, 26, SIDE, SIDE, (98, 112, 58))


def _city(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (176, 210, 236), (206, 226, 240), 24)
    for i, x in enumerate(range(0, SIDE, 8)):
        top = (8, 12, 4, 10)[(i + detail) % 4]
        _box(
            canvas,
            x,
            top,
            x + 7,
            24,
            ((178, 106, 92), (128, 134, 152), (196, 164, 116), (116, 122, 168))[(i + detail) % 4],
        )
        for y in range(top + 2, 22, 4):
            _box(canvas, x + 1, y, x + 3, y + 2, (250, 232, 150))
            _box(canvas, x + 4, y, x + 6, y + 2, (250, 232, 150))
    _box(canvas, 0, 24, SIDE, SIDE, (132, 134, 142))
    _box(canvas, 0, 24, SIDE, 25, (196, 196, 200))
    for x in range(0, SIDE, 8):
        _box(canvas, x + 2, 30, x + 6, 31, (232, 230, 220))


def _meadow(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (132, 206, 250), (170, 224, 250), 18)
    canvas[(Y >= 14 + abs(X - 8 - 8 * (detail % 2)) / 3) & (Y < 20)] = (134, 200, 96)
    _box(canvas, 0, 18, SIDE, SIDE, (112, 188, 76))
    petals = ((240, 96, 120), (250, 220, 80), (250, 250, 250), (190, 120, 220))
    for i, (x, y) in enumerate(
        (
            (2, 21),
            (10, 20),
            (18, 21),
            (26, 20),
            (6, 25),
            (14, 24),
            (22, 25),
            (30, 24),
            (2, 29),
            (26, 29),
        )
    ):
        canvas[y, x] = petals[(i + detail) % 4]
        canvas[y + 1, x] = (70, 140, 56)


def _room(canvas: Canvas, detail: int) -> None:
    wall = ((236, 206, 186), (196, 214, 224), (222, 216, 178), (214, 198, 222))[detail]
    _box(canvas, 0, 0, SIDE, 22, wall)
    window = 4 if detail % 2 else 20
    _box(canvas, window - 1, 3, window + 9, 13, (150, 104, 70))
    _box(canvas, window, 4, window + 8, 12, (140, 210, 250))
    _box(canvas, window + 4, 4, window + 5, 12, (150, 104, 70))
    picture = 22 if detail % 2 else 4
    _box(canvas, picture, 5, picture + 6, 11, (120, 84, 60))
    _box(canvas, picture + 1, 6, picture + 5, 10, (238, 160, 120))
    _box(canvas, 0, 21, SIDE, 22, (250, 246, 240))
    _box(canvas, 0, 22, SIDE, SIDE, (180, 128, 84))
    for y in (25, 29):
        _box(canvas, 0, y, SIDE, y + 1, (158, 108, 68))


_PLACES = {
    "beach": _beach,
    "snow": _snow,
    "forest": _forest,
    "city": _city,
    "meadow": _meadow,
    "room": _room,
}


# ---- pets -----------------------------------------------------------------------------------------


def _tint(colour: Colour, factor: float) -> Colour:
    """Darker below 1, towards white above."""
    c = np.array(colour, np.float32)
    return tuple(c * factor if factor <= 1 else c + (255 - c) * (factor - 1))


class _Figure:
    """A pet placed on the canvas. Coordinates: pixels right of its middle and above (negative) its
    feet, unscaled.
    """

    def __init__(self, pet: Pet, scene: Scene):
        self.pet, self.scene = pet, scene
        # 4 pixels: one row of codes.
        self.lift = 4 if scene.pose == "jumping" else 0
        self.column = COLUMN[scene.position]
        self.head_y = -10 if scene.pose == "sitting" else -14
        self.head_rx = 6.5
        self.head_ry = 5.5
        self.body_rx = {"bear": 5.9, "pig": 5.9}.get(pet.species, 4.9) + pet.girth

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.column + x, GROUND - self.lift + y

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Mask:
        """The pixels whose centres lie in an ellipse.

        Args:
            x: Its middle, in the figure's coordinates.
            y: The same, vertically.
            rx: Half its width, in pixels.
            ry: Half its height, in pixels.
        """
        cx, cy = self.at(x, y)
        # 1.02: pixels on the edge itself count, however fp32 rounds.
        return ((X - cx) / (rx)) ** 2 + ((Y - cy) / (ry)) ** 2 <= 1.02

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Mask:
        """The pixels whose centres lie in a rectangle, its edges included.

        Args:
            x0: One side, in the figure's coordinates; may be right of `x1`.
            y0: The upper edge.
            x1: The other side.
            y1: The lower edge.
        """
        (left, top), (right, bottom) = self.at(x0, y0), self.at(x1, y1)
        # A mirrored box (side -1) comes with its sides swapped.
        left, right = min(left, right), max(left, right)
        return (X >= left - 0.01) & (X <= right + 0.01) & (Y >= top - 0.01) & (Y <= bottom + 0.01)

    def wedge(
        self, x: float, tip_y: float, base_y: float, half_width: float, lean: float = 0.0
    ) -> Mask:
        """The pixels of a triangle with a horizontal base.

        Args:
            x: The middle of its base, in the figure's coordinates.
            tip_y: The height of its tip; below `base_y` for one that hangs.
            base_y: The height of its base.
            half_width: Half the base's width, in pixels.
            lean: How far the tip stands right of the base's middle, in pixels.
        """
        cx, tip = self.at(x, tip_y)
        _, base = self.at(x, base_y)
        down = (Y - tip) / (base - tip)
        middle = cx + lean * (1 - down)
        # 0.3: the tip is one pixel wide, not none.
        return (down >= -0.01) & (down <= 1.01) & (abs(X - middle) <= half_width * down + 0.3)

    def paint(self, canvas: np.ndarray) -> None:
        pet = self.pet
        # From back to front: each part covers those before it.
        tail, body, ears, head = self._tail(), self._body(), self._ears(), self._head()
        for part in (tail, body, ears, head):
            self._outlined(canvas, part, pet.fur_rgb)
        self._markings(canvas, body, head, ears, tail)
        self._face(canvas, head)
        self._collar(canvas)
        self._accessory(canvas)

    def _outlined(self, canvas: Canvas, part: Mask, colour: Colour) -> None:
        # one pixel wider in the four directions
        around = part.copy()
        around[1:] |= part[:-1]
        around[:-1] |= part[1:]
        around[:, 1:] |= part[:, :-1]
        around[:, :-1] |= part[:, 1:]
        canvas[around & ~part] = OUTLINE
        canvas[part] = colour

    def _head(self) -> Mask:
        head = self.ellipse(0, self.head_y, self.head_rx, self.head_ry)
        if self.pet.species == "fox":
            head |= self.ellipse(0, self.head_y + 2, self.head_rx + 1.2, 2.4)
        return head

    def _body(self) -> Mask:
        rx = self.body_rx
        if self.scene.pose == "sitting":
            return (
                self.ellipse(0, -3, rx, 4)
                | self.box(-rx - 0.5, -2, -rx + 2.5, 0)
                | self.box(rx - 2.5, -2, rx + 0.5, 0)
            )
        body = self.ellipse(0, -6, rx, 4.2)
        spread = 1 if self.scene.pose == "jumping" else 0
        for foot in (-rx + 0.5 - spread, rx - 2.5 + spread):
            body |= self.box(foot, -4, foot + 2, 0)
        return body

    def _tail(self) -> Mask:
        rx, y = self.body_rx, -4 if self.scene.pose == "sitting" else -6
        match self.pet.species:
            case "dog":
                return self.ellipse(rx + 1.5, y - 2, 1.3, 2.6)
            case "cat":
                return self.box(rx, y + 1, rx + 2, y + 2) | self.box(rx + 2, y - 5, rx + 3, y + 1)
            case "fox":
                return self.ellipse(rx + 2, y, 2.8, 3.6)
            case "rabbit":
                return self.ellipse(rx + 0.6, y + 2, 1.8, 1.8)
            case "pig":
                return self.box(rx + 1, y - 1, rx + 2, y)
        return self.ellipse(rx, y + 2, 1.2, 1.2)

    def _ears(self) -> Mask:
        ears = np.zeros((SIDE, SIDE), bool)
        for side in (-1, 1):
            down = self.pet.ears == "floppy" or (self.pet.ears == "lopsided" and side == 1)
            ears |= self._ear(side, down)
        return ears

    def _ear(self, side: int, down: bool) -> Mask:
        # Ears are a pixel shorter or a pixel longer.
        y, rx, longer = self.head_y, self.head_rx, 2 * self.pet.ear_length - 1
        match self.pet.species:
            case "rabbit" if down:
                return self.ellipse(side * (rx + 0.8), y + 2 + longer / 2, 1.8, 5 + longer / 2)
            case "rabbit":
                return self.ellipse(side * (rx - 3), y - 7 - longer / 2, 1.7, 4.6 + longer / 2)
            case "bear" if down:
                return self.ellipse(side * (rx + 0.5), y - 1.5, 2 + longer / 3, 2.4)
            case "bear":
                return self.ellipse(side * (rx - 1.5), y - 4.6, 2.6 + longer / 2, 2.6 + longer / 2)
            case "dog" if down:
                return self.ellipse(side * (rx + 0.4), y - 0.5 + longer / 2, 2.2, 4 + longer / 2)
            case "pig" if down:
                return self.wedge(side * (rx - 0.5), y + 1 + longer, y - 5, 2.4)
        if down:
            return self.box(side * (rx - 3), y - 6, side * (rx + 1.5), y - 4) | self.box(
                side * (rx + 0.5), y - 4, side * (rx + 1.5), y - 2 + longer
            )
        height = {"cat": 4.5, "dog": 4, "fox": 6, "pig": 3}[self.pet.species] + longer
        width = {"cat": 2.6, "dog": 2.2, "fox": 3.2, "pig": 2}[self.pet.species]
        return self.wedge(side * (rx - 2.6), y - 3.5 - height, y - 2, width, lean=side * 0.6)

    def _markings(self, canvas: Canvas, body: Mask, head: Mask, ears: Mask, tail: Mask) -> None:
        second = self.pet.second_rgb
        if second is None:
            return
        # The layout is the pet's own: the same in every picture of it.
        rng = np.random.default_rng(self.pet.markings)
        y, sitting = self.head_y, self.scene.pose == "sitting"
        match self.pet.pattern:
            case "spotted":
                spots = np.zeros_like(body)
                for x in (-5, 0, 5):
                    spots |= (
                        self.ellipse(x + rng.integers(2) - 0.5, y - 3 - rng.integers(2), 1.6, 1.6)
                        & head
                    )
                for x in (-4, -1, 3):
                    spots |= (
                        self.ellipse(
                            x + rng.integers(2), (-2 if sitting else -4) - rng.integers(2), 1.6, 1.6
                        )
                        & body
                    )
                canvas[spots] = second
            case "striped":
                # Two rows in four; in which of them they begin is the pet's own.
                rows = (Y - self.at(0, y)[1]).astype(int) + rng.integers(4)
                canvas[(rows % 4 < 2) & (body | tail)] = second
                for x in (-4, 0, 4):
                    canvas[self.box(x - 0.5, y - 6, x + 0.5, y - 3) & head] = second
            case "patched":
                side = -1 if rng.integers(2) else 1
                canvas[self.ellipse(side * 3.4, y - 1.2, 3.1, 3.4) & head] = second
                height = (-2.5 if sitting else -6) + rng.uniform(-1, 1)
                canvas[self.ellipse(-side * self.body_rx * 0.7, height, 3.2, 3) & body] = second
                # The ear on the patch's side; -30 to 0 covers every height that an ear can have.
                canvas[ears & self.box(side * 1, -30, side * 14, 0)] = second
            case "bellied":
                canvas[
                    self.ellipse(
                        0,
                        -5 if self.scene.pose != "sitting" else -2.6,
                        3 + rng.uniform(-0.6, 0.6),
                        3.4,
                    )
                    & body
                ] = second
                canvas[self.ellipse(0, y + 4, 3.6, 3) & head] = second
            case "socked":
                height = 2 + rng.integers(2)
                canvas[body & self.box(-12, -height, 12, 1)] = second
                # The tips of the ears: of pricked ones the top, of hanging ones the lower end.
                canvas[ears & (Y < self.at(0, y - 5)[1])] = second
                canvas[
                    ears & (abs(X - self.column) > (self.head_rx + 0.4)) & (Y > self.at(0, y)[1])
                ] = second
                canvas[tail & (Y < self.at(0, -6)[1])] = second

    def _face(self, canvas: Canvas, head: Mask) -> None:
        pet, y = self.pet, self.head_y
        # Whole pixels on the code grid, so that the same eyes are the same codes in every picture.
        x_left, top = int(self.column - 3.5), int(self.at(0, y)[1]) - 2
        for x in (x_left, x_left + 5):
            _box(canvas, x, top, x + 3, top + 1, (150, 150, 160) if pet.fur == "black" else OUTLINE)
            _box(canvas, x, top + 1, x + 3, top + 3, EYE_COLOURS[pet.eyes])
            canvas[top + 1, x] = (250, 250, 250)
        nose = (36, 26, 28) if pet.fur not in ("black",) else (120, 96, 100)
        match pet.species:
            case "pig":
                canvas[self.ellipse(0, y + 2.8, 2.6, 1.7)] = (244, 156, 160)
                canvas[
                    self.box(-1.5, y + 2.5, -1, y + 3.5) | self.box(1, y + 2.5, 1.5, y + 3.5)
                ] = (150, 60, 76)
            case "bear":
                canvas[self.ellipse(0, y + 3, 2.7, 1.9) & head] = (236, 214, 184)
                canvas[self.box(-1, y + 2, 1, y + 2.6)] = nose
            case "dog":
                canvas[self.box(-1.5, y + 1.6, 1.5, y + 2.6)] = nose
                canvas[self.box(-0.5, y + 4, 0.5, y + 5)] = (236, 110, 120)
            case "cat":
                canvas[self.box(-0.5, y + 1.8, 0.5, y + 2.4)] = (240, 130, 146)
                for side in (-1, 1):
                    canvas[self.box(side * 4.6, y + 2.8, side * 8.4, y + 3)] = (250, 250, 250)
            case "fox":
                for side in (-1, 1):
                    canvas[self.ellipse(side * 5, y + 3, 2.6, 1.8) & head] = (252, 248, 240)
                canvas[self.box(-0.6, y + 2.6, 0.6, y + 3.4)] = nose
            case "rabbit":
                canvas[self.box(-0.5, y + 1.6, 0.5, y + 2)] = (240, 130, 146)
                canvas[self.box(-0.6, y + 3.6, 0.6, y + 4.4)] = (255, 255, 255)

    def _collar(self, canvas: Canvas) -> None:
        if self.pet.collar == NONE:
            return
        y = self.head_y + 6
        colour = BRIGHT_COLOURS[self.pet.collar]
        canvas[self.box(-4.5, y - 0.5, 4.5, y + 0.5)] = colour
        canvas[self.box(-3.5, y + 1, 3.5, y + 1.5)] = _tint(colour, 0.8)
        canvas[self.box(-0.5, y + 1, 0.5, y + 2)] = (255, 214, 90)

    def _accessory(self, canvas: Canvas) -> None:
        kind = self.scene.accessory
        if kind == NONE:
            return
        colour = BRIGHT_COLOURS[self.scene.accessory_colour]
        light, dark = _tint(colour, 1.35), _tint(colour, 0.72)
        top = self.head_y - 4  # where hats sit
        match kind:
            case "cap":
                crown = self.ellipse(0, top + 0.5, 5, 3.6) & self.box(-9, top - 4, 9, top + 0.6)
                self._outlined(canvas, crown | self.box(0, top, 8.5, top + 1), colour)
                canvas[self.box(3, top, 8.5, top + 1)] = dark
            case "party hat":
                hat = self.wedge(0, top - 7, top + 0.6, 4)
                self._outlined(canvas, hat, colour)
                canvas[hat & ((np.floor(Y - self.at(0, top)[1]) % 3) == 0)] = light
                canvas[self.ellipse(0, top - 7, 1.2, 1.2)] = (255, 250, 240)
            case "top hat":
                self._outlined(
                    canvas,
                    self.box(-3.5, top - 5.5, 3.5, top) | self.box(-6.5, top, 6.5, top + 1),
                    colour,
                )
                canvas[self.box(-3.5, top - 1.5, 3.5, top - 0.5)] = light
            case "beanie":
                self._outlined(
                    canvas,
                    self.ellipse(0, top + 1, 5.8, 4.4) & self.box(-9, top - 6, 9, top + 1),
                    colour,
                )
                canvas[self.box(-5.6, top, 5.6, top + 1)] = light
                canvas[self.ellipse(0, top - 4, 1.6, 1.4)] = (255, 250, 240)
            case "bow":
                knot_x, knot_y = 3.6, top - 0.2
                loops = self.ellipse(knot_x - 2.6, knot_y, 2, 2) | self.ellipse(
                    knot_x + 2.6, knot_y, 2, 2
                )
                self._outlined(canvas, loops, colour)
                canvas[self.ellipse(knot_x, knot_y, 1.1, 1.1)] = light
