"""Settings of methods: what a config's `method:` says. Presets lie in `configs/methods/`.

`kind` says which function a method is (`learn.run.METHODS`), and which settings it takes beside
those that all methods have.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from unictoken.core import config, shipped
from unictoken.core.config import MOST_PICTURES, ConfigError, Place, within
from unictoken.core.disk import check_component, is_file, is_folder, sha256_of
from unictoken.core.reading import check_file
from unictoken.core.registry import Registry
from unictoken.core.text import ROLES
from unictoken.data.concept import Concept
from unictoken.data.kinds import USER
from unictoken.data.source import GRADES, SourceError
from unictoken.tasks import taught
from unictoken.tasks.task import Taught
from unictoken.tasks.teaching import SoftPositives, Targets
from unictoken.tokens.file import MOST_ROWS
from unictoken.tokens.tokens import Prompts, Start

if TYPE_CHECKING:
    from unictoken.learn.examples import Examples
    from unictoken.learn.objective import Objective, ObjectiveOf

OPTIMIZE, CROSS_ENTROPY = "optimize", "cross_entropy"  # the usual kind, and its usual objective
REWARD, GRPO = "reward", "grpo"  # the kind whose rows are rewarded, and its objective
LORA = "lora"  # the kind that fine-tunes the base
AGAINST_NOUN = "against_noun"  # the objective of PALAVRA's refinement
ENCODED = "encoded"  # the kind whose rows an encoder makes in one pass
GATED = "gated"  # the kind whose rows stand behind a gate
MOST_STEPS = 10_000_000  # of a stage
MOST_EXAMPLES = 4096  # of a batch, which is in memory at once
MOST_OTHERS = 10_000  # pictures of others that are drawn


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Rows by role; the name always has one."""

    shared: int = 32
    generation: int = 0
    understanding: int = 0

    def __post_init__(self) -> None:
        for role in ROLES[1:]:
            within(f"tokens: {role}", getattr(self, role), 0, MOST_ROWS)

    @property
    def counts(self) -> dict[str, int]:
        return {
            "name": 1,
            "shared": self.shared,
            "generation": self.generation,
            "understanding": self.understanding,
        }


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps with one mixture of tasks."""

    name: str = "joint"
    steps: int = 300
    """0 leaves the stage out."""
    batch: int = 16
    """Examples in one optimiser step, over all processes together."""
    lr: float = 5e-3
    """AdamW's, at the stage's beginning."""
    final_lr_ratio: float = 0.1
    """Learning rate at the last step divided by `lr`; linear decay. 1.0 keeps it constant."""
    eps: float = 1e-8
    """AdamW's."""
    weight_decay: float = 0.0
    trainable: tuple[str, ...] = ROLES
    """Roles whose rows are trained; the others stay as they are."""
    tasks: Mapping[str, float] = field(
        default_factory=lambda: {
            "recognise": 0.31,
            "vqa": 0.05,
            "text_qa": 0.1,
            "caption": 0.03,
            "caption_others": 0.09,
            "generate": 0.42,
        }
    )
    """Weight of each task: its fraction of every batch, where they sum to 1."""
    reinit: Mapping[str, Literal["drawn"]] = field(default_factory=dict)
    """Roles whose rows are initialised again when this stage begins. drawn: k-means over the image
    embeddings that depend most on the concept, in pictures that its own tokens draw.
    """
    targets: Targets = "pictures"
    """What drawings are learned from: the reference pictures, or the same cut to the concept (the
    folder's `cropped/`).
    """
    generation_weight: float = 1.0
    """Of a drawing's loss; understanding counts `understanding_weight`."""
    understanding_weight: float = 1.0

    def __post_init__(self) -> None:
        known = ", ".join(taught())
        for task, weight in self.tasks.items():
            if task not in taught():
                raise ConfigError(
                    f"stage '{self.name}': unknown task '{task}'; known tasks: {known}. Use one."
                )
            within(f"stage '{self.name}': the weight of '{task}'", weight)
        if not sum(map(float, self.tasks.values())):
            raise ConfigError(
                f"stage '{self.name}': every task's weight is 0. Give at least one of {known}."
            )
        for role in (*self.trainable, *self.reinit):
            if role not in ROLES:
                raise ConfigError(
                    f"stage '{self.name}': unknown role '{role}'; known roles: {', '.join(ROLES)}. Use one."
                )
        where = f"stage '{self.name}': "
        within(where + "steps", self.steps, 0, MOST_STEPS)
        within(where + "batch", self.batch, 1, MOST_EXAMPLES)
        for rate in ("lr", "eps"):
            within(where + rate, getattr(self, rate), above=True)
        for key in ("final_lr_ratio", "weight_decay", "generation_weight", "understanding_weight"):
            within(where + key, getattr(self, key))


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Pictures that the base, or a pipeline, draws from a tree of the concept's attributes
    (`learn/from_tree.py`; Concept-as-Tree, 2503.12999): for one to three photos and no negatives.
    """

    positives: int = 0
    """Pictures of the concept in other contexts, for recognition and captions. 0: none."""
    negatives: int = 0
    """Pictures of others, so many of each grade: easy, hard, near_duplicate. Where there are some,
    `distractors.world: null` means none. 0: none."""
    drawn: int = 2
    """How many are drawn for each that is kept."""
    pipeline: Place | None = None
    """A folder with a pipeline of diffusers, which draws them in the base's place, from words alone
    (model/diffusion.py)."""

    @property
    def is_asked(self) -> bool:
        return bool(self.positives or self.negatives)

    def __post_init__(self) -> None:
        within("tree: positives", self.positives, 0, MOST_PICTURES)
        within("tree: negatives", self.negatives, 0, MOST_PICTURES)
        within("tree: drawn", self.drawn, 1, 100)
        if self.pipeline and not self.is_asked:
            raise ConfigError(
                f"tree: pipeline: found '{self.pipeline}', and neither positives nor negatives. Say"
                " how many pictures it draws, such as `positives: 16` and `negatives: 16`."
            )

    def check_places(self) -> None:
        """Refuse a folder that is not there: see `Distractors.check_places`."""
        _check_pipeline("tree", self.pipeline)

    def decisive(self) -> dict[str, Any]:
        """Plain settings for digests, as `Distractors.decisive` gives them."""
        return _without_no_pipeline(self)


def _check_pipeline(where: str, folder: Place | None) -> None:
    """Refuse a pipeline's folder that is not there; None is none."""
    if folder and not is_folder(Path(os.path.expanduser(folder))):
        raise ConfigError(
            f"{where}: pipeline: found '{folder}', expected a folder that save_pretrained of"
            " diffusers wrote. Name one that is there."
        )


