"""Imports and exports of concepts; the package's docstring lists the formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unictoken.core.disk import write_aside
from unictoken.core.text import ROLES, ConceptError
from unictoken.model.protocol import Base
from unictoken.tokens.exchange.files import read_rows, to_bytes
from unictoken.tokens.exchange.forms import Form, form_of
from unictoken.tokens.file import check_free, check_name, check_noun, is_of_base, path_of, save
from unictoken.tokens.start import start_rows
from unictoken.tokens.tokens import UNKNOWN, ConceptTokens


@dataclass(frozen=True)
class Exported:
    """The files that were written, and what of the concept they cannot hold."""

    paths: tuple[Path, ...]
    left_out: tuple[str, ...]


def import_concept(
    files: Sequence[str | Path],
    *,
    form: str,
    name: str,
    class_noun: str,
    base: Base | str | None = None,
    counts: Mapping[str, int] | None = None,
) -> ConceptTokens:
    """A concept from another project's files.

    Head rows that a format lacks begin as the class noun's, so it needs the base. A head's bias is
    kept unless it is zero; leave its file out to use the rows without it.

    Args:
        files: All files of the concept.
        form: The project, by the name of its format.
        name: What people then write as `<name>`.
        class_noun: An ordinary word for the concept.
        base: What the rows were learned on, on the caller's word. Or only its name, where it is not
            at hand: such a concept can be kept, shown and exported, but not used.
        counts: Rows by role, where their number alone does not decide it.
    """
    kept = form_of(form)
    check_name(name)
    class_noun = check_noun(class_noun, where=f"'{name}'")
    places = kept.places(files)
    rows = _read(kept, places)
    counts = kept.counts(len(rows["in"]), counts, where=str(places["in"]))
    origin = f"{form}: {', '.join(path.name for path in places.values())}"
    if "out" not in rows:
        rows["out"] = _head_of_noun(base, class_noun, counts, where=str(places["in"]))
        origin += f"; head rows of '{class_noun}'"
    concept = ConceptTokens(
        name=name,
        class_noun=class_noun,
        counts=counts,
        rows_in=rows["in"],
        rows_out=rows["out"],
        bias_out=rows["bias"] if "bias" in rows and rows["bias"].any() else None,
        prompts=kept.prompts_for(counts),
        method=form,
        base_name=base if isinstance(base, str) else UNKNOWN,
        base_fingerprint=UNKNOWN,
        origin=origin,
    )
    return concept if base is None or isinstance(base, str) else adopt(concept, base)


def check_files(files: Sequence[str | Path], *, form: str) -> None:
    """Refuse files that cannot be imported, before a base is read for them."""
    kept = form_of(form)
    _read(kept, kept.places(files))


def _read(kept: Form, places: Mapping[str, Path]) -> dict[str, torch.Tensor]:
    """[R, D] in and out, [R] of a bias."""
    rows = (
        dict(kept.packing.read(places["in"]))
        if kept.packing
        else {kind: read_rows(path) for kind, path in places.items()}
    )
    # One vector of shape [D]: diffusers reads such a file too.
    if "out" not in rows and rows["in"].ndim == 1:
        rows["in"] = rows["in"][None]
    shape = rows["in"].shape
    if len(shape) != 2:
        raise ConceptError(f"{places['in']}: found shape {tuple(shape)}, expected (rows, width).")
    for kind, expected in (("out", shape), ("bias", shape[:1])):
        if kind in rows and rows[kind].shape != expected:
            found = tuple(rows[kind].shape)
            where = places.get(kind, places["in"])
            raise ConceptError(
                f"{where}: found shape {found}, expected {tuple(expected)} as in"
                f" {places['in'].name}."
            )
    return rows


def _head_of_noun(
    base: Base | str | None, class_noun: str, counts: Mapping[str, int], *, where: str
) -> torch.Tensor:
    """Head rows [R, D], as every concept's begin."""
    if base is None or isinstance(base, str):
        raise ConceptError(
            f"{where}: holds no head rows, so no model could say the concept. Give the base: they"
            f" begin as its '{class_noun}'."
        )
    # Without pictures: 'noun' looks at none.
    return start_rows(base, class_noun, torch.empty(0), counts, start="noun", seed=0)[1].cpu()


