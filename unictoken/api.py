"""What `import unictoken` gives: a base, learning a concept on it, telling it more."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from unictoken.core import config, shipped
from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.core.progress import bars
from unictoken.data.concept import Concept
from unictoken.data.facts import told_fact
from unictoken.data.kinds import USER, LearnedKind
from unictoken.data.opinions import read_user
from unictoken.data.source import Some, read_concept
from unictoken.learn.bar import Bar
from unictoken.learn.folder import held
from unictoken.learn.methods import Method, MethodFile, MethodSettings
from unictoken.learn.run import run
from unictoken.learn.settings import RunConfig, check_used, check_written, going_on
from unictoken.learn.tell import STEPS
from unictoken.learn.tell import tell as learn_facts
from unictoken.measure.report import learn_and_report
from unictoken.model.base import dtype_named, load_base
from unictoken.model.malloc import keeping_freed_memory
from unictoken.model.protocol import Base, DeviceMemory
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.session import check_text, texts_of
from unictoken.personalize.tokens import learned
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens

IN_MEMORY = "in memory"  # the place of pictures that lie in no file


def load(
    name: str | PathLike[str] = shipped.USUAL_BASE,
    *,
    vq_decoder: str | PathLike[str] | None = None,
    device: str | None = None,
    dtype: config.Dtype = "auto",
    device_map: Literal["auto"] | None = None,
    max_memory: DeviceMemory | None = None,
) -> PersonalBase:
    """A frozen base, on the GPU where there is one.

    Args:
        name: 'tiny', which ships; a local folder; or USER/NAME on the Hub, such as
            'leloy/Anole-7b-v0.1-hf'.
        vq_decoder: What completes a base that cannot draw: a Hub name, a folder, or a file such as
            vqgan.ckpt.
        device: Of torch, such as 'cpu' or 'cuda:1'; None: the GPU, if there is one.
        dtype: 'auto': bf16 on a GPU, fp32 on a CPU. 'fast': bf16 also on a CPU that is faster with
            it. A seed draws other pictures in another dtype.
        device_map: 'auto': a base that is too large for one GPU is shared out over all of them. It
            then answers, draws and learns in this process.
        max_memory: With `device_map`: what weights may take of each device, such as
            {0: '20GiB', 1: '20GiB'}; None: most of what is free.

    >>> load("tiny")
    <PersonalBase 'tiny': width 256, 64 ids a picture, draws; on ...>
    """
    if not isinstance(name, str | PathLike):
        raise UserError(
            f"load: found {type(name).__name__}, expected the name of a base, such as 'tiny'."
        )
    chosen = dtype_named(dtype, device)
    # A str may be a name on the Hub; any other path is a folder or a file.
    if not isinstance(name, str):
        name = Path(name)
    if not isinstance(vq_decoder, str | None):
        vq_decoder = Path(vq_decoder)
    return load_base(
        name,
        vq_decoder=vq_decoder,
        device=device,
        dtype=chosen,
        device_map=device_map,
        max_memory=max_memory,
        # Abstract by itself: a family gives it what is missing.
        kind=PersonalBase,  # type: ignore[type-abstract]
    )


def learn(
    base: PersonalBase,
    pictures: Some | Mapping[str, Some],
    *,
    name: str,
    class_noun: str | None = None,
    facts: str | Sequence[str] = (),
    negatives: Some | Mapping[str, Some] = (),
    consent: bool = False,
    kind: LearnedKind | None = None,
    method: str | PathLike[str] | MethodSettings | None = None,
    start: str | PathLike[str] | None = None,
    steps: int | None = None,
    seed: int = 0,
    dtype: Literal["auto", "fp32"] = "auto",
    out: str | PathLike[str] | None = None,
    overwrite: bool = False,
    verbose: bool = True,
) -> ConceptTokens:
    """Learn a concept from three to five pictures, in this process.

    The same pictures, texts, method and seed give the same concept. Without `out` nothing is
    written: keep the concept with its `save`.

    Args:
        base: What `unictoken.load` gave; it stays as it is.
        pictures: A folder, or a list of files, PIL images or arrays. A folder may hold
            `info.json` (class noun, facts, questions) and `negative_example/`. Of a user: a folder
            of `likes/` and `dislikes/`, a JSON file of rows (`data/opinions.py`), or pictures by
            label.
        name: What people then write as `<name>`.
        class_noun: Its ordinary kind: dog, mug. None: as the folder's info.json says.
        facts: Sentences about `<name>` that no picture shows.
        negatives: Pictures of others, beside those in the folder: given as `pictures` are, or by
            grade, {'easy': ..., 'hard': ..., 'near_duplicate': ...}.
        consent: Of a person: they agreed to be learned.
        kind: 'object', 'animal' or 'person': needed where the class noun is no word that is known
            here, and might be a person's. 'user': somebody whose labels are learned.
        method: The name of one that ships ('joint', 'unictokens', 'yochameleon', 'yollava'), a YAML
            file, or a `Method`; None: 'joint', of a user 'user'.
        start: A concept file, or the name of one, whose rows go on learning; None: begin anew.
        steps: Of the method's last stage; None: as the method says.
        seed: Of everything that is drawn by lot.
        dtype: 'auto' learns in bf16 where the CPU is faster with it, so that machines may differ in
            the third digit of a loss; 'fp32' does not.
        out: A run folder for what the command `unictoken learn` writes: report, log, checkpoints,
            and the concept file too. An interrupted run goes on when it is called again.
        overwrite: Whether another concept of this name in `out` may go.
        verbose: Whether bars are shown.

    >>> bo = learn(base, "data/bo", name="bo", class_noun="dog", steps=1, verbose=False)
    >>> bo
    <ConceptTokens <bo> (dog): 1 name, 32 shared; learned by 'joint' on 'tiny'>
    """
    if not isinstance(base, PersonalBase):
        found = quoted(base)
        raise UserError(f"learn: found {found} as the base, expected what unictoken.load gives.")
    facts, _ = texts_of(facts, "fact")
    if kind == USER:
        concept = _user(pictures, facts or negatives, name, class_noun, consent)
    elif isinstance(pictures, Mapping):
        raise UserError("learn: found pictures by label, which are a user's. Say kind='user'.")
    else:
        concept = read_concept(
            pictures,
            name=name,
            class_noun=class_noun,
            facts=facts,
            consent=consent,
            kind=kind,
            negatives=negatives,
        )
    given = pictures if isinstance(pictures, list | tuple) else [pictures]
    places = [str(one) for one in given if isinstance(one, str | PathLike)]
    # A user's config names one place; pictures by label have none.
    places = places or [IN_MEMORY] if kind == USER else places
    who = {"name": name, "consent": consent, "kind": kind}
    method = method or (USER if kind == USER else "joint")
    asked = {
        "concept": {**who, "pictures": places, "facts": facts},
        "base": base.name,
        "method": config.plain(chosen_method(method, start, steps)),
        "seed": seed,
        "dtype": dtype,
        "replace": overwrite,
    }
    with keeping_freed_memory(), bars(shown=verbose):
        if out is None:
            return _learn_in_memory(base, asked, concept)
        return _learn_into(Path(os.path.expanduser(out)), base, asked, concept)


def _user(
    given: Some | Mapping[str, Some],
    more: object,
    name: str,
    class_noun: str | None,
    consent: bool,
) -> Concept:
    """A user's labels.

    Args:
        given: A place, or pictures by label.
        more: Facts or negatives, which nobody learns of a user.
        name: The user's.
        class_noun: What they are; None: a person.
        consent: They agreed.
    """
    if more:
        raise UserError(
            "learn: found facts or negatives of a user. Leave them out: labels are learned."
        )
    if not isinstance(given, str | PathLike | Mapping):
        raise UserError(
            "learn: found pictures without labels, expected of a user a folder of likes/ and"
            " dislikes/, a JSON file, or {'likes': [...], 'dislikes': [...]}. Give one of these."
        )
    return read_user(given, name=name, class_noun=class_noun, consent=consent)


def tell(
    base: PersonalBase,
    concept: str | PathLike[str] | ConceptTokens,
    fact: str,
    *,
    question: str | None = None,
    answer: str | None = None,
    seed: int = 0,
    dtype: Literal["auto", "fp32"] = "auto",
    verbose: bool = True,
) -> ConceptTokens:
    """A learned concept with one more fact, from its file alone: the photos are not needed.

    It takes seconds. The fact becomes further tokens, and those that were learned stay as they are.
    The scores of its file are gone: they were measured before.

    Args:
        base: What `unictoken.load` gave.
        concept: A concept file, the name of one, or what `learn` gave; it stays as it is.
        fact: A sentence about '<name>': '<bo> has a green hat.'
        question: What it answers: 'what hat does <bo> have?'. None: found, for plain sentences.
        answer: To the question: 'a green hat'. None: likewise.
        seed: Of everything that is drawn by lot.
        dtype: As for `learn`.
        verbose: Whether bars are shown.

    >>> tell(base, "mia", "<mia> is a good swimmer.")
    Traceback (most recent call last):
    unictoken.data.source.SourceError: fact '<mia> is a good swimmer.': found no known form, ...
    """
    tokens = learned(base, concept).tokens
    assert tokens  # `learned` refuses everything else
    check_text(fact, "fact")
    told = told_fact(fact, tokens.name, question, answer)
    config.check_seed(seed)
    if dtype not in ("auto", "fp32"):
        raise UserError(f"tell: dtype: found {quoted(dtype)}, expected 'auto' or 'fp32'.")
    with keeping_freed_memory(), bars(shown=verbose), closing(Bar(STEPS)) as bar:
        return learn_facts(
            base, tokens, [told], seed=seed, steps=STEPS, fast=dtype == "auto", show=bar.show
        )


def _learn_in_memory(base: Base, asked: dict[str, Any], concept: Concept) -> ConceptTokens:
    """What is learned, and nothing written, asked or measured."""
    # No report is written, so nothing is drawn, asked or judged for one.
    nothing: dict[str, Any] = {"prompts": [], "questions": [], "judge": None, "other": None}
    settings = config.build(RunConfig, asked | nothing, "learn")
    check_used(settings, concept)
    with closing(Bar(settings.method.total_steps)) as bar:
        learned = run(base, settings, concept=concept, show=bar.show, keep_files=False)
    return learned.tokens


def _learn_into(folder: Path, base: Base, asked: dict[str, Any], concept: Concept) -> ConceptTokens:
    """What is learned, with its report and its file in a run folder."""
    # Both in the user's own folder: nothing of it goes into runs/ or checkpoints/.
    places = {"out": str(folder), "concepts": str(folder)}
    settings = config.build(RunConfig, asked | places, "learn")
    check_written(settings, concept)
    check_used(settings, concept)
    with held(settings, concept):
        learn_and_report(base, settings, concept)
    return concept_file.load(concept_file.path_of(concept.name, folder), base)


def chosen_method(
    method: str | PathLike[str] | MethodSettings,
    start: str | PathLike[str] | None = None,
    steps: int | None = None,
) -> MethodSettings:
    """The method that is meant.

    Args:
        method: Its name, its file, or itself.
        start: The concept file that its rows start from; None: none.
        steps: Of its last stage; None: as it says.
    """
    if not isinstance(method, str | PathLike | MethodSettings):
        known = ", ".join(shipped.methods())
        found = type(method).__name__
        raise UserError(
            f"method: found {found}, expected one of {known}, a YAML file, or a Method."
        )
    if not isinstance(method, MethodSettings):
        method = config.load(MethodFile, shipped.find_method(str(method))).method
    if start is not None:
        if not isinstance(start, str | PathLike):
            found = type(start).__name__
            raise UserError(f"start: found {found}, expected a concept file, or the name of one.")
        place = start if isinstance(start, str) else Path(start)
        method = going_on(method, shipped.find_concept(place))
    if steps is None:
        return method
    config.check_count("steps", steps)
    if not isinstance(method, Method):
        raise UserError(f"steps: method '{method.name}' optimises nothing. Leave `steps` out.")
    return method.with_steps(steps)
