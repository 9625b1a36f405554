"""The concept file: one `.safetensors`, rows by role, a JSON header.

    in.name [1, D]  in.shared [16, D] ...  out.name [1, D]  out.shared [16, D] ...
    header: unictoken = {"format": 3, "name": "bo", "class_noun": "dog", "base": ..., "sha256": ..., ...}
    imported, where their head had one: bias.name [1]  bias.shared [16] ...; and "origin" in the header
    of a person who agreed: "consent": true in the header
    where there is something to say: "notes" (lines for whoever uses it), "sections" (JSON of other methods)
    learned by a run: "run" and "source", digests of the run and of what it learned from

Written aside, synced and renamed: a file is whole or it is not there. safetensors loads flipped
bits silently, so the header keeps a sha256 of the tensors and of everything else that the header
says, and reading checks it.

The sha256 of format 2 was that of the tensors alone. Format 1 also had neither notes nor sections,
and its "base_fingerprint" knew a base by embedding and head only: it is read with that fingerprint
marked (ROWS_ONLY). Both are written again as format 3.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from unictoken.core.config import LARGEST_SEED
from unictoken.core.disk import check_folder, is_there, quoted, write_aside
from unictoken.core.progress import bars_are_hidden
from unictoken.core.reading import parse_json, read_safetensors_header
from unictoken.core.shapes import (
    Anything,
    Fields,
    Flag,
    Line,
    ListOf,
    MapOf,
    Maybe,
    Number,
    Shape,
    Text,
    Whole,
    check,
)
from unictoken.core.text import ROLES, ConceptError, clean_noun
from unictoken.tokens.tokens import UNKNOWN, ConceptTokens, Prompts, role_slices

if TYPE_CHECKING:
    import torch

    from unictoken.model.protocol import Base

FORMAT = 3
READ = (1, 2, 3)
WITH_HEADER = 3  # the first format whose sha256 is also that of the header
ROWS_ONLY = "rows:"  # before a fingerprint of format 1
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LONGEST_NOUN = 100  # letters
MOST_BYTES = 64 * 2**20  # of a file; a concept's rows take a few MB
MOST_ROWS = 4096  # of one role
MOST_NOTES, MOST_SCORES = 100, 1000
_WORDS = Text(1000)
_DIGEST = Text(200)
_LINE = Line(2000)
_SLOT = re.compile("{[^{}]*}")
HEADER: dict[str, Shape] = {
    "name": Text(64, pattern=NAME, said="1 to 64 of a-z, 0-9, '_' and '-'"),
    "class_noun": Text(LONGEST_NOUN),
    "counts": Fields(
        {"name": Whole(1, 1)},
        {role: Whole(0, MOST_ROWS) for role in ROLES[1:]},
        said="whole numbers by role",
    ),
    "prompts": Fields(
        {},
        {f.name: _WORDS for f in dataclasses.fields(Prompts)} | {"generation": Maybe(_WORDS)},
        said="prompts",
    ),
    "method": _WORDS,
    "base": _WORDS,
    "base_fingerprint": _DIGEST,
    "seed": Whole(0, LARGEST_SEED),
    "scores": MapOf(Number(), MOST_SCORES),
    "sha256": _DIGEST,
}
SOMETIMES: dict[str, Shape] = {"origin": _WORDS, "consent": Flag()}  # in every format
SINCE_2: dict[str, Shape] = {
    "notes": ListOf(_LINE, MOST_NOTES),
    "run": _DIGEST,
    "source": _DIGEST,
    "sections": MapOf(Anything()),
}
_FETCH = "Fetch or learn it again."
EXPECTED = "a concept file such as checkpoints/concepts/bo.safetensors"


def check_name(name: str) -> str:
    """The name itself, if it can be a concept's and a file's."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConceptError(
            f"concept name {quoted(name)}: expected 1 to 64 of a-z, 0-9, '_' and '-', beginning with a"
            " letter or digit, such as 'bo'."
        )
    return name


def check_noun(class_noun: str, *, where: str) -> str:
    """The class noun as prompts say it ('a dog' gives 'dog'), if it is one line with a noun in
    it.
    """
    noun = clean_noun(class_noun) if len(class_noun) <= LONGEST_NOUN else ""
    if not noun or not class_noun.isprintable():
        raise ConceptError(
            f"{where}: class noun {quoted(class_noun)}. Expected an ordinary word for the concept,"
            f" such as 'dog', of at most {LONGEST_NOUN} letters. Give another one."
        )
    return noun


