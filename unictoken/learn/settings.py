"""The settings of a run of learning, and what is checked of them before a base is read."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unictoken.core import config, shipped
from unictoken.core.config import ConfigError, Place
from unictoken.core.disk import check_folder, is_file, is_folder, is_there, real_path
from unictoken.core.reading import check_file
from unictoken.core.text import mark
from unictoken.core.zero import Offload, Zero
from unictoken.core.zero import Stage as ZeroStage
from unictoken.data.concept import Concept
from unictoken.data.kinds import USER, LearnedKind
from unictoken.data.opinions import read_user
from unictoken.data.source import read_concept
from unictoken.learn.methods import Distractors, Method, MethodSettings, Tokens
from unictoken.model.draw import Draw
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import Prompts

OTHER = "mia"


@dataclass(frozen=True, kw_only=True)
class ConceptConfig:
    """Where the concept is that a run learns: what `read_concept` reads into a `Concept`."""

    name: str
    pictures: tuple[Place, ...]
    """A folder, or picture files; of a user a folder of `likes/` and `dislikes/`, or a JSON file of
    rows (unictoken/data/opinions.py)."""
    class_noun: str | None = None
    """Its ordinary kind: dog, mug. null: as the folder's info.json says."""
    facts: tuple[str, ...] = ()
    """Sentences about '<name>' that no picture shows."""
    negatives: tuple[Place, ...] = ()
    """Folders of pictures, or picture files, that show others, beside the folder's
    `negative_example/`."""
    consent: bool = False
    """Of a person: they agreed to be learned. The concept file says so."""
    kind: LearnedKind | None = None
    """What it is, where the class noun is no word that is known here (unictoken/data/kinds.py).
    user: somebody whose labels are learned, by method 'user'."""

    def __post_init__(self) -> None:
        if self.kind != USER:
            return
        # They would be passed over without a word.
        strange = [key for key in ("facts", "negatives") if getattr(self, key)]
        if strange or len(self.pictures) != 1:
            found = f"'{strange[0]}'" if strange else f"{len(self.pictures)} places"
            raise ConfigError(
                f"concept '{self.name}': found {found} of a user, expected one place: a folder of"
                " likes/ and dislikes/, or a JSON file of rows. Give that alone."
            )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run of learning one concept."""

    concept: ConceptConfig
    base: Place = shipped.USUAL_BASE
    """tiny (it ships), a local folder, or a Hub name."""
    vq_decoder: Place | None = None
    """What completes a base whose image tokenizer has no decoder: a Hub name, a folder, or a file
    such as vqgan.ckpt.
    """
    method: MethodSettings = field(default_factory=Method)
    out: str | None = None
    """Run folder; null: runs/<name>."""
    concepts: str = str(shipped.LEARNED)
    """Where the concept file goes."""
    replace: bool = False
    """Whether it may take the place of a concept of this name that was learned from other pictures,
    has another class noun, or came from elsewhere."""
    seed: int = 0
    resume: Literal["auto", "must", "never"] = "auto"
    """auto: go on where there is a checkpoint, to more steps of the last stage too (run.py says
    how). A finished run of another config, base or pictures is replaced, one that is not finished
    is an error. must: an error where there is no checkpoint; never: begin anew."""
    save_every: int = 50
    """Steps between checkpoints."""
    show_every: int = 100
    """Steps between grids of the prompts; 0: only at the end."""
    prompts: tuple[str, ...] = (
        "<{name}> wearing a hat",
        "<{name}> wearing a red party hat in the snow",
        "<{name}> on the beach at night",
        "<{name}> wearing a blue top hat in the city",
    )
    """Drawn as it goes and at the end; {name} is the concept's."""
    questions: tuple[str, ...] = ("what animal is <{name}>?", "what colour is <{name}>?")
    """Asked at the end, without a picture."""
    drawing: Draw = field(default_factory=Draw)
    distractors: Distractors = field(default_factory=Distractors)
    """Pictures of others where the concept's folder brings none."""
    judge: Place | None = "toy"
    """Reads attributes off drawings of toy-world pets, for the report; null: the report does
    without.
    """
    other: Place | None = OTHER
    """Another concept on this base, whose tokens the report compares with; left out where it is of
    another base, or null. The one that is shipped is made by `make base`."""
    zero_stage: ZeroStage = 1
    """DeepSpeed's ZeRO stage; 3 shards the frozen base while it learns (before that each process
    needs it whole once, after it the first one).
    """
    offload: Offload = "none"
    """cpu: the base's shards wait in main memory, each layer on the GPU only while it is used
    (slower); zero_stage 3 only.
    """
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass rather than keep what it computed: half more
    time, far less memory.
    """
    dtype: config.Dtype = "auto"
    """Of the base. auto: bf16 on a GPU; without one fp32, while learning itself is in bf16 where
    the CPU is faster with it (and the base is small: `model/gradient.py`). fp32: learning too.
    fast: as auto, and what is drawn and asked is in bf16 on such a CPU. The optimiser's rows and
    the concept file are in fp32 in any case.
    """

    device: str | None = None
    """Of torch: cpu, cuda:1, mps. null: the GPU where there is one. With DeepSpeed always null: it
    gives each process its own."""
    board: Literal["tensorboard", "wandb", "none"] = "tensorboard"
    """Where losses are shown beside the run's log.jsonl: event files in the run folder; Weights &
    Biases (`pip install 'unictoken[wandb]'`, project WANDB_PROJECT or unictoken); nowhere."""

    def __post_init__(self) -> None:
        # Before anything is read: its report and its file would be of rows alone.
        if self.method.keeps_folder:
            raise ConfigError(
                f"method '{self.method.name}': of kind '{self.method.kind}', and a run keeps and"
                " reports a concept file. Fit it from Python and keep it with its `save`, or measure"
                " it with eval/run.py."
            )
        if self.board == "wandb" and importlib.util.find_spec("wandb") is None:
            raise ConfigError(
                "board: wandb is not installed. `pip install 'unictoken[wandb]'`, or choose"
                " tensorboard or none."
            )
        config.within("save_every", self.save_every, 1)
        config.within("show_every", self.show_every)
        config.check_seed(self.seed)
        self.zero.check_dtype(bf16=self.dtype == "bf16")
        taught = [stage for stage in self.method.stages if stage.steps]
        self.zero.check_reinit([s.name for s in taught if "drawn" in s.reinit.values()])
        self.zero.check_sampling([s.name for s in taught if s.name in self.method.samples_in])

    @property
    def zero(self) -> Zero:
        """What its ZeRO stage asks of the run."""
        return Zero(
            stage=self.zero_stage,
            offload=self.offload,
            gradient_checkpointing=self.gradient_checkpointing,
        )

    @property
    def folder(self) -> Path:
        return Path(self.out or f"runs/{self.concept.name}")

    def named(self, text: str) -> str:
        return text.replace("{name}", self.concept.name)


def concept_of(settings: RunConfig) -> Concept:
    """The concept as its owner gives it. Everything that would fail after learning is looked at
    here, before it.
    """
    concept = _read(settings.concept)
    check_written(settings, concept)
    check_used(settings, concept)
    return concept


def _read(c: ConceptConfig) -> Concept:
    if c.kind == USER:
        return read_user(c.pictures[0], name=c.name, class_noun=c.class_noun, consent=c.consent)
    return read_concept(
        c.pictures,
        name=c.name,
        class_noun=c.class_noun,
        facts=c.facts,
        negatives=c.negatives,
        consent=c.consent,
        kind=c.kind,
    )


def going_on(method: MethodSettings, file: Path) -> Method:
    """The method, starting from the rows of a concept file, which says how many there are and in
    which prompts they stand.

    Args:
        method: One that optimises rows.
        file: The concept file.
    """
    if not isinstance(method, Method):
        raise ConfigError(
            f"method '{method.name}': is of kind '{method.kind}', which starts from no concept file."
            " Choose one that optimises rows, such as 'joint' or 'repic', or leave the file out."
        )
    header = concept_file.read_header(file)
    counts = {role: count for role, count in header["counts"].items() if role != "name"}
    prompts = config.build(Prompts, header["prompts"], f"{file}: prompts")
    return method.from_file(str(file), Tokens(**counts), prompts)


def check_written(settings: RunConfig, concept: Concept) -> None:
    """Refuse a run whose folder or concept file could not be written, or would lose another
    concept.
    """
    check_folder(settings.folder, ConfigError, where="out")
    check_folder(settings.concepts, ConfigError, where="concepts")
    for place in filter(is_folder, settings.concept.pictures):
        if real_path(settings.folder).is_relative_to(real_path(place)):
            raise ConfigError(
                f"out: {settings.folder}: lies in {place}, whose pictures are learned from. Choose"
                " another folder."
            )
    # Before anything is learned: minutes of work must not end at a name that is taken.
    path = concept_file.path_of(concept.name, settings.concepts)
    if is_there(path) and not is_file(path):
        raise ConfigError(
            f"concepts: {path}: is no file, and the concept file would take its place. Move it"
            " away, or choose another folder."
        )
    if is_file(path) and not settings.replace:
        _check_same_concept(path, concept)
    # It would read the very file that it replaces, and a resumed run would begin elsewhere.
    start = settings.method.start_file
    if start and real_path(start) == real_path(path):
        raise ConfigError(
            f"method.start: {start} is the file that this run writes. Copy it first and start from"
            " the copy, or give the run that learned it more steps."
        )


def check_used(settings: RunConfig, concept: Concept) -> None:
    """Refuse what a run reads beside its pictures, where it cannot be used."""
    if isinstance(settings.method, Method):
        settings.method.check_learns(concept)
        settings.method.tree.check_places()
    settings.distractors.check_places()
    for text in (*settings.prompts, *settings.questions):
        mark(settings.named(text), concept.name, where=f"'{settings.named(text)}'")
    if start := settings.method.start_file:
        concept_file.check_counts(start, settings.method.tokens.counts, where="method.start")
    if concept.truth is not None and settings.judge:
        check_judge_file(settings.judge)
    if settings.other not in (None, OTHER):
        concept_file.read_header(shipped.find_concept(settings.other))


def check_judge_file(path: Place) -> None:
    """Refuse a judge that is not there."""
    check_file(
        shipped.find_judge(path),
        ConfigError,
        "the judge's weights; `make base` makes them, `--set judge=null` does without",
    )


def _check_same_concept(path: Path, concept: Concept) -> None:
    """Refuse to lose a concept that this run would not make again: one from other pictures, or from
    elsewhere.
    """
    header = concept_file.read_header(path)
    if header.get("source") == concept.digest():
        return

    if header.get("origin"):
        found = "imported"
    elif header["class_noun"] != concept.class_noun:
        found = f"learned as '{header['class_noun']}'"
    else:
        found = (
            "learned from other pictures"
            if header.get("source")
            else "of which pictures, it does not say"
        )
    raise ConfigError(
        f"{path}: holds a concept <{header['name']}> ({found}), and this run would put another one,"
        f" <{concept.name}> ({concept.class_noun}), in its place. Choose another name or another"
        " folder (`concepts`), or let it go with `--replace` (in a config `replace: true`)."
    )
