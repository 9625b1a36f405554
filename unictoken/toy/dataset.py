"""The toy benchmark on disk, in UnifyBench's own layout (`data/readers/unifybench.py`), so that one
reader serves both.

    concepts_list.json  random_images/  concept/train/<c>/  concept/test/<c>/

What only this world knows stands beside it: `world` in a concept's info.json, and
concept/test/<c>/truth.json, the scenes of the test pictures, what each prompt asks to see, and the
facts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from unictoken.core.config import MANY, MOST_CONCEPTS, within
from unictoken.core.disk import folder_aside, is_there, make_folder
from unictoken.core.reading import read_json
from unictoken.core.shapes import Fields, MapOf, Maybe, OneOf, Text, Whole, check
from unictoken.core.text import unmark
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.records import EXPLICIT, KNOWLEDGE, PLAIN
from unictoken.data.source import SourceError
from unictoken.toy.concepts import (
    PROMPTED,
    REFERENCES,
    HeldOut,
    held_out_of,
    toy_concept,
    truth_of,
    write_toy_folder,
)
from unictoken.toy.world import language
from unictoken.toy.world.attributes import NONE, SCENE_ATTRIBUTES
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import Pet, Scene, sample_pet_where, sample_scene

_WORD = Text(100)
SCENE = Fields(
    {name: OneOf(tuple(values)) for name, values in SCENE_ATTRIBUTES.items()}
    | {"detail": Whole(0, MANY)}
)
TRUTH = Fields(
    {
        "scenes": MapOf(SCENE),
        "prompts": MapOf(MapOf(_WORD)),
        "facts": Maybe(Fields({f.name: _WORD for f in fields(language.Facts)})),
    },
    said="the truth of a concept's test",
)
RANDOM_IMAGES = 100
OPTIONS = 4  # of a multiple choice question


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of one concept's test, beside its `Pet`."""

    scenes: Mapping[str, Scene]
    """By the file name of the test picture."""
    prompts: Mapping[str, Mapping[str, str]]
    """What each prompt asks to see beside the concept, as attributes of a scene."""
    facts: language.Facts | None

    def said_in(self, picture: str) -> dict[str, str]:
        """What a caption of a test picture can say of its scene, by attribute."""
        scene = self.scenes[picture]
        worn = (
            {}
            if scene.accessory == NONE
            else {"accessory": f"{scene.accessory_colour} {scene.accessory}"}
        )
        return {**worn, "place": language.WHERE[scene.place]}

    @property
    def hat(self) -> dict[str, str]:
        """Its hat, which only the facts tell, as attributes of a scene."""
        return {"accessory": self.facts.hat, "accessory_colour": self.facts.hat_colour}


def read_truth(root: Path, name: str) -> Truth | None:
    """The truth of a concept of the toy benchmark; None for other people's datasets."""
    path = root / "concept" / "test" / name / "truth.json"
    if not is_there(path):
        return None
    value = check(read_json(path, SourceError), TRUTH, path, SourceError)
    scenes = {picture: Scene(**scene) for picture, scene in value["scenes"].items()}
    return Truth(
        scenes=scenes,
        prompts=value["prompts"],
        facts=language.Facts(**value["facts"]) if value["facts"] else None,
    )


def write_dataset(
    folder: Path, *, seed: int, num_concepts: int, references: int | None = None
) -> None:
    """Write the benchmark of a seed into a folder that is not there yet, whole or not at all.

    Args:
        folder: Where it goes.
        seed: Decides every pet and picture.
        num_concepts: How many pets, one or more.
        references: Pictures of each pet to learn from; None: REFERENCES.
    """
    within("--num-concepts", num_concepts, 1, MOST_CONCEPTS)
    if folder.exists():
        raise SourceError(f"{folder}: is there already. Choose another folder, or remove it.")
    with folder_aside(folder) as aside:
        _write(aside, seed, num_concepts, references or REFERENCES)


def _write(root: Path, seed: int, num_concepts: int, references: int) -> None:
    concepts = [toy_concept(seed, i, references=references) for i in range(num_concepts)]
    # a stream of its own: the concepts' are [seed, index, 1] and [seed, index, 2]
    rng = np.random.default_rng([seed, 3])
    distractors = [
        draw(sample_pet_where(rng, unseen=False), sample_scene(rng)) for _ in range(RANDOM_IMAGES)
    ]
    _save(distractors, root / "random_images")
    _json(root / "concepts_list.json", [concept.name for concept in concepts])
    for i, concept in enumerate(concepts):
        write_concept(concept, root, rng, seed=(seed, i))
        _random_rows(concept, root / "concept" / "train" / concept.name)


def write_concept(
    concept: Concept, root: Path, rng: np.random.Generator, *, seed: Sequence[int]
) -> None:
    """The two folders of one concept.

    Args:
        concept: One of this world.
        root: Of the dataset.
        rng: Decides what multiple choice offers.
        seed: Of what it is tested on.
    """
    train, test = (root / "concept" / part / concept.name for part in ("train", "test"))
    write_toy_folder(concept, train)
    _training_rows(concept, train)
    _test_folder(concept, test, rng, held_out_of(concept, seed))