def path_of(name: str, folder: str | Path) -> Path:
    """Where a concept of this name is kept; never outside the folder."""
    return Path(folder) / f"{check_name(name)}.safetensors"


def check_free(paths: Iterable[Path]) -> None:
    """Refuse to write over what is there, or into what is no folder."""
    for path in paths:
        check_folder(path.parent, ConceptError)
        if is_there(path):
            raise ConceptError(
                f"{path}: is there already. Choose another name or folder, or remove it."
            )


def digest_with_header(
    header: Mapping[str, Any], tensors: Mapping[str, np.ndarray | torch.Tensor]
) -> str:
    """SHA-256 of a JSON header, but for its own "sha256", and of tensors on the CPU: names, types
    and shapes included.
    """
    said = {key: value for key, value in header.items() if key != "sha256"}
    # There and back first: JSON's keys are texts, and are sorted as such.
    text = json.dumps(json.loads(json.dumps(said)), sort_keys=True)
    seen = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        rows = np.ascontiguousarray(tensors[key])
        seen.update(json.dumps([key, str(rows.dtype), rows.shape]).encode() + rows.tobytes())
    return seen.hexdigest()


def digest_of_rows(path: Path) -> str:
    """What the rows of a concept file are, whatever its header says of them."""
    return digest(_open(path)[1])


def digest(tensors: Mapping[str, np.ndarray | torch.Tensor]) -> str:
    """SHA-256 of tensors on the CPU, names included: what formats 1 and 2 keep."""
    seen = hashlib.sha256()
    for key in sorted(tensors):
        seen.update(key.encode() + np.ascontiguousarray(tensors[key]).tobytes())
    return seen.hexdigest()


def save(concept: ConceptTokens, path: str | Path, *, new: bool = False) -> Path:
    """Write the concept file; the same concept gives the same bytes. `new`: `FileExistsError` where
    something bears its name.
    """
    check_name(concept.name)
    noun = check_noun(concept.class_noun, where=f"'{concept.name}'")
    tensors = {}
    for kind, rows in (
        ("in", concept.rows_in),
        ("out", concept.rows_out),
        ("bias", concept.bias_out),
    ):
        for role, part in role_slices(concept.counts).items():
            if rows is not None and concept.counts.get(role, 0):
                if not rows[part].isfinite().all():
                    raise ConceptError(
                        f"'{concept.name}': its {kind}.{role} rows hold values that are not finite."
                        " Nothing was written. Learn it again."
                    )
                tensors[f"{kind}.{role}"] = np.ascontiguousarray(
                    rows[part].detach().float().cpu().numpy()
                )
    header = {
        "format": FORMAT,
        "name": concept.name,
        "class_noun": noun,
        "counts": {role: concept.counts.get(role, 0) for role in ROLES},
        "prompts": dataclasses.asdict(concept.prompts),
        "method": concept.method,
        "base": concept.base_name,
        "base_fingerprint": concept.base_fingerprint,
        "seed": concept.seed,
        "scores": dict(concept.scores),
    }
    if concept.origin:
        header["origin"] = concept.origin
    if concept.consent:
        header["consent"] = True
    more = {
        "notes": list(concept.notes),
        "run": concept.run,
        "source": concept.source,
        "sections": dict(concept.sections),
    }
    # Only what is there: a file of format 2 that says nothing of them reads the same.
    header |= {key: value for key, value in more.items() if value}
    header["sha256"] = digest_with_header(header, tensors)
    said = {"unictoken": json.dumps(header, sort_keys=True)}
    write_aside(Path(path), to_bytes(tensors, metadata=said), new=new)
    return Path(path)


def read_header(path: str | Path) -> dict[str, Any]:
    """What a concept file says about itself."""
    return _open(Path(path))[0]