def _without_no_pipeline(settings: Tree | Distractors) -> dict[str, Any]:
    """Plain settings. No pipeline is not said: what was learned before there were any keeps its
    digest.
    """
    said: dict[str, Any] = config.plain(settings)
    if not settings.pipeline:
        del said["pipeline"]
    return said


@dataclass(frozen=True, kw_only=True)
class MethodSettings:
    """What the settings of all methods have: a name, the tokens that they make, and the prompts
    that hold these.
    """

    kind: str = OPTIMIZE
    """optimize: rows are optimised by a schedule of stages; others: see `learn.run.register`."""
    name: str = "joint"
    tokens: Tokens = field(default_factory=Tokens)
    prompts: Prompts = field(default_factory=Prompts)

    @classmethod
    def variant(cls, settings: Mapping[str, Any]) -> type[MethodSettings]:
        """The class of the settings of this kind; `core.config` asks for it."""
        return KINDS.find(str(settings.get("kind", OPTIMIZE)))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages of optimisation, one after the other."""
        return ()

    @property
    def start_file(self) -> Path | None:
        """The concept file that the rows start from; None: none."""
        return None

    @property
    def samples_in(self) -> tuple[str, ...]:
        """Stages in which the base is asked outside the optimiser's step: the rows answer or draw
        themselves, or are compared with what it says without them.
        """
        return ()

    @property
    def learns_labels(self) -> bool:
        """Whether it learns what a user said of pictures or texts, and not what a concept is."""
        return False

    @property
    def keeps_folder(self) -> bool:
        """Whether what it learns is kept as a folder, and not as a concept file."""
        return False

    @property
    def total_steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    def decisive(self) -> dict[str, Any]:
        """Plain settings for digests: runs and predictions are kept under them.

        Override it where a setting names a file, and put the file's sha256 in the place of its
        path: another file of the same path is another method, a file that was moved is not.
        """
        plain: dict[str, Any] = config.plain(self)
        return plain

    def __post_init__(self) -> None:
        check_component(self.name, ConfigError, "method: name")
        said = " ".join(prompt for prompt in astuple(self.prompts) if prompt)
        for role, count in self.tokens.counts.items():
            slot = "{" + role + "}"
            # Tokens that no prompt says would learn nothing; a slot without tokens would say
            # nothing.
            if count < 0 or (count > 0) != (slot in said):
                raise ConfigError(
                    f"method '{self.name}': {count} {role} tokens, and its prompts"
                    f" {'say' if slot in said else 'never say'} '{slot}'. Change one of them:"
                    f" `tokens.{role}`, or a prompt."
                )


@dataclass(frozen=True, kw_only=True)
class Method(MethodSettings):
    """Settings of the kind 'optimize': where rows begin, and how they are optimised."""

    start: str = "described"
    """Where the soft tokens begin: described, told, frequent, k_means or noun (tokens/start.py); or
    a concept file of the same base and as many rows by role, whose rows, name and head rows
    included, go on."""
    negatives: Mapping[str, float] = field(
        default_factory=lambda: {"easy": 0.25, "hard": 0.4, "near_duplicate": 0.35}
    )
    """Share of each grade among the negatives of recognition."""
    soft_positives: SoftPositives = field(default_factory=SoftPositives)
    tree: Tree = field(default_factory=Tree)
    """Pictures that are drawn of the concept and of look-alikes."""
    stages: tuple[Stage, ...] = (Stage(),)
    objective: str = CROSS_ENTROPY
    """What the rows are optimised for, by its name in `OBJECTIVES`."""

    def decisive(self) -> dict[str, Any]:
        """Plain settings for digests. The usual kind and objective are not said, nor a tree that is
        not asked for: what was learned before there were others keeps its digest.
        """
        usual = {
            "kind": OPTIMIZE,
            "objective": CROSS_ENTROPY,
            "tree": Tree().decisive(),
        }.items()
        said = super().decisive() | {"tree": self.tree.decisive()}
        return {key: value for key, value in said.items() if (key, value) not in usual}

    @property
    def taught(self) -> tuple[Taught, ...]:
        """The tasks that it learns from, each once."""
        return tuple(
            task
            for name, task in taught().items()
            if any(stage.steps and float(stage.tasks.get(name, 0)) for stage in self.stages)
        )

    @property
    def learns_labels(self) -> bool:
        return any("opinions" in task.needs for task in self.taught)

    def check_learns(self, concept: Concept) -> None:
        """Refuse a user for a method that learns no labels, and anything else for one that does."""
        opines = self.learns_labels
        if opines == (concept.kind == USER):
            return
        found = "is a user" if concept.kind == USER else "is no user"
        learns = "labels that a user gave" if opines else "no labels of a user"
        advice = "Say what it is with `kind: user`" if opines else "Use method 'user'"
        raise SourceError(
            f"'{concept.name}': {found}, and method '{self.name}' learns {learns}. {advice}, or"
            " choose another method."
        )

    @property
    def start_file(self) -> Path | None:
        """The concept file that the rows start from; None where `start` is one of the known
        words.
        """
        return None if self.start in get_args(Start) else Path(self.start)

    @property
    def stages_from_file(self) -> tuple[Stage, ...]:
        """Those that are run where the rows start from a concept file (`from_file`)."""
        return self.stages

    def from_file(self, file: str, tokens: Tokens, prompts: Prompts) -> Self:
        """The same method, going on from a concept file.

        Args:
            file: Whose rows it starts from.
            tokens: As many as the file has.
            prompts: The file's, in which its rows learned.
        """
        stages = self.stages_from_file
        return replace(self, start=file, tokens=tokens, prompts=prompts, stages=stages)

    def with_steps(self, steps: int) -> Self:
        """The same method with so many steps in its last stage."""
        # A stage of 0 steps is not run, so it is not the last one.
        last = max(i for i, stage in enumerate(self.stages) if stage.steps)
        stages = list(self.stages)
        stages[last] = replace(stages[last], steps=steps)
        return replace(self, stages=tuple(stages))

    def said_in(self, stage: Stage) -> frozenset[str]:
        """Roles that prompts say in a stage: those that have learned by then, or do now. A role has
        nothing to say before.
        """
        # The name is said from the beginning: its row starts as the class noun's.
        seen = {"name"}
        for earlier in self.stages:
            seen |= set(earlier.trainable) if earlier.steps else set()
            if earlier is stage:
                break
        return frozenset(seen)

    def __post_init__(self) -> None:
        super().__post_init__()
        # Here, and not when learning begins: a base of 14 GB may be read before that.
        OBJECTIVES.find(self.objective)
        if (file := self.start_file) and file.suffix != ".safetensors" and not is_file(file):
            raise ConfigError(
                f"method '{self.name}': start: found '{self.start}', expected one of"
                f" {', '.join(get_args(Start))}, or a concept file such as"
                " checkpoints/concepts/bo.safetensors."
            )
        if unknown := sorted(set(self.negatives) - set(GRADES)):
            raise ConfigError(
                f"method '{self.name}': unknown grade of negatives '{unknown[0]}'; known grades:"
                f" {', '.join(GRADES)}. Use one."
            )
        for grade, share in self.negatives.items():
            within(f"method '{self.name}': the share of '{grade}' negatives", share)
        if self.prompts.generation is None and any(task.draws for task in self.taught):
            raise ConfigError(
                f"method '{self.name}': a stage draws, and 'prompts.generation' is null. Write it, or"
                " leave the drawing out."
            )
        if self.tree.is_asked and self.learns_labels:
            raise ConfigError(
                f"method '{self.name}': learns a user's labels, and a tree is of what a concept looks"
                " like. Leave `tree` out."
            )
        self._check_stages()

    def _check_stages(self) -> None:
        """Refuse stages that teach nothing, or that could not be run in their order."""
        taught = [stage for stage in self.stages if stage.steps]
        if not taught:
            raise ConfigError(
                f"method '{self.name}': every stage has 0 steps. Give at least one stage some."
            )
        if taught[0].reinit or (
            self.prompts.generation is None and any(stage.reinit for stage in taught)
        ):
            raise ConfigError(
                f"method '{self.name}': a stage's reinit takes rows from drawings, and no stage before it"
                " learned to draw. Leave `reinit` out, or put such a stage before it."
            )
        if idle := [
            role
            for role, count in self.tokens.counts.items()
            if count and not any(role in stage.trainable for stage in taught)
        ]:
            raise ConfigError(
                f"method '{self.name}': no stage trains '{idle[0]}'. Add it to a stage's 'trainable', or"
                " give it 0 tokens."
            )


@dataclass(frozen=True, kw_only=True)
class RewardMethod(Method):
    """Settings of the kind 'reward': in some of the stages the rows answer and draw themselves, and
    learn from what that is worth (GRPO, Shao et al. 2024, section 4.1). The rows alone are the
    policy; the base stays frozen.
    """

    kind: str = REWARD
    objective: str = GRPO
    rewarded: tuple[str, ...] = ("reward",)
    """Names of the stages that learn so; the others learn from examples, as 'optimize' does. What a
    task's answers are worth, its `reward` says (unictoken/tasks/task.py)."""
    group: int = 8
    """Answers to one prompt, whose rewards are compared. A stage's `batch` is some groups."""
    clip: float = 0.2
    """How far the probability of an id may move away from the one that it was sampled with, as a
    share, before it is not moved further; counts where `updates` is above 1."""
    kl: float = 0.04
    """Weight of the divergence from the rows before the stage."""
    updates: int = 1
    """Optimiser steps from one sampling. A run that was left between two of them samples anew."""
    longest: int = 48
    """Ids of a sampled answer, at most."""

    @property
    def samples_in(self) -> tuple[str, ...]:
        return self.rewarded

    @property
    def stages_from_file(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if stage.name in self.rewarded)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"method '{self.name}': "
        within(where + "group", self.group, 2, MOST_EXAMPLES)
        within(where + "clip", self.clip, 0, 1, above=True)
        within(where + "kl", self.kl)
        within(where + "updates", self.updates, 1, MOST_STEPS)
        within(where + "longest", self.longest, 1, MOST_EXAMPLES)
        known = [stage.name for stage in self.stages]
        for name in self.rewarded:
            if known.count(name) != 1:
                raise ConfigError(
                    f"{where}rewarded: found '{name}', expected the name of one stage of"
                    f" {', '.join(known)}. Name one."
                )
        for stage in self.stages:
            if stage.name in self.rewarded and stage.batch % self.group:
                raise ConfigError(
                    f"{where}stage '{stage.name}': a batch of {stage.batch} and groups of"
                    f" {self.group}. Use a multiple of the group."
                )


