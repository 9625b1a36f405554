"""The toy benchmark on disk, in UnifyBench's own layout (`data/readers/unifybench.py`), so that one
reader serves both.

    concepts_list.json  random_images/  concept/train/<c>/  concept/test/<c>/

What only this world knows stands beside it: `world` in a concept's info.json, and
concept/test/<c>/truth.json, the scenes of the test pictures, what each prompt asks to see, and the
facts. Two concepts in one picture are in `together/` (`toy/together.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from unictoken.core.config import MANY, MOST_CONCEPTS, within
from unictoken.core.disk import folder_aside, is_there, make_folder, quoted
from unictoken.core.reading import read_json
from unictoken.core.shapes import Fields, MapOf, Maybe, OneOf, Text, Whole, check
from unictoken.core.text import unmark
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.records import EXPLICIT, KNOWLEDGE, PLAIN
from unictoken.data.source import SourceError
from unictoken.toy.concepts import (
    REFERENCES,
    HeldOut,
    ToyKind,
    held_out_of,
    toy_concept,
    truth_of,
    write_toy_folder,
)
from unictoken.toy.together import write_together
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import NONE, SCENE_ATTRIBUTES
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.subjects import KINDS, Subject, Thing, kind_of, sample_subject
from unictoken.toy.world.things import Scene, sample_scene

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
# What a multiple choice question may be about, by kind.
CHOSEN = {
    "animal": ("fur", "eyes", "collar"),
    "object": ("colour", "mark", "trim"),
    "person": ("shirt", "hair", "trousers"),
}
# `conversation_type` and `generation_type` of UnifyBench's info.json.
TYPES = {
    "animal": ("animal", "live_subject"),
    "object": ("object", "object"),
    "person": ("human", "live_subject"),
}
SCENES_OF_THINGS = ("place", "time", "position")  # what a scene can be asked of a thing


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of one concept's test, beside its `Subject`."""

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
    folder: Path,
    *,
    seed: int,
    num_concepts: int,
    references: int | None = None,
    kinds: Sequence[ToyKind] = (),
    pairs: int = 0,
) -> None:
    """Write the benchmark of a seed into a folder that is not there yet, whole or not at all.

    Args:
        folder: Where it goes.
        seed: Decides every concept and picture.
        num_concepts: How many concepts, one or more.
        references: Pictures of each concept to learn from; None: REFERENCES.
        kinds: Of the concepts, in turn; one that stands twice is had twice as often. None given:
            pets alone.
        pairs: For how many pairs of neighbours pictures of both are drawn (`toy/together.py`).
    """
    within("--num-concepts", num_concepts, 1, MOST_CONCEPTS)
    within("--pairs", pairs, 0, num_concepts if num_concepts > 2 else num_concepts - 1)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise SourceError(
            f"--kinds: found {quoted(unknown[0])}, expected some of {', '.join(KINDS)}."
        )
    if is_there(folder):
        raise SourceError(f"{folder}: is there already. Choose another folder, or remove it.")
    with folder_aside(folder) as aside:
        concepts = [
            toy_concept(seed, i, kind=kind, references=references or REFERENCES)
            for i, kind in zip(range(num_concepts), cycle(kinds or KINDS[:1]), strict=False)
        ]
        _write(aside, concepts, seed)
        write_together(concepts, aside, seed=seed, pairs=pairs)


def _write(root: Path, concepts: Sequence[Concept], seed: int) -> None:
    # a stream of its own: the concepts' are [seed, index, 1] and [seed, index, 2]
    rng = np.random.default_rng([seed, 3])
    kinds = [kind_of(truth_of(concept).subject) for concept in concepts]
    distractors = [
        draw(sample_subject(rng, kind=kind, unseen=False), sample_scene(rng))
        for _, kind in zip(range(RANDOM_IMAGES), cycle(kinds), strict=False)
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
    subject = truth_of(concept).subject
    conversation, generation = TYPES[kind_of(subject)]
    info |= {
        "info": f"{concept.marker} is {descriptions.describe(subject)}.",
        "conversation_type": conversation,
        "generation_type": generation,
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
    marker, subject, facts = concept.marker, truth_of(concept).subject, truth_of(concept).facts
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
            for row in _questions(image, marker, subject, scene)
        ],
    )
    _json(folder / "choice.json", [_choice(image, marker, subject, rng) for image in images])
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


def _questions(image: str, marker: str, subject: Subject, scene: Scene) -> list[dict]:
    own = {
        form.replace("{it}", marker): descriptions.answer(subject, key)
        for key, (form, *_) in descriptions.questions(subject).items()
    }
    shown = {
        form.replace("{it}", marker): language.answer(key, subject, scene)
        for key, (form, *_) in language.SCENE_QUESTIONS.items()
        if not isinstance(subject, Thing) or key in SCENES_OF_THINGS
    }
    return [_row(image, "vqa", question, said) for question, said in (own | shown).items()]


def _choice(image: str, marker: str, subject: Subject, rng: np.random.Generator) -> dict:
    """A question about one attribute with four answers, the right one anywhere."""
    kind = kind_of(subject)
    attribute = CHOSEN[kind][int(rng.integers(3))]
    right = descriptions.answer(subject, attribute)
    # sorted: a set of strings has another order in every process
    wrong = sorted(
        {
            descriptions.answer(other, attribute)
            for other in (sample_subject(rng, kind=kind, unseen=False) for _ in range(40))
        }
        - {right}
    )
    options = rng.permutation([right, *rng.permutation(wrong)[: OPTIONS - 1]]).tolist()
    question = descriptions.questions(subject)[attribute][0].replace("{it}", marker)
    listed = " ".join(f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=False))
    return _row(image, "choice", f"{question} {listed}", "ABCD"[options.index(right)])


def _text_only(concept: Concept) -> list[dict]:
    """What the pictures show, and what only the facts say, asked without a picture."""
    subject = truth_of(concept).subject
    seen = {
        form.replace("{it}", concept.marker): descriptions.answer(subject, key)
        for key, (form, *_) in descriptions.questions(subject).items()
    }
    asked = seen | dict(concept.questions)
    return [_row("", "text_only", question, answer) for question, answer in asked.items()]


def _prompts(shown: HeldOut, marker: str, *, knows: bool) -> dict[str, dict[str, dict]]:
    """Prompts by kind, each with what its drawing is to show beside the concept; knowledge-driven
    ones where its hat is known.
    """
    explicit, knowledge = {}, {}
    for wish in shown.wishes:
        where = language.WHERE[wish["place"]]
        explicit[f"A photo of {marker} {_how(wish)} {where}."] = wish
        knowledge[f"A photo of {marker} wearing its hat {where}."] = {"place": wish["place"]}
    return {
        PLAIN: {f"A photo of {marker}.": {}},
        EXPLICIT: explicit,
        **({KNOWLEDGE: knowledge} if knows else {}),
    }


def _how(wish: Mapping[str, str]) -> str:
    """What stands between the name and the place in a prompt: what is worn, or the side."""
    if "position" in wish:
        return language.SIDE_OF[wish["position"]]
    kind, colour = wish["accessory"], wish["accessory_colour"]
    return f"wearing {language.a(f'{colour} {kind}')}"
