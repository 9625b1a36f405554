"""The memory of RAP and RePIC, and R2P's kind of it: concepts in words, each with a picture or
several, in one `database.json`.

    {"concept_dict": {"<bo>": {"name": "bo", "image": "memory/bo.png", "info": "<bo> is a brown dog.", "category": "dog"}},
     "path_to_concept": {"memory/bo.png": "<bo>"}}
    R2P: "image": ["memory/bo.png"], "info": {"category": "dog", "general": ["<bo> is a brown dog."], "distinct features": ["a white ear"]}

Their programs take a picture's path from where they were started, most often the folder above the
memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from unictoken.core.disk import folder_aside, is_file, is_folder, quoted, real_path, write_aside
from unictoken.core.pictures import check_picture, read_together, write_picture
from unictoken.core.reading import read_json
from unictoken.core.text import ConceptError, check_markers
from unictoken.data.concept import Concept
from unictoken.data.kinds import Kind
from unictoken.data.source import SourceError, check_consent, check_keys
from unictoken.tokens.file import check_free, check_name, check_noun

MAX_BYTES = 64 * 2**20
_KEYS = {"name": str, "image": (str, list), "info": (str, dict), "category": str}
_PLAIN = "general"  # R2P's attribute that is a sentence; every other one is a few words
_ATTRIBUTE = re.compile(r"([a-z][a-z /]*): (.+)", re.DOTALL)


def read_memory(
    path: str | Path,
    *,
    pictures: str | Path | None = None,
    consent: bool = False,
    kind: Kind | None = None,
) -> list[Concept]:
    """Every concept of a `database.json`, in its order.

    RAP's `info` becomes one fact, R2P's one for each thing it says ('distinct features: a white
    ear').

    Args:
        path: The file.
        pictures: The folder that its pictures lie in, by default that of the file; nothing outside
            it is read.
        consent: The people among them agreed to be learned.
        kind: What those are whose category is no known word.
    """
    path = Path(path)
    memory = _read_json(path)
    concepts, owners = memory["concept_dict"], memory["path_to_concept"]
    if strays := [
        key for key in owners.values() if not isinstance(key, str) or key not in concepts
    ]:
        raise SourceError(
            f"{path}: path_to_concept names {quoted(strays[0])}, concept_dict does not. Add it"
            " there, or remove the picture."
        )
    folder = real_path(pictures or path.parent)
    return [
        _concept(key, entry, owners, folder, f"{path}: {quoted(key)}", consent, kind)
        for key, entry in concepts.items()
    ]


def write_memory(
    concepts: Sequence[Concept], folder: str | Path, *, form: Literal["rap", "r2p"] = "rap"
) -> Path:
    """Write concepts as a memory: `database.json`, and every picture as `<name>/<i>.png`. Questions
    and negatives have no place in it.

    The folder is new or empty; it is written aside and renamed, whole or not at all. RAP shows one
    picture of a concept; the others are found by likeness through `path_to_concept`.
    """
    folder = real_path(folder)
    _check_writable(concepts, folder)
    with folder_aside(folder) as aside:
        _write_into(aside, concepts, folder.name, form)
    return folder / "database.json"


def _write_into(
    aside: Path, given: Sequence[Concept], called: str, form: Literal["rap", "r2p"]
) -> None:
    """The files of a memory whose folder will be `called` so."""
    concepts, owners = {}, {}
    for concept in given:
        # Paths begin with the memory's own folder: RAP's programs are started above it.
        files = [f"{called}/{concept.name}/{i}.png" for i in range(len(concept.pictures))]
        for i, picture in enumerate(read_together(concept.pictures)):
            write_picture(picture, aside / concept.name / f"{i}.png")
        concepts[concept.marker] = {
            "name": concept.name,
            "image": files if form == "r2p" else files[0],
            "info": _attributes(concept) if form == "r2p" else " ".join(concept.facts),
            "category": concept.class_noun,
        }
        owners |= dict.fromkeys(files, concept.marker)
    # The two keys by which RAP's own programs read it.
    whole = {"concept_dict": concepts, "path_to_concept": owners}
    write_aside(
        aside / "database.json", (json.dumps(whole, indent=4, ensure_ascii=False) + "\n").encode()
    )


def _check_writable(concepts: Sequence[Concept], folder: Path) -> None:
    names = [check_name(concept.name) for concept in concepts]
    if not is_folder(folder) or any(folder.iterdir()):
        check_free([folder])
    if not concepts:
        raise SourceError(f"{folder}: no concepts to write. Give one or more.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise SourceError(f"{folder}: two concepts are named '{twice[0]}'. Give each its own name.")
    if empty := [concept.name for concept in concepts if not concept.pictures]:
        raise SourceError(
            f"'{empty[0]}': no pictures. A memory shows one of every concept. Give it one."
        )


def _attributes(concept: Concept) -> dict[str, str | list[str]]:
    """R2P's `info`: facts by attribute, those of none under 'general'."""
    attributes: dict[str, list[str]] = {}
    for fact in concept.facts:
        # 'distinct features: a white ear' is R2P's attribute and its value.
        said = _ATTRIBUTE.fullmatch(fact)
        attributes.setdefault(said[1] if said else _PLAIN, []).append(said[2] if said else fact)
    return {"category": concept.class_noun, **attributes}


def _read_json(path: Path) -> dict[str, dict]:
    if is_file(path) and path.stat().st_size > MAX_BYTES:
        raise SourceError(
            f"{path}: {path.stat().st_size:,} bytes, expected at most {MAX_BYTES:,}. A memory holds"
            " words, not pictures."
        )
    memory = read_json(path, SourceError)
    _check_keys(memory, {"concept_dict": dict, "path_to_concept": dict}, str(path))
    if not memory["concept_dict"]:
        raise SourceError(f"{path}: its concept_dict is empty. Expected one concept or more.")
    return memory


def _check_keys(found: object, kinds: Mapping[str, type | tuple[type, ...]], where: str) -> None:
    """A mapping with these keys and no other, each of its kind."""
    if not isinstance(found, dict):
        raise SourceError(
            f"{where}: found a {type(found).__name__}, expected a mapping with {', '.join(kinds)}."
        )
    check_keys(found, kinds, where)
    for key, kind in kinds.items():
        if not isinstance(found.get(key), kind):
            expected = " or ".join(
                k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,))
            )
            raise SourceError(f"{where}: '{key}' is {quoted(found.get(key))}, expected {expected}.")