@dataclass(frozen=True, kw_only=True)
class GatedMethod(Method):
    """Settings of the kind 'gated': rows are optimised, and a classifier on features of the frozen
    base decides before which pictures they are put (MyVLM, Alaluf et al. 2024).
    """

    kind: str = GATED
    threshold: float = 0.5
    """The probability of the classifier above which the gate opens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(f"method '{self.name}': threshold", self.threshold, 0, 1)


@dataclass(frozen=True, kw_only=True)
class EncodedMethod(Method):
    """Settings of the kind 'encoded': a trained encoder makes the rows in one pass, and learning may
    go on from them (PLVM, Pham et al. 2024; PALAVRA, Cohen et al. 2022, section 4.3).
    """

    kind: str = ENCODED
    encoder: Place = shipped.USUAL_BASE
    """The encoder of a base that ships, by the base's name, or an encoder's file
    (train/encoder.py)."""
    refine: int = 0
    """Steps of learning after the encoder, whatever the one stage itself says of its steps; 0: none.
    """

    @property
    def encoder_file(self) -> Path:
        """Where the encoder lies."""
        return shipped.find_encoder(self.encoder)

    def decisive(self) -> dict[str, Any]:
        """Plain settings for digests: what the encoder's file holds, wherever it lies; the steps of
        the stage say how long it is refined.
        """
        plain = super().decisive()
        del plain["refine"]
        return plain | {"encoder": sha256_of(self.encoder_file)}

    @property
    def samples_in(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages if self.objective == AGAINST_NOUN)

    def with_steps(self, steps: int) -> Self:
        return replace(self, refine=steps)

    def __post_init__(self) -> None:
        within(f"method '{self.name}': refine", self.refine, 0, MOST_STEPS)
        if len(self.stages) != 1:
            raise ConfigError(
                f"method '{self.name}': {len(self.stages)} stages, expected the one that refines an"
                " encoder's rows. Leave the others out."
            )
        stage = replace(self.stages[0], steps=self.refine)
        # One number of steps, for all who ask the stages.
        object.__setattr__(self, "stages", (stage,))
        super().__post_init__()
        if self.start_file:
            raise ConfigError(
                f"method '{self.name}': its encoder makes the rows, and it starts from no concept"
                " file. Leave the file out, or choose a method such as 'joint'."
            )
        if self.tree.is_asked and not self.refine:
            raise ConfigError(
                f"method '{self.name}': a tree is for learning, and its encoder makes the rows in one"
                " pass. Leave the tree out, or let learning follow: --set method.refine=100."
            )
        check_file(
            self.encoder_file,
            ConfigError,
            "the encoder's file of a base; train/encoder.py makes it, and methods such as 'joint' do"
            " without",
            most=shipped.MOST_ENCODER,
        )

    def _check_stages(self) -> None:
        if self.refine:
            super()._check_stages()


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Prior preservation (DreamBooth, Ruiz et al. 2023, equation 2; `learn/prior.py`): what a base
    drew of the class noun before it was fine-tuned is learned beside the drawings of the concept.
    """

    pictures: int = 0
    """How many pictures of the class noun the base draws before learning. 0: none, and nothing is
    preserved."""
    weight: float = 1.0
    """Of their loss, times that of a drawing; equation 2's lambda."""

    def __post_init__(self) -> None:
        within("prior: pictures", self.pictures, 0, MOST_PICTURES)
        within("prior: weight", self.weight)