def adopt(concept: ConceptTokens, base: Base) -> ConceptTokens:
    """An imported concept as one of this base, on the caller's word: the rows themselves show their
    width and no more.
    """
    if concept.base_fingerprint != UNKNOWN and not is_of_base(concept.base_fingerprint, base):
        raise ConceptError(
            f"'{concept.name}': learned on base '{concept.base_name}', this one is '{base.name}'."
            " Use that base."
        )
    if concept.rows_in.shape[1] != base.width:
        raise ConceptError(
            f"'{concept.name}': rows of width {concept.rows_in.shape[1]}, base '{base.name}' has"
            f" {base.width}. Name the base that it was learned on."
        )
    if concept.bias_out is not None:
        raise ConceptError(
            f"'{concept.name}': learned under a head with a bias, base '{base.name}' has none. "
            "Name the base that it was learned on, or leave out the file of the bias."
        )
    return replace(concept, base_name=base.name, base_fingerprint=base.fingerprint)


def save_new(concept: ConceptTokens, folder: str | Path) -> Path:
    """Keep a concept under its own name, where none has it yet."""
    path = path_of(concept.name, folder)
    check_free([path])
    return save(concept, path, new=True)


def export_concept(
    concept: ConceptTokens, form: str, folder: str | Path, base: Base | None = None
) -> Exported:
    """Write a concept as another project's files, in fp32 whatever it was imported from.

    Args:
        concept: What is written.
        form: The project, by the name of its format.
        folder: Where its files go.
        base: The concept's, for a format that names ids of a vocabulary (peft).
    """
    kept = form_of(form)
    check_name(concept.name)
    for role in ROLES[1:]:
        if concept.counts.get(role, 0) and role not in kept.roles:
            raise ConceptError(
                f"'{concept.name}': has {concept.counts[role]} {role} tokens, '{form}' knows name"
                f" and {', '.join(kept.roles)}. Choose another format."
            )
    folder = Path(folder)
    if kept.packing:
        packed = kept.packing.write(adopt(concept, base) if base else concept, base, folder)
        data = {folder / name: written for name, written in packed.items()}
    else:
        data = _file_by_kind(concept, kept, folder)
    # Before any is written: all files or none.
    check_free(data)
    for path, written in data.items():
        write_aside(path, written)
    return Exported(tuple(data), _left_out(concept, kept))


def _file_by_kind(concept: ConceptTokens, kept: Form, folder: Path) -> dict[Path, bytes]:
    """A file for each kind of rows."""
    bias = torch.zeros(len(concept.rows_out)) if concept.bias_out is None else concept.bias_out
    rows = {"in": concept.rows_in, "out": concept.rows_out, "bias": bias}
    return {
        folder / f"{kept.stem}{ending}": to_bytes(
            # A copy: of a view, `torch.save` writes the whole storage that it looks into.
            rows[kind].detach().float().cpu().clone(),
            concept.marker,
            ending,
        )
        for kind, ending in kept.endings.items()
    }


def _left_out(concept: ConceptTokens, kept: Form) -> tuple[str, ...]:
    lost = {
        "head rows": "out" not in kept.endings and kept.packing is None,
        "head bias": "bias" not in kept.endings and concept.bias_out is not None,
        # Without layouts every row after the name is read back as one role.
        "roles": not kept.layouts and sum(map(bool, concept.counts.values())) > 2,
        "prompts": concept.prompts != kept.prompts_for(concept.counts),
    }
    # Of a concept behind a gate the gate, of a user what the labels answer.
    sections = (f"section '{name}'" for name in sorted(concept.sections))
    return (*(what for what, is_lost in lost.items() if is_lost), *sections)
