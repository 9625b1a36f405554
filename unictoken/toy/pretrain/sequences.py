"""The training sequences of the tiny base, whose right answers are known exactly.

Every kind of sequence gives the base, in context, what concept tokens will later give it: a name
that is introduced by words, by a handful of picture codes (like soft tokens that start from image
ids) or by a whole picture, and is then recognised, asked about, or drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from unictoken.data import templates
from unictoken.data.sequence import Example, Turn, join_turns
from unictoken.model.vocab import Vocab
from unictoken.toy.world import language
from unictoken.toy.world.attributes import NONE, PET_ATTRIBUTES
from unictoken.toy.world.drawing import COLUMN, draw
from unictoken.toy.world.things import (
    Pet,
    Scene,
    easy_negative,
    hard_negative,
    near_duplicate,
    sample_pet_where,
    sample_scene,
)

SHOTS = 3  # pictures of each pet
CODES_PER_SIDE = 8
# of the sequences, by kind
MIXTURE = {"look": 0.3, "check": 0.27, "draw": 0.31, "free": 0.01, "talk": 0.05, "compare": 0.06}
ONE_ATTRIBUTE = 0.55  # of the descriptions to say yes or no to
# attributes that are read off a few patches only: asked about twice as often
HARDEST = ("second", "pattern", "ears")

T = TypeVar("T")


@dataclass(frozen=True)
class Shot:
    """One picture of a pet: the scene and its image ids [K]."""

    scene: Scene
    ids: np.ndarray


@dataclass(frozen=True)
class Family:
    """A pet and two look-alikes, each with its shots: index 0 the pet, 1 a near-duplicate, 2 a hard
    negative.
    """

    pets: tuple[Pet, Pet, Pet]
    shots: tuple[tuple[Shot, ...], ...]


@dataclass(frozen=True)
class Introduced:
    """A pet that is introduced after a picture: its name, the ids of the introduction, whether the
    picture shows it, and which of these ids can be read off the picture.
    """

    name: list[int]
    pet: Pet
    intro: list[int]
    shown: bool
    read_off: range


def sample_families(
    count: int, *, seed: int
) -> tuple[list[tuple[Pet, Pet, Pet]], list[list[list[Scene]]]]:
    """Pets and scenes of `count` families."""
    rng = np.random.default_rng(seed)
    pets, scenes = [], []
    for _ in range(count):
        pet = sample_pet_where(rng, unseen=False)
        pets.append((pet, near_duplicate(pet, rng), hard_negative(pet, rng)))
        scenes.append([[sample_scene(rng) for _ in range(SHOTS)] for _ in range(3)])
    return pets, scenes


def draw_families(
    pets: Sequence[tuple[Pet, Pet, Pet]], scenes: Sequence[Sequence[Sequence[Scene]]]
) -> torch.Tensor:
    """Pictures of families, uint8 [count * 3 * SHOTS, 3, 32, 32]."""
    drawn = [
        np.asarray(draw(p, s))
        for trio, shown in zip(pets, scenes, strict=True)
        for p, row in zip(trio, shown, strict=True)
        for s in row
    ]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)


def families(
    pets: Sequence[tuple[Pet, Pet, Pet]],
    scenes: Sequence[Sequence[Sequence[Scene]]],
    ids_NK: np.ndarray,
) -> list[Family]:
    """Families from pets, scenes and the image ids of their pictures, in the order of
    `draw_families`.
    """
    # the rows have no labels: only this order says whose picture each one is
    rows = iter(ids_NK)
    return [
        Family(trio, tuple(tuple(Shot(scene, next(rows)) for scene in row) for row in shown))
        for trio, shown in zip(pets, scenes, strict=True)
    ]


def codes_on_pet(shot: Shot, rng: np.random.Generator) -> list[int]:
    """The image ids where the pet stands (4 columns of codes, all rows but the top one), in random
    order.
    """
    # From pixels to columns of codes. The pet is four codes wide, two on each side of its middle.
    left = max(int(COLUMN[shot.scene.position] + 0.5) // 4 - 2, 0)
    grid = shot.ids.reshape(CODES_PER_SIDE, CODES_PER_SIDE)
    return rng.permutation(grid[1:, left : left + 4].ravel()).tolist()


def nameable(pet: Pet) -> list[str]:
    """The attributes that a description of the pet can be wrong about."""
    return [
        name
        for name in PET_ATTRIBUTES
        if not (pet.second == NONE and name in ("second", "pattern"))
    ]


class TrainingSequences:
    """Examples for the base, each a pure function of (families, random generator)."""

    def __init__(
        self,
        vocab: Vocab,
        families: list[Family],
        *,
        length: int,
        mixture: Mapping[str, float] = MIXTURE,
    ):
        self.vocab, self.families, self.length, self.mixture = vocab, families, length, mixture
        self.names = [vocab.encode(name) for name in language.NAMES]
        # Reserved ids are names too: concepts are later learned on them.
        # Of one id only: a concept's name is one row as well.
        self.names = [ids for ids in self.names if len(ids) == 1] + [[i] for i in vocab.reserved]
        self.ordinary = len(self.names) - len(vocab.reserved)

    # ---- parts -----------------------------------------------------------------------------------

    def name(self, rng: np.random.Generator) -> list[int]:
        # Half of the names are ordinary ones, although there are 16 of them and 254 reserved ids.
        half = rng.random() < 0.5
        return self.names[
            int(
                rng.integers(0, self.ordinary)
                if half
                else rng.integers(self.ordinary, len(self.names))
            )
        ]

    def say(self, text: str, **slots: Sequence[int]) -> list[int]:
        return self.vocab.encode(text, {"{" + name + "}": ids for name, ids in slots.items()})

    def choose(self, forms: Sequence[T], rng: np.random.Generator) -> T:
        return forms[int(rng.integers(len(forms)))]

    def snippet(self, shots: Sequence[Shot], rng: np.random.Generator) -> list[int]:
        """8 to 20 image ids of a pet, out of one to three of its pictures."""
        # Ten of each, so that a snippet of 8 to 20 holds codes of several pictures where there are
        # some.
        codes = [code for shot in shots for code in codes_on_pet(shot, rng)[:10]]
        return rng.permutation(codes).tolist()[: int(rng.integers(8, 21))]

    def introduce(
        self,
        name: Sequence[int],
        pet: Pet,
        shots: Sequence[Shot],
        rng: np.random.Generator,
        *,
        how: str,
    ) -> list[int]:
        """'{name} is ...' by words, by codes (one time in three after the words), or by a
        picture.

        Args:
            name: The ids of the name.
            pet: Who is introduced.
            shots: Pictures of the pet that codes may come from; 'picture' shows the first one.
            rng: What the choices are drawn from.
            how: 'words', 'codes' or 'picture'.
        """
        words = self.vocab.encode(language.describe(pet))
        # Lambdas, so that only the chosen one runs: the others would draw from `rng` too.
        tokens = {
            "words": lambda: words,
            "codes": lambda: words * (rng.random() < 1 / 3) + self.snippet(shots, rng),
            "picture": lambda: self.vocab.picture(shots[0].ids),
        }[how]()
        return self.say(templates.INTRODUCTION, name=name, tokens=tokens)

    def question(
        self,
        pet: Pet,
        scene: Scene | None,
        it: Sequence[int],
        rng: np.random.Generator,
        attribute: str | None = None,
    ) -> list[Turn]:
        """A question about the picture and its answer.

        Args:
            pet: Who is asked about.
            scene: Where the picture shows them. None: there is no picture; then `attribute` must be
                one of the pet's own.
            it: The ids that stand for the pet in the question: a name, 'it' or 'the animal'.
            rng: What the choices are drawn from.
            attribute: What is asked for. None: a random one, the hardest more often.
        """
        attribute = attribute or self.choose(
            (*language.PET_QUESTIONS, *language.SCENE_QUESTIONS, *HARDEST), rng
        )
        forms = language.PET_QUESTIONS.get(attribute) or language.SCENE_QUESTIONS[attribute]
        asked = self.choose(forms, rng).replace("{it}", "{name}")
        return [
            Turn(self.say(asked, name=it)),
            Turn(self.say(language.answer(attribute, pet, scene)), learned=True),
        ]

    def it(self, rng: np.random.Generator) -> list[int]:
        return self.vocab.encode("it" if rng.random() < 0.6 else "the animal")

    def caption(self, pet: Pet, scene: Scene, rng: np.random.Generator) -> list[Turn]:
        return [
            Turn(self.say(self.choose(templates.CAPTION, rng))),
            Turn(self.say(language.caption(pet, scene)), learned=True),
        ]

    def introduced(
        self, family: Family, shown: int, shot: int, rng: np.random.Generator, how: str
    ) -> Introduced:
        """Somebody who is introduced after a picture of `shown`: the one that it shows, or
        another.

        Args:
            family: Whom the picture shows, and look-alikes.
            shown: Index in the family of the pet that the picture shows.
            shot: Index of the picture among that pet's; no introduction of the same pet uses it.
            rng: What the choices are drawn from.
            how: 'words', 'codes' or 'picture'.
        """
        yes, pet = rng.random() < 0.5, family.pets[shown]
        name, read_off = self.name(rng), range(0)
        if how == "words":
            described = self.description(pet, rng) if yes else self.wrong_description(pet, rng)
            intro = self.say(templates.INTRODUCTION, name=name, tokens=self.vocab.encode(described))
            # true and whole: learned word by word off the picture, as a caption is
            if described == language.describe(pet):
                # After the name and 'is'.
                read_off = range(len(name) + 1, len(intro))
        else:
            who = shown if yes else self.choose([i for i in range(3) if i != shown], rng)
            pet, shots = (
                family.pets[who],
                [s for i, s in enumerate(family.shots[who]) if not (yes and i == shot)],
            )
            # not only look-alikes: unrelated pets are to be told apart too
            if not yes and rng.random() < 0.3:
                other = self.families[int(rng.integers(len(self.families)))]
                pet, shots = other.pets[0], other.shots[0]
            intro = self.introduce(name, pet, shots, rng, how=how)
        if rng.random() < 0.15:  # an owner's facts change nothing about who the picture shows
            key = self.choose(tuple(language.FACT_SENTENCES), rng)
            intro += self.say(language.fact_sentence(key, language.sample_facts(rng)), name=name)
        return Introduced(name, pet, intro, yes, read_off)

    def recognise(
        self, family: Family, shown: int, shot: int, rng: np.random.Generator, how: str
    ) -> list[Turn]:
        """Introduces somebody after a picture of `shown`, and asks whether it is who the picture
        shows, about them by name, or both.

        Args: see `introduced`.
        """
        who, turns, lot = self.introduced(family, shown, shot, rng, how), [], rng.random()
        about = who.shown or how != "words"  # of a wrong description nothing can be asked
        # One random number decides both: below .1 only the question, below .25 both, else only yes
        # or no.
        if not (about and lot < 0.1):
            turns += self.is_it(who.name, who.shown, rng)
        if about and lot < 0.25:
            # A pet that the picture does not show has no scene to ask about.
            scene = family.shots[shown][shot].scene if who.shown else None
            attributes = (*language.PET_QUESTIONS, *(language.SCENE_QUESTIONS if scene else ()))
            turns += self.question(who.pet, scene, who.name, rng, self.choose(attributes, rng))
        return self.after(who.intro, turns, who.read_off)

    def named_caption(
        self, family: Family, shown: int, shot: int, rng: np.random.Generator, how: str
    ) -> list[Turn]:
        """Introduces somebody after a picture of `shown`, whose caption says the name only where it
        is who the picture shows.

        Args: see `introduced`.
        """
        who, scene = self.introduced(family, shown, shot, rng, how), family.shots[shown][shot].scene
        said = (
            language.named_caption(scene)
            if who.shown
            else language.caption(family.pets[shown], scene)
        )
        asked = self.say(self.choose(templates.CAPTION, rng))
        return [
            Turn(who.intro + asked, learned_part=who.read_off),
            Turn(self.say(said, name=who.name), learned=True),
        ]

    def is_it(self, name: Sequence[int], yes: bool, rng: np.random.Generator) -> list[Turn]:
        """Whether the picture shows who was introduced, and the answer."""
        asked = self.say(self.choose(templates.RECOGNISE, rng), name=name)
        return [
            Turn(asked),
            Turn(self.vocab.encode(templates.YES if yes else templates.NO), learned=True),
        ]

    def description(self, pet: Pet, rng: np.random.Generator) -> str:
        """All of what has a name, some of it, or one attribute: short ones leave room for more
        yes/no, about less each.
        """
        if rng.random() < ONE_ATTRIBUTE:
            return self.statement(pet, True, rng)
        return language.describe_briefly(pet, rng) if rng.random() < 0.5 else language.describe(pet)

    def statement(self, pet: Pet, true: bool, rng: np.random.Generator) -> str:
        """A description by one attribute, of the pet's own value or of another one."""
        attribute = self.choose(
            [name for name in nameable(pet) for _ in range(1 + (name in HARDEST))], rng
        )
        if not true:
            # Nor what no such pet can have: its fur's colour twice, or only one of second colour
            # and pattern.
            taken = {getattr(pet, attribute), NONE if attribute == "second" else "plain", pet.fur}
            pet = replace(
                pet,
                **{
                    attribute: self.choose(
                        [v for v in PET_ATTRIBUTES[attribute] if v not in taken], rng
                    )
                },
            )
        return language.describe_one(pet, attribute)

    def wrong_description(self, pet: Pet, rng: np.random.Generator) -> str:
        """A description that is not true of the pet: mostly off by one attribute."""
        if rng.random() < ONE_ATTRIBUTE:
            return self.statement(pet, False, rng)
        while True:
            other = hard_negative(pet, rng) if rng.random() < 0.85 else easy_negative(pet, rng)
            if rng.random() < 0.5:
                return language.describe(other)
            # One seed for both: they leave out the same attributes. Where the wrong one is left
            # out, the texts are equal and the description is true: draw again.
            seed = int(rng.integers(2**31))
            said, true = (
                language.describe_briefly(p, np.random.default_rng(seed)) for p in (other, pet)
            )
            if said != true:
                return said

    def drawing(self, family: Family, who: int, shot: int, rng: np.random.Generator) -> list[Turn]:
        """A prompt, with or without an introduction, and its picture.

        Args:
            family: The drawn pet and its look-alikes.
            who: Index of the drawn pet in the family.
            shot: Index of the picture to draw among the pet's; the others may introduce it.
            rng: What the choices are drawn from.
        """
        pet, target = family.pets[who], family.shots[who][shot]
        # the target's own codes in the prompt would teach copying
        others = [s for i, s in enumerate(family.shots[who]) if i != shot]
        picture = Turn(self.vocab.picture(target.ids), learned=True)
        how = self.choose(
            ("none", "none", "words", "words", "codes", "codes", "codes", "inline", "picture"), rng
        )
        if how == "none":
            subject = self.vocab.encode(language.describe_briefly(pet, rng))
            return [Turn(self.prompt(subject, target.scene, rng)), picture]
        name = self.name(rng)
        if how == "inline":  # "a photo of <codes> tom ..."
            return [Turn(self.prompt(self.snippet(others, rng) + name, target.scene, rng)), picture]
        intro = self.introduce(name, pet, others, rng, how=how)
        wearing = ""
        # Prompts for learned concepts say 'its hat' too, which only a fact describes.
        if target.scene.accessory in language.HATS and rng.random() < 0.4:
            intro += self.say(f"{{name}} has {language.worn(target.scene)}.", name=name)
            wearing = f"wearing {self.choose(('its', 'his', 'her'), rng)} hat"
        return [Turn(intro + self.prompt(name, target.scene, rng, wearing)), picture]

    def prompt(
        self, subject: Sequence[int], scene: Scene, rng: np.random.Generator, wearing: str = ""
    ) -> list[int]:
        """The ids that ask for a picture.

        Args:
            subject: The ids of what is to be drawn.
            scene: Where it is to be drawn.
            rng: What the choices are drawn from.
            wearing: What the prompt says of clothes, before the place. "": the prompt says some
                of the scene's attributes, chosen at random.
        """
        shown = (
            f"{wearing} {language.WHERE[scene.place]}".strip()
            if wearing
            else language.show_briefly(scene, rng)
        )
        form = self.choose(templates.GENERATE, rng)
        return self.say(templates.with_scene(form, shown), name=subject)

    # ---- families of sequences -------------------------------------------------------------------

    def look(self, rng: np.random.Generator) -> list[Turn]:
        """A picture, then questions about it, a caption, and names to recognise."""
        family, who, shot = self.pick(rng)
        pet, scene = family.pets[who], family.shots[who][shot].scene
        picture = self.vocab.picture(family.shots[who][shot].ids)
        turns: list[Turn] = []
        if rng.random() < 0.6:
            turns += self.caption(pet, scene, rng)
        # 24 ids hold a question with its answer, or somebody named with a yes or no; what is longer
        # is cut off in `example`.
        while self.room(turns, len(picture)) > 24:
            kind = rng.random()
            how = "words" if rng.random() < 0.6 else "codes"
            if kind < 0.2:
                turns += self.question(pet, scene, self.it(rng), rng)
            elif kind < 0.3:
                turns += self.named_caption(family, who, shot, rng, how)
            else:
                turns += self.recognise(family, who, shot, rng, how)
        return self.after(picture, turns)

    def check(self, rng: np.random.Generator) -> list[Turn]:
        """A picture, then one yes/no after another, each about one attribute: what telling
        look-alikes apart begins with.
        """
        family, who, shot = self.pick(rng)
        pet, picture = family.pets[who], self.vocab.picture(family.shots[who][shot].ids)
        turns: list[Turn] = []
        while self.room(turns, len(picture)) > 18:
            name, yes = self.name(rng), rng.random() < 0.5
            said = self.vocab.encode(self.statement(pet, yes, rng))
            turns += self.after(
                self.say(templates.INTRODUCTION, name=name, tokens=said), self.is_it(name, yes, rng)
            )
        return self.after(picture, turns)

    def draw(self, rng: np.random.Generator) -> list[Turn]:
        """A prompt and its picture, then questions about it; now and then a second drawing
        instead.
        """
        family, who, shot = self.pick(rng)
        turns = self.drawing(family, who, shot, rng)
        while self.room(turns) > 24:
            # A prompt, 64 codes and their two ends.
            if self.room(turns) > 110:
                turns += self.drawing(*self.pick(rng), rng)
            elif rng.random() < 0.5:
                turns += self.question(
                    family.pets[who], family.shots[who][shot].scene, self.it(rng), rng
                )
            else:
                turns += self.recognise(
                    family, who, shot, rng, "words" if rng.random() < 0.5 else "codes"
                )
            if len(turns) > 2 and rng.random() < 0.2:
                break
        return turns

    def free(self, rng: np.random.Generator) -> list[Turn]:
        """Pictures without a prompt, for guidance: bos, then the picture alone."""
        family, who, shot = self.pick(rng)
        return [Turn(self.vocab.picture(family.shots[who][shot].ids), learned=True)]

    def talk(self, rng: np.random.Generator) -> list[Turn]:
        """No picture to look at: pets introduced by words or codes, facts, and questions about
        both.
        """
        turns: list[Turn] = []
        # 60: an introduction by up to 20 codes, facts, and a question about each.
        while self.room(turns) > 60:
            family, who, _ = self.pick(rng)
            pet, name, facts = family.pets[who], self.name(rng), language.sample_facts(rng)
            how = "words" if rng.random() < 0.35 else "codes"
            intro = self.introduce(name, pet, family.shots[who], rng, how=how)
            told = [key for key in language.FACT_SENTENCES if rng.random() < 0.5]
            # Shuffled, so that no order of facts is learned.
            for key in rng.permutation(told):
                intro += self.say(language.fact_sentence(key, facts), name=name)
            asked = [(key, True) for key in told] + [
                (key, False) for key in language.PET_QUESTIONS if rng.random() < 0.5
            ]
            # The introduction stands in the first question's own turn; later ones look back to it.
            first = True
            # Indices: numpy would turn the pairs themselves into an array of strings.
            for i in rng.permutation(len(asked)):
                key, is_fact = asked[int(i)]
                if is_fact:
                    question = self.say(language.FACT_QUESTIONS[key], name=name)
                    pair = [
                        Turn(question),
                        Turn(self.say(language.fact_answer(key, facts)), learned=True),
                    ]
                else:
                    pair = self.question(pet, None, name, rng, key)
                turns += [Turn(intro + list(pair[0].ids)), pair[1]] if first else pair
                first = False
        return turns

    def compare(self, rng: np.random.Generator) -> list[Turn]:
        """A whole picture introduces a name; other pictures show it, or a near-duplicate, or a look-alike."""
        family, who, shot = self.pick(rng)
        name = self.name(rng)
        intro = self.introduce(
            name, family.pets[who], [family.shots[who][shot]], rng, how="picture"
        )
        yes = rng.random() < 0.5
        shown = who if yes else self.choose([i for i in range(3) if i != who], rng)
        # Another picture than the introduction's: equal codes alone would give the answer.
        seen = family.shots[shown][(shot + 1) % SHOTS]
        turns = self.after(intro + self.vocab.picture(seen.ids), self.is_it(name, yes, rng))
        while self.room(turns) > 12:
            turns += self.question(
                family.pets[shown],
                seen.scene,
                name if yes and rng.random() < 0.5 else self.it(rng),
                rng,
            )
        return turns

    def pick(self, rng: np.random.Generator) -> tuple[Family, int, int]:
        return (
            self.families[int(rng.integers(len(self.families)))],
            int(rng.integers(3)),
            int(rng.integers(SHOTS)),
        )

    def after(
        self, ids: list[int], turns: list[Turn], learned_part: range = range(0)
    ) -> list[Turn]:
        """The turns with ids before the first one, of which only `learned_part` is learned."""
        return [Turn(ids + list(turns[0].ids), learned_part=learned_part), *turns[1:]]

    def room(self, turns: Sequence[Turn], reserved: int = 0) -> int:
        """How many more ids fit, beside `reserved` ones that are added later."""
        # 1 for bos, and 1 for the end_turn after each turn.
        return self.length - 1 - reserved - sum(len(t.ids) + 1 for t in turns)

    def example(self, rng: np.random.Generator) -> Example:
        kind = rng.choice(
            list(self.mixture), p=np.array(list(self.mixture.values())) / sum(self.mixture.values())
        )
        # a kind of MIXTURE is the name of the method that makes it
        example = join_turns(getattr(self, kind)(rng), self.vocab)
        # the last turn may not fit whole
        return Example(example.ids[: self.length], example.labels[: self.length])