@dataclass(frozen=True, kw_only=True)
class LoraMethod(Method):
    """Settings of the kind 'lora': adapters on the base's layers are learned with the rows
    (`learn/lora.py`).
    """

    kind: str = LORA
    rank: int = 8
    alpha: float = 16.0
    """What adapters add is multiplied by alpha / rank."""
    layers: tuple[str, ...] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    """Linear layers that have adapters, by the last part of their names."""
    adapter_lr_ratio: float = 0.1
    """The adapters' learning rate, divided by the rows'."""
    prior: Prior = field(default_factory=Prior)
    """What else of the class noun is learned, so that not all of them become the concept."""

    @property
    def keeps_folder(self) -> bool:
        return True

    def decisive(self) -> dict[str, Any]:
        """Plain settings for digests. No prior is not said: what was learned before there was one
        keeps its digest.
        """
        said = super().decisive()
        if not self.prior.pictures:
            del said["prior"]
        return said

    def __post_init__(self) -> None:
        super().__post_init__()
        within(f"method '{self.name}': adapter_lr_ratio", self.adapter_lr_ratio)
        if self.prior.pictures and not any(task.draws for task in self.taught):
            raise ConfigError(
                f"method '{self.name}': prior: {self.prior.pictures} pictures beside drawings of the"
                " concept, and no stage draws. Leave `prior` out, or let a stage draw: `tasks:"
                " {generate: 0.5}`."
            )


