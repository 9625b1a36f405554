"""Training the concept encoder (`personalize/encode.py`) of a base of the toy world.

Two parts of one training. First the rows imitate the words of a subject's true description, which
takes no pass through the base's layers. Then they are what the tasks of learning are done with: the
loss of `joint`, through the frozen base, over the pictures that did not introduce the subject.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import DynamicCache

from unictoken.core.config import one_or_more, within
from unictoken.core.errors import Stopped
from unictoken.data.sequence import Batch, join_turns, pad
from unictoken.learn.examples import tasks_of_batch
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage
from unictoken.learn.objective import cross_entropy
from unictoken.model.internals import KeysAndValues, keys_and_values
from unictoken.model.protocol import Base
from unictoken.personalize.encode import (
    ConceptEncoder,
    EncoderShape,
    Seen,
    asked_of,
    encoder_for,
    rows_of_noun,
)
from unictoken.tasks import taught
from unictoken.tasks.teaching import Phrasing, Teaching
from unictoken.tokens.bank import give_ids
from unictoken.tokens.tokens import slots
from unictoken.toy.pretrain.encoder_data import SHOTS, Crowd, kept, make_crowd
from unictoken.toy.pretrain.optimise import Log, MuonAdamW, load_progress, save_progress


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """How an encoder is made."""

    shape: EncoderShape = field(default_factory=EncoderShape)
    families: int = 500
    """Of a subject, a near-duplicate and a hard negative, each of which is a concept."""
    imitate_steps: int = 1500
    """Steps in which rows imitate words; they come first."""
    imitate_concepts: int = 32
    """Concepts of such a step."""
    steps: int = 1500
    """Steps through the base, after those."""
    concepts: int = 7
    """Concepts of such a step."""
    examples: int = 3
    """Of each of them."""
    tasks: Mapping[str, float] = field(default_factory=lambda: dict(Stage().tasks))
    """Weight of each task, as in a method's stage."""
    negatives: Mapping[str, float] = field(
        default_factory=lambda: {"easy": 0.25, "hard": 0.4, "near_duplicate": 0.35}
    )
    muon_lr: float = 0.01
    adamw_lr: float = 1e-3
    save_every: int = 100

    def __post_init__(self) -> None:
        one_or_more(self, "families", "imitate_concepts", "concepts", "examples", "save_every")
        within("families", self.families, 4)
        within("imitate_steps", self.imitate_steps, 0)
        within("steps", self.steps, 0)

    @property
    def total_steps(self) -> int:
        """Of both parts."""
        return self.imitate_steps + self.steps


class EncodedLearner(Learner):
    """A learner whose rows, those of several concepts, an encoder has made."""

    def __init__(self, base: Base, rows: int, concepts: int):
        ids = give_ids(base, rows * concepts)
        nothing = torch.zeros(len(ids), base.width)
        super().__init__(base, ids, nothing, nothing, loss=cross_entropy, concepts=concepts)
        self.requires_grad_(False)
        self.picture_cache = _PicturesAtOnce(base)
        self.made: torch.Tensor

    def current(self) -> torch.Tensor:
        return self.made


class _PicturesAtOnce:
    """In the place of a `PictureCache`: among thousands of concepts hardly a picture comes again."""

    def __init__(self, base: Base):
        self.base = base

    @torch.no_grad()
    def read(self, ids_BT: torch.Tensor) -> DynamicCache:
        cache = DynamicCache()
        self.base.hidden(self.base.embed(ids_BT), cache)
        return cache

    def keys_and_values(self, ids_BT: torch.Tensor) -> KeysAndValues:
        return keys_and_values(self.read(ids_BT))