def _concept(
    key: str,
    entry: object,
    owners: Mapping[str, str],
    folder: Path,
    where: str,
    consent: bool,
    kind: Kind | None,
) -> Concept:
    """One concept of a memory.

    Args:
        key: Its marker.
        entry: What the memory says of it.
        owners: Whose picture each file is.
        folder: Where the pictures lie.
        where: What an error names.
        consent: The people among them agreed to be learned.
        kind: What it is, where its category is no known word.
    """
    _check_keys(entry, _KEYS, where)
    name = entry["name"]
    try:
        check_name(name)
    except ConceptError as error:
        raise SourceError(f"{where}: {error}") from None
    if key != f"<{name}>":
        raise SourceError(
            f"{where}: its name is '{name}', expected the key '<{name}>'. Call it the same in both"
            " places."
        )
    check_noun(entry["category"], where=where)
    check_consent(entry["category"], consent, where=where, kind=kind)
    shown = _texts(entry["image"], where, "image")
    # Those under 'image' first: `write_memory` gives RAP the first picture to show.
    own = dict.fromkeys([*shown, *(file for file, owner in owners.items() if owner == key)])
    if strays := [file for file in shown if owners.get(file, key) != key]:
        raise SourceError(
            f"{where}: path_to_concept gives its picture {quoted(strays[0])} to"
            f" {quoted(owners[strays[0]])}. Give it to one of them."
        )
    if not own:
        raise SourceError(
            f"{where}: no picture, neither under 'image' nor in path_to_concept. Name one."
        )
    facts = tuple(_facts(entry, where))
    for fact in facts:
        check_markers(fact, [name], where=where)
    files = tuple(_picture_file(file, folder, where) for file in own)
    for file in files:
        check_picture(file)
    return Concept(
        name=name,
        class_noun=entry["category"],
        pictures=files,
        facts=facts,
        consent=consent,
        kind=kind,
    )


def _facts(entry: dict, where: str) -> list[str]:
    """What `info` says, without the category, which is the class noun, and without attributes that
    were left empty.
    """
    if isinstance(entry["info"], str):
        return [entry["info"]] if entry["info"].strip() else []
    said = {
        key: _texts([] if value is None else value, where, f"info: {key}")
        for key, value in entry["info"].items()
    }
    return [
        text if key == _PLAIN else f"{key}: {text}"
        for key, texts in said.items()
        if key != "category"
        for text in texts
    ]


def _texts(found: object, where: str, key: str) -> list[str]:
    """One text or a list of them."""
    texts = found if isinstance(found, list) else [found]
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise SourceError(f"{where}: '{key}' holds {quoted(text)}, expected text.")
    return texts


def _picture_file(file: str, folder: Path, where: str) -> Path:
    """Where a picture lies: its path may begin at any folder above, and must end inside this
    one.
    """
    for start in (folder, *folder.parents):
        try:
            # Resolved before it is compared: '..' and links may lead out of the folder.
            path = real_path(start / file)
            if path.is_relative_to(folder) and is_file(path):
                return path
        except (OSError, ValueError):  # a name that no file can have
            break
    raise SourceError(
        f"{where}: picture {file[:200]!r} is not in {folder}. Put it there, or name the folder that"
        " it is in."
    )