def _cross_entropy(examples: Examples, seed: int) -> Objective:
    # Imported here: a config is checked before torch is there.
    from unictoken.learn.objective import CrossEntropy

    return CrossEntropy(examples, seed)


def _grpo(examples: Examples, seed: int) -> Objective:
    from unictoken.learn.grpo import Grpo

    return Grpo(examples, seed)


def _against_noun(examples: Examples, seed: int) -> Objective:
    from unictoken.learn.against_noun import AgainstNoun

    return AgainstNoun(examples, seed)


OBJECTIVES: Registry[ObjectiveOf] = Registry(
    "method: objective",
    {CROSS_ENTROPY: _cross_entropy, GRPO: _grpo, AGAINST_NOUN: _against_noun},
)
"""What makes an objective (learn/objective.py), by the name that a method's `objective` says."""

KINDS: Registry[type[MethodSettings]] = Registry(
    "method: kind",
    {
        OPTIMIZE: Method,
        REWARD: RewardMethod,
        GATED: GatedMethod,
        LORA: LoraMethod,
        ENCODED: EncodedMethod,
    },
)
"""Settings of methods by their kind; `learn.run.register` adds one."""


@dataclass(frozen=True, kw_only=True)
class MethodFile:
    """A file that holds a method, such as `configs/methods/joint.yaml`."""

    method: MethodSettings


