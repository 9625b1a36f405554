"""DreamBooth's pictures and prompts (arXiv 2208.12242), DreamBench for short.

    <subject>/{00..05}.jpg   prompts_and_classes.txt: 'subject,class' rows, prompts for objects, prompts for live subjects

Subjects of the list that have no folder are noted. A prompt such as 'a {0} {1} in the snow' becomes
'a <dog6> in the snow': with the class noun in the marker's place it is the published text that
CLIP-T compares pictures with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unictoken.core.disk import is_there
from unictoken.core.reading import read_text
from unictoken.core.text import check_length
from unictoken.data.concept import Concept
from unictoken.data.readers.files import folders_of, pictures_of
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "prompts_and_classes.txt beside <subject>/*.jpg"
LIST = "prompts_and_classes.txt"
LIVE = ("cat", "dog")
SECTIONS = ("Classes", "Object Prompts", "Live Subject Prompts")
_PROMPT = re.compile(r"""['"](.*)['"]\s*\.format\(""")


def fits(root: Path) -> bool:
    return is_there(root / LIST)


def read(root: Path) -> Dataset:
    path = root / LIST
    sections = _sections(path)
    nouns = _nouns(sections["Classes"], path)
    prompts = {
        live: _prompts(sections[title], title, path)
        for live, title in ((False, SECTIONS[1]), (True, SECTIONS[2]))
    }
    folders = [folder.name for folder in folders_of(root)]
    if strays := [folder for folder in folders if folder not in nouns]:
        raise DataError(
            f"{path}: says no class for the folder '{strays[0]}'. Add a line '{strays[0]},<class>',"
            " or take the folder away."
        )
    if not folders:
        raise DataError(
            f"{root}: found no folder of a subject beside {LIST}, expected some of"
            f" {', '.join(list(nouns)[:3])}, ..."
        )
    names = Names.of(folders, root)
    concepts, records = {}, {}
    for folder in folders:
        live, name = nouns[folder] in LIVE, names[folder]
        concepts[name] = Concept(
            name=name,
            class_noun=nouns[folder],
            kind="animal" if live else "object",
            pictures=pictures_of(root / folder),
        )
        where = f"{path}[{SECTIONS[1 + live]}]"
        records[name] = tuple(_records(names, folder, prompts[live], where))
    missing = len(set(nouns) - set(folders))
    return Dataset(
        layout="dreambench",
        root=root,
        concepts=concepts,
        records=records,
        notes=(f"{path}: {missing} subjects have no folder.",) if missing else (),
    )


def _sections(path: Path) -> dict[str, list[str]]:
    """The lines under each title."""
    sections: dict[str, list[str]] = {}
    # For what stands before the first title: it is dropped.
    under: list[str] = []
    for line in filter(None, map(str.strip, read_text(path, DataError).splitlines())):
        check_length(line, f"{path}: a line", DataError)
        if line in sections:
            raise DataError(f"{path}: the title '{line}' is given twice. Keep one.")
        if line in SECTIONS:
            under = sections[line] = []
        else:
            under.append(line)
    if absent := [title for title in SECTIONS if title not in sections]:
        raise DataError(
            f"{path}: found no '{absent[0]}', expected the titles {', '.join(SECTIONS)}."
        )
    return sections


def _nouns(lines: list[str], path: Path) -> dict[str, str]:
    """Class nouns by subject."""
    nouns: dict[str, str] = {}
    for line in lines:
        subject, comma, noun = (part.strip() for part in line.partition(","))
        if line == "Prompts" or subject == "subject_name":
            continue
        if not comma or not subject or not noun or "," in noun:
            raise DataError(f"{path}: found '{line}', expected 'subject,class'.")
        if subject in nouns:
            raise DataError(f"{path}: '{subject}' is listed twice. Keep one.")
        nouns[subject] = noun
    return nouns


def _prompts(lines: list[str], title: str, path: Path) -> list[str]:
    """The prompts of a list, in which '{0} {1}' stands for the subject."""
    prompts = [found[1] for line in lines if (found := _PROMPT.search(line))]
    if not prompts:
        raise DataError(
            f"{path}: found no prompts under '{title}', expected lines such as 'a {{0}} {{1}} in"
            " the snow'.format(...)."
        )
    for prompt in prompts:
        if prompt.count("{0} {1}") != 1 or "{" in prompt.replace("{0} {1}", ""):
            raise DataError(
                f"{path}: the prompt '{prompt}' under '{title}' does not say '{{0}} {{1}}' once for"
                " the subject and its class. Mend it, or fetch the file again."
            )
    return prompts


def _records(names: Names, folder: str, prompts: list[str], where: str) -> Iterator[Record]:
    name = names[folder]
    for i, prompt in enumerate(prompts):
        question = names.mark(prompt.replace("{0} {1}", f"<{name}>"), name, f"{where}[{i}]")
        yield Record(
            task="generate",
            split="test",
            concepts=(name,),
            where=f"{where}[{i}]",
            question=question,
            kind="plain",
        )