@dataclass(frozen=True)
class Lessons:
    """A crowd as an encoder reads it, and what is done with its rows.

    Attributes: `asked_NQD`, the states of the base about each picture, in half precision; `key`,
    which tells a training from one of another base, seed or shape.
    """

    base: Base
    settings: EncoderSettings
    crowd: Crowd
    asked_NQD: torch.Tensor
    key: str

    @cached_property
    def _nouns(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        nouns = {self.crowd.noun(i) for i in range(len(self.crowd))}
        return {noun: rows_of_noun(self.base, noun) for noun in nouns}

    def introduced(self, count: int, rng: np.random.Generator) -> list[tuple[int, list[int]]]:
        """Concepts, each with the numbers of its pictures in random order and how many of them
        introduce it: at least one, and at least one is left.
        """
        which = rng.integers(len(self.crowd), size=count).tolist()
        return [
            (concept, rng.permutation(self.crowd.pictures(concept))[: self._shown(rng)].tolist())
            for concept in which
        ]

    def _shown(self, rng: np.random.Generator) -> int:
        return int(rng.integers(1, SHOTS))

    def seen(self, introduced: list[tuple[int, list[int]]]) -> Seen:
        """What the encoder reads of the pictures that introduce each concept."""
        most = max(len(pictures) for _, pictures in introduced)
        given_CN = torch.tensor([[n < len(p) for n in range(most)] for _, p in introduced])
        # In the place of a picture that is not there stands the first one; nothing asks it.
        numbers_CN = torch.tensor([p + p[:1] * (most - len(p)) for _, p in introduced])
        nouns = [self._nouns[self.crowd.noun(concept)] for concept, _ in introduced]
        ids_CNK = self.crowd.ids_NK[numbers_CN]
        with torch.no_grad():
            codes_CNKD = self.base.embed(ids_CNK.to(self.base.device)).float().cpu()
        return Seen(
            codes_CNKD,
            self.asked_NQD[numbers_CN].float(),
            given_CN,
            torch.stack([noun for noun, _ in nouns]),
            torch.stack([head for _, head in nouns]),
        )

    def imitated(self, introduced: list[tuple[int, list[int]]]) -> torch.Tensor:
        """Input rows [C, P, D]: the class noun for the name, and for the soft tokens the words of
        the description, the last one again and again.
        """
        rows = []
        for concept, _ in introduced:
            words = self.base.vocab.inside(self.crowd.description(concept))
            soft_rows = self.settings.shape.rows - 1
            # Of the fillers that were tried the one that the base minds least (dev/LOG.md).
            said = (words + words[-1:] * soft_rows)[:soft_rows]
            soft = self.base.embed(torch.tensor(said, device=self.base.device)).float().cpu()
            noun_D, _ = self._nouns[self.crowd.noun(concept)]
            rows.append(torch.cat([noun_D[None], soft]))
        return torch.stack(rows)

    def batch(
        self, introduced: list[tuple[int, list[int]]], ids: list[int], rng: np.random.Generator
    ) -> Batch:
        """Examples of every concept, about the pictures that did not introduce it.

        Args:
            introduced: The concepts.
            ids: Those of the rows of all of them.
            rng: What is drawn by lot.
        """
        settings = self.settings
        counts, rows = settings.shape.counts, settings.shape.rows
        tasks = tasks_of_batch(settings.tasks, settings.examples * len(introduced), rng)
        made = []
        for c, (concept, pictures) in enumerate(introduced):
            rest = sorted(set(self.crowd.pictures(concept)) - set(pictures))
            own = slots(ids[c * rows : (c + 1) * rows], counts)
            teaching = Teaching(
                material=self.crowd.material(concept, rest),
                phrasing=Phrasing(self.base.vocab, settings.shape.prompts, own),
                negatives=settings.negatives,
            )
            for task in tasks[c :: len(introduced)]:
                made.append(join_turns(taught()[task].teach(teaching, rng), self.base.vocab))
        return pad(made, self.base.vocab)


def make_lessons(base: Base, settings: EncoderSettings, *, seed: int, cache: Path) -> Lessons:
    """What an encoder is trained on.

    Args:
        base: It stays as it is.
        settings: Of the training.
        seed: Of the subjects and their pictures.
        cache: A folder that keeps image ids and states: making them takes minutes.
    """
    said = repr((base.fingerprint, str(base.dtype), seed, settings.families, SHOTS))
    own = _digest(f"{said} {settings.shape.questions}")
    crowd = make_crowd(base, settings.families, seed=seed, file=cache / f"crowd-{own}.npy")

    def asked() -> np.ndarray:
        parts = crowd.ids_NK.split(48)
        return torch.cat([asked_of(base, part, settings.shape.questions) for part in parts]).numpy()

    asked_NQD = torch.from_numpy(kept(cache / f"asked-{own}.npy", asked, np.float16))
    return Lessons(base, settings, crowd, asked_NQD, _digest(f"{said} {settings.shape}"))


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def imitation_loss(made_CPD: torch.Tensor, words_CPD: torch.Tensor) -> torch.Tensor:
    """The mean squared distance of rows and words, divided by the words' mean square."""
    return F.mse_loss(made_CPD, words_CPD) / words_CPD.square().mean()


def build(base: Base, settings: EncoderSettings, *, seed: int) -> ConceptEncoder:
    """An encoder that has learned nothing."""
    torch.manual_seed(seed)
    return encoder_for(base, settings.shape)


def train(
    encoder: ConceptEncoder,
    lessons: Lessons,
    *,
    seed: int,
    progress: Path,
    log: Log,
    watch: Callable[[ConceptEncoder], Mapping[str, float]] = lambda encoder: {},
    stop_asked: Callable[[], bool] = lambda: False,
) -> None:
    """Train an encoder, or resume its training. Raises `Stopped` after saving when `stop_asked()`
    says so.

    Args:
        encoder: It is changed in place.
        lessons: What it is trained on.
        seed: Decides every batch, together with the step's number.
        progress: The file that a stopped training is resumed from; written at every save.
        log: Called with the mean loss and seconds of a step since the last save.
        watch: More numbers to log at every save.
        stop_asked: Asked after every step; True: save and stop.
    """
    settings = lessons.settings
    optimiser = MuonAdamW(
        encoder.named_parameters(),
        muon_lr=settings.muon_lr,
        adamw_lr=settings.adamw_lr,
        steps=settings.total_steps,
        # Tables that are looked up are no matrices.
        by_adamw=("places", "row_states", "own_"),
    )
    first, saved = load_progress(progress)
    if saved:
        encoder.load_state_dict(saved["encoder"])
        optimiser.load_state(saved["optimiser"])
    learner = EncodedLearner(lessons.base, settings.shape.rows, settings.concepts)
    started, losses = time.time(), []
    for step in range(first, settings.total_steps):
        loss = _loss(encoder, lessons, learner, step, seed)
        loss.backward()
        optimiser.step(step)
        losses.append(loss.item())
        stopping = stop_asked()
        due = (step + 1) % settings.save_every == 0
        if stopping or due or step + 1 in (settings.imitate_steps, settings.total_steps):
            log(
                step + 1,
                loss=float(np.mean(losses)),
                seconds_per_step=(time.time() - started) / len(losses),
                **({} if stopping else watch(encoder)),
            )
            save_progress(
                progress, step + 1, encoder=encoder.state_dict(), optimiser=optimiser.state()
            )
            if stopping:
                raise Stopped(step + 1, settings.total_steps)
            started, losses = time.time(), []


def _loss(
    encoder: ConceptEncoder, lessons: Lessons, learner: EncodedLearner, step: int, seed: int
) -> torch.Tensor:
    """The loss of a step, a pure function of (seed, step) and the encoder.

    Args:
        encoder: What is trained.
        lessons: What it is trained on.
        learner: Does the tasks with its rows.
        step: Counted from 0.
        seed: Of the training.
    """
    rng, settings = np.random.default_rng([seed, step]), lessons.settings
    if step < settings.imitate_steps:
        introduced = lessons.introduced(settings.imitate_concepts, rng)
        return imitation_loss(encoder(lessons.seen(introduced))[0], lessons.imitated(introduced))
    introduced = lessons.introduced(settings.concepts, rng)
    learner.made = encoder(lessons.seen(introduced)).flatten(1, 2).to(learner.rows.device)
    batch = lessons.batch(introduced, learner.id_of_row.tolist(), rng)
    loss: torch.Tensor = learner(batch.ids_BT, batch.labels_BT, batch.weights_B)
    return loss