@dataclass(frozen=True, kw_only=True)
class Distractors:
    """Pictures of others where the owner brings none, and what ranks them."""

    world: int | None = None
    """Drawn pets (of the world in the base's profile, else of the toy world); null: 400 for a base
    of such a world, none for others.
    """
    drawn: int = 0
    """Pictures of the class noun that the base itself draws, or `pipeline`."""
    pipeline: Place | None = None
    """A folder with a pipeline of diffusers, which draws them in the base's place
    (model/diffusion.py)."""
    likeness: Literal["base", "clip-vit-b32", "clip-vit-l14", "dino-vit-s16", "dinov2-vit-s14"] = (
        "base"
    )
    """The encoder that ranks them by likeness with the reference pictures (model/encoders.py)."""
    weights: Place | None = None
    """A folder with the encoder's weights; null: where they are published."""

    def __post_init__(self) -> None:
        within("distractors: world", self.world or 0, 0, MOST_OTHERS)
        within("distractors: drawn", self.drawn, 0, MOST_OTHERS)
        if self.pipeline and not self.drawn:
            raise ConfigError(
                f"distractors: pipeline: found '{self.pipeline}', and `drawn: 0`. Say how many"
                " pictures it draws, such as `drawn: 100`."
            )

    def check_places(self) -> None:
        """Refuse a folder that is not there: before a base of 14 GB is read. Not when the settings
        are read: those of an old run name folders of its time.
        """
        _check_pipeline("distractors", self.pipeline)

    def decisive(self) -> dict[str, Any]:
        """Plain settings for digests."""
        return _without_no_pipeline(self)