def _save(pictures: list[Image.Image], folder: Path, prefix: str = "") -> list[str]:
    make_folder(folder)
    names = [f"{prefix}{i}.png" for i in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        picture.save(folder / name)
    return names


def _json(path: Path, value: object) -> None:
    make_folder(path.parent)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _row(image: str, kind: str, question: str, answer: str) -> dict:
    """A row as UnifyBench writes them."""
    shown = "<image>\n" if image else ""
    turns = [{"from": "human", "value": shown + question}, {"from": "gpt", "value": answer}]
    return {**({"image": image} if image else {}), "type": kind, "conversations": turns}


def _training_rows(concept: Concept, folder: Path) -> None:
    """What UnifyBench's folders hold beside ours: a description and recognition rows. Not its
    conversations about the pictures: an owner writes none, so that a method has the base's own
    answers."""
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    info |= {
        "info": f"{concept.marker} is {language.describe(truth_of(concept).pet)}.",
        "conversation_type": "animal",
        "generation_type": "live_subject",
    }
    _json(folder / "info.json", info)
    own = sorted(p.name for p in folder.glob("*.png"))
    recognise = [unmark(question, concept.name) for question in templates.RECOGNISE]
    _json(
        folder / "positive_recognitions.json",
        [_row(image, "rec", q, templates.YES) for image in own for q in recognise],
    )


def _random_rows(concept: Concept, folder: Path) -> None:
    """Recognition rows about distractors."""
    asked = [unmark(question, concept.name) for question in templates.RECOGNISE]
    rows = [
        _row(f"random_images/{i}.png", "rec", asked[i % len(asked)], templates.NO)
        for i in range(RANDOM_IMAGES)
    ]
    _json(folder / "random_recognitions.json", rows)


def _test_folder(concept: Concept, folder: Path, rng: np.random.Generator, shown: HeldOut) -> None:
    """What a concept is tested on.

    Args:
        concept: One of this world.
        folder: Its test folder.
        rng: Decides what multiple choice offers.
        shown: Pictures of it and of others, and what drawings are asked for.
    """
    marker, pet, facts = concept.marker, truth_of(concept).pet, truth_of(concept).facts
    images = _save(shown.positives, folder)
    others = {
        grade: _save(pictures, folder / "negative_example", f"{grade}_")
        for grade, pictures in shown.negatives.items()
    }
    recognise = unmark(templates.RECOGNISE[0], concept.name)
    rows = [_row(image, "rec", recognise, templates.YES) for image in images]
    rows += [
        _row(f"negative_example/{name}", "rec", recognise, templates.NO)
        for names in others.values()
        for name in names
    ]
    _json(folder / "rec.json", rows)
    _json(
        folder / "vqa.json",
        [
            row
            for image, scene in zip(images, shown.scenes, strict=True)
            for row in _questions(image, marker, pet, scene)
        ],
    )
    _json(folder / "choice.json", [_choice(image, marker, pet, rng) for image in images])
    _json(folder / "text_only.json", _text_only(concept))
    prompts = _prompts(shown, marker, knows=facts is not None)
    _json(folder / "t2i_conditions.json", {kind: list(wished) for kind, wished in prompts.items()})
    _json(
        folder / "truth.json",
        {
            "scenes": dict(zip(images, map(asdict, shown.scenes), strict=True)),
            "prompts": {
                prompt: wish for wished in prompts.values() for prompt, wish in wished.items()
            },
            "facts": facts and asdict(facts),
        },
    )


def _questions(image: str, marker: str, pet: Pet, scene: Scene) -> list[dict]:
    forms = {**language.PET_QUESTIONS, **language.SCENE_QUESTIONS}
    return [
        _row(image, "vqa", form.replace("{it}", marker), language.answer(key, pet, scene))
        for key, (form, *_) in forms.items()
    ]


def _choice(image: str, marker: str, pet: Pet, rng: np.random.Generator) -> dict:
    """A question about fur, eyes or collar with four answers, the right one anywhere."""
    attribute = ("fur", "eyes", "collar")[int(rng.integers(3))]
    right = language.answer(attribute, pet)
    # sorted: a set of strings has another order in every process
    wrong = sorted(
        {
            language.answer(attribute, other)
            for other in (sample_pet_where(rng, unseen=False) for _ in range(40))
        }
        - {right}
    )
    options = rng.permutation([right, *rng.permutation(wrong)[: OPTIONS - 1]]).tolist()
    question = language.PET_QUESTIONS[attribute][0].replace("{it}", marker)
    listed = " ".join(f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=False))
    return _row(image, "choice", f"{question} {listed}", "ABCD"[options.index(right)])


def _text_only(concept: Concept) -> list[dict]:
    """What the pictures show, and what only the facts say, asked without a picture."""
    seen = {
        form.replace("{it}", concept.marker): language.answer(key, truth_of(concept).pet)
        for key, (form, *_) in language.PET_QUESTIONS.items()
    }
    asked = seen | dict(concept.questions)
    return [_row("", "text_only", question, answer) for question, answer in asked.items()]


def _prompts(shown: HeldOut, marker: str, *, knows: bool) -> dict[str, dict[str, dict]]:
    """Prompts by kind, each with what its drawing is to show beside the concept; knowledge-driven
    ones where its hat is known.
    """
    explicit, knowledge = {}, {}
    for hat, colour, place in shown.wishes:
        wish = dict(zip(PROMPTED, (hat, colour, place), strict=True))
        explicit[
            f"A photo of {marker} wearing {language.a(f'{colour} {hat}')} {language.WHERE[place]}."
        ] = wish
        knowledge[f"A photo of {marker} wearing its hat {language.WHERE[place]}."] = {
            "place": place
        }
    return {
        PLAIN: {f"A photo of {marker}.": {}},
        EXPLICIT: explicit,
        **({KNOWLEDGE: knowledge} if knows else {}),
    }