def _open(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    stored = read_safetensors_header(path, ConceptError, EXPECTED, most=MOST_BYTES)
    if "unictoken" not in stored.metadata:
        raise ConceptError(
            f"{path}: a safetensors file without a 'unictoken' header. Expected one that"
            " train/run.py wrote."
        )
    # Before anything is loaded: numpy has no bf16, and its error would name no file.
    for key, tensor in stored.tensors.items():  # numpy does not know every type
        if tensor.dtype != "F32":
            raise ConceptError(
                f"{path}: '{key}' is of type {tensor.dtype}, expected F32 (float32). {_FETCH}"
            )
    header = _header(stored.metadata["unictoken"], path)
    try:
        with safe_open(path, "np") as file:
            tensors = {key: file.get_tensor(key) for key in stored.tensors}
    except (SafetensorError, OSError) as error:
        raise ConceptError(
            f"{path}: not a whole safetensors file ({error}). Expected {EXPECTED}. {_FETCH}"
        ) from None
    # After the header's shape: a digest of nonsense says nothing.
    _check_digest(header, tensors, path)
    if header["format"] == 1 and header["base_fingerprint"] != UNKNOWN:
        header["base_fingerprint"] = ROWS_ONLY + header["base_fingerprint"]
    return header, tensors


def _header(text: str, path: Path) -> dict[str, Any]:
    """What a concept file says about itself, every key there, each of its type, and no other."""
    try:
        header = parse_json(text)
    except ValueError as error:
        raise ConceptError(
            f"{path}: its header is not JSON with every key once ({error}). {_FETCH}"
        ) from None
    if not isinstance(header, dict) or "format" not in header:
        raise ConceptError(
            f"{path}: its header is no concept's. Expected one that `train/run.py` wrote."
        )
    # JSON's true equals 1, and would pass as format 1.
    if header["format"] not in READ or type(header["format"]) is not int:
        raise ConceptError(
            f"{path}: format {quoted(header['format'])}, this version reads formats "
            f"{READ[0]} to {READ[-1]}. Update unictoken."
        )
    optional = SOMETIMES | (SINCE_2 if header["format"] > 1 else {})
    shape = Fields({"format": Whole(), **HEADER}, optional)
    check(
        header,
        shape,
        f"{path}: header",
        ConceptError,
        advice=f"{_FETCH[:-1]}, or update unictoken.",
    )
    check_noun(header["class_noun"], where=str(path))
    _check_prompts(header["prompts"], path)
    return header


def _check_digest(header: dict[str, Any], tensors: dict[str, np.ndarray], path: Path) -> None:
    """Refuse a file that is not as it was written."""
    # Older files were written when only the rows were in the digest.
    with_header = header["format"] >= WITH_HEADER
    found = digest_with_header(header, tensors) if with_header else digest(tensors)
    if found != header["sha256"]:
        what = "its rows or its header do" if with_header else "its rows do"
        raise ConceptError(
            f"{path}: {what} not match the sha256 in its header. Fetch or learn it again."
        )


def check_base_known(header: Mapping[str, Any], path: str | Path) -> None:
    """Imported rows are put on a base only if the importer named it: the rows themselves do not
    show where they mean something.
    """
    if header["base_fingerprint"] == UNKNOWN:
        raise ConceptError(
            f"{path}: imported ({header.get('origin', '')}), and the base that it was learned on is"
            " not known. Import it again with `--base` naming that base."
        )


def check_counts(path: str | Path, counts: Mapping[str, int], *, where: str) -> None:
    """Refuse a file whose rows, by role, are not so many. `where`: what asks for these."""
    found, expected = (
        {role: number for role in ROLES if (number := some.get(role, 0))}
        for some in (read_header(path)["counts"], counts)
    )
    if found != expected:
        listed = [
            ", ".join(f"{n} {role}" for role, n in some.items()) for some in (found, expected)
        ]
        raise ConceptError(
            f"{where}: {path} has {listed[0]} rows, the method has {listed[1]}. "
            "Give the method the same numbers (`method.tokens`), or another file."
        )


def is_of_base(fingerprint: str, base: Base) -> bool:
    """Whether a concept's fingerprint is this base's; one of format 1 knows embedding and head
    only.
    """
    if fingerprint.startswith(ROWS_ONLY):
        return fingerprint.removeprefix(ROWS_ONLY) in base.row_fingerprints
    return fingerprint == base.fingerprint


def check_base(concept: ConceptTokens, base: Base) -> None:
    """Refuse a concept that was learned on another base."""
    known = {
        "base": concept.base_name,
        "base_fingerprint": concept.base_fingerprint,
        "origin": concept.origin,
    }
    _check_base(known, base, concept.marker)


def _check_base(header: Mapping[str, Any], base: Base, path: str | Path) -> None:
    """Refuse a concept of another base, and say in one line what format 1 cannot tell."""
    check_base_known(header, path)
    found = header["base_fingerprint"]
    rows_only = found.startswith(ROWS_ONLY)
    if not is_of_base(found, base):
        own = base.row_fingerprints[0] if rows_only and base.row_fingerprints else base.fingerprint
        raise ConceptError(
            f"{path}: learned on base '{header['base']}' ({found.removeprefix(ROWS_ONLY)[:12]}),"
            f" this one is '{base.name}' ({own[:12]}). Use that base, or learn the concept on this"
            " one."
        )
    if rows_only and not bars_are_hidden():  # of many processes, one says so
        logging.getLogger(__name__).warning(
            "%s: its base is known by embedding and head only (format 1): whether the layers and the image tokenizer "
            "of '%s' are the same, it cannot tell. Learn it again, or save what is loaded, to have format 3.",
            path, base.name,
        )  # fmt: skip


def _check_rows(rows: np.ndarray, key: str, expected: tuple[int, ...], path: Path) -> None:
    if rows.shape != expected:
        why = (
            "It fits another base"
            if rows.shape[:1] == expected[:1]
            else "Its header counts other rows than it holds: fetch or learn it again"
        )
        raise ConceptError(
            f"{path}: '{key}' has shape {tuple(rows.shape)}, expected {expected}. {why}."
        )
    if not np.isfinite(rows).all():
        raise ConceptError(f"{path}: '{key}' holds values that are not finite. Learn it again.")


def _check_prompts(prompts: dict[str, Any], path: Path) -> None:
    """Each prompt with slots of roles and no others."""
    known = {"{" + role + "}" for role in ROLES}
    for key, value in prompts.items():
        if strays := sorted(set(_SLOT.findall(value or "")) - known):
            raise ConceptError(
                f"{path}: prompt '{key}' in its header says {quoted(strays[0])}; known:"
                f" {', '.join(sorted(known))}. Update unictoken."
            )


def check_whole(path: str | Path) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The header of a file that is whole, and the shape of each of its tensors; torch is not
    needed.
    """
    header, tensors = _checked(Path(path))
    return header, {key: list(rows.shape) for key, rows in tensors.items()}


def _checked(path: Path, width: int | None = None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and tensors that are all there and as the header says; `width`: the base's, where it
    is known.
    """
    header, tensors = _open(path)
    counts = {role: int(header["counts"].get(role, 0)) for role in ROLES}
    present = [role for role in ROLES if counts[role]]
    biased = any(key.startswith("bias.") for key in tensors)
    expected = {f"{kind}.{role}" for kind in ["in", "out"] + ["bias"] * biased for role in present}
    if set(tensors) != expected:
        raise ConceptError(
            f"{path}: holds {sorted(tensors)}, its header promises {sorted(expected)}. Fetch or"
            " learn it again."
        )
    width = width or tensors["in.name"].size
    for key, rows in tensors.items():
        kind, role = key.split(".")
        _check_rows(rows, key, (counts[role],) if kind == "bias" else (counts[role], width), path)
    return header, tensors


def load(path: str | Path, base: Base | None = None) -> ConceptTokens:
    """The concept in a file; with a base, only if it was learned on that base."""
    path = Path(path)
    header, tensors = _checked(path, base.width if base is not None else None)
    if base is not None:
        _check_base(header, base, path)
    counts = {role: header["counts"].get(role, 0) for role in ROLES}
    present = [role for role in ROLES if counts[role]]

    import torch  # here, so that a header is read without it

    def rows_of(kind: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([tensors[f"{kind}.{role}"] for role in present]))

    return ConceptTokens(
        name=header["name"],
        class_noun=header["class_noun"],
        counts=counts,
        rows_in=rows_of("in"),
        rows_out=rows_of("out"),
        bias_out=rows_of("bias") if "bias.name" in tensors else None,
        prompts=Prompts(**header["prompts"]),
        method=header["method"],
        base_name=header["base"],
        # Format 1 knew only a part of the base. It was compared, so the whole may stand for it now.
        base_fingerprint=header["base_fingerprint"] if base is None else base.fingerprint,
        seed=header["seed"],
        scores=header["scores"],
        origin=header.get("origin", ""),
        consent=header.get("consent", False),
        notes=tuple(header.get("notes", ())),
        run=header.get("run", ""),
        source=header.get("source", ""),
        sections=header.get("sections", {}),
    )
