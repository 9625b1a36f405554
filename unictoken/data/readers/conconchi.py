"""ConCon-Chi (CVPR 2024, doi:10.48557/QJ1166): concepts in contexts, to be found and to be drawn.

    data/annotations/{train,test}.json    {"concepts": descriptions of each, "max_gts", "max_concepts",
                                          "data": [{"LABEL": "* on a chair", "CONCEPTS": [3],
                                                    "GTS": ["3/0.jpg"], "ADDITIONAL GTS": [...],
                                                    "KIND": "..."}, ...]}
    data/images/                          the pictures that GTS name

A row of the training file has one concept, and its pictures are the concept's. Each row of the test
file gives two records: a search, and a prompt for a drawing. A search looks through every picture
of the test file's GTS; right are those of its own GTS and of ADDITIONAL GTS. Rows of kind
'negative' bring pictures to look through and ask nothing. In LABEL each '*' is a concept, in their
order.

The fourth concept is named 'c3'. Of its descriptions the longest becomes its description and the
shortest its class noun. The layout is that of the published loader; no file was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unictoken.core.disk import is_there
from unictoken.core.pictures import check_picture
from unictoken.core.shapes import Anything, Fields, ListOf, Maybe, Text, Whole, check
from unictoken.data.concept import Concept
from unictoken.data.readers.examples import notes
from unictoken.data.readers.files import find_picture, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "data/annotations/{train,test}.json beside data/images/"
TRAIN, TEST = (Path("data", "annotations", f"{part}.json") for part in ("train", "test"))
IMAGES = Path("data", "images")
POOL = "test"
NEGATIVE = "negative"  # the kind of rows that ask nothing
PLACE = "*"  # what stands for a concept in a text
_PATHS = ListOf(Text(1000, least=1), 10_000)
_ROW = Fields(
    {"LABEL": Text(least=1), "CONCEPTS": ListOf(Whole(), 100), "GTS": _PATHS},
    {"ADDITIONAL GTS": Maybe(_PATHS), "KIND": Maybe(Text(100))},
    others=True,
)
_FILE = Fields({"concepts": Anything(), "data": ListOf(_ROW, 200_000)}, others=True)


def fits(root: Path) -> bool:
    return is_there(root / TRAIN) and is_there(root / TEST)


def read(root: Path) -> Dataset:
    train, test = (_Part(root, root / file) for file in (TRAIN, TEST))
    texts = train.descriptions()
    names = Names.of((f"c{i}" for i in range(len(texts))), root / TRAIN)
    all_names = [names[folder] for folder in names.folders]
    concepts = {
        name: _concept(name, texts[i], train.pictures_of_concept(i))
        for i, name in enumerate(all_names)
    }
    left_out: Counter[str] = Counter()
    pool = test.pool()
    records: dict[str, list[Record]] = {name: [] for name in all_names}
    for record in _records(test, names, all_names, pool, left_out):
        records[record.concepts[0]].append(record)
    return Dataset(
        layout="conconchi",
        root=root,
        concepts=concepts,
        records={name: tuple(own) for name, own in records.items()},
        notes=notes(left_out),
        pools={POOL: pool},
    )


class _Part:
    """One of the two files, and the pictures that it names."""

    def __init__(self, root: Path, path: Path):
        self.root, self.path = root, path
        self.value = check(read_json(path), _FILE, path, DataError)
        self._found: dict[str, Path] = {}

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Place and row."""
        return ((f"{self.path}: data[{i}]", row) for i, row in enumerate(self.value["data"]))

    def find(self, image: str, where: str) -> Path:
        """A picture, looked at once however many rows name it."""
        if image not in self._found:
            found = find_picture(image, root=self.root, beside=self.root / IMAGES, where=where)
            check_picture(found)
            self._found[image] = found
        return self._found[image]

    def knows(self, image: str) -> bool:
        """Whether a picture was found before."""
        return image in self._found

    def pool(self) -> tuple[Path, ...]:
        """Every picture of GTS, once, in the order of the rows."""
        found = (self.find(image, where) for where, row in self.rows() for image in row["GTS"])
        return tuple(dict.fromkeys(found))

    def pictures_of_concept(self, number: int) -> tuple[Path, ...]:
        """The pictures of the rows about one concept alone; one or more."""
        own = [(where, row) for where, row in self.rows() if row["CONCEPTS"] == [number]]
        found = dict.fromkeys(self.find(image, where) for where, row in own for image in row["GTS"])
        if not found:
            raise DataError(
                f"{self.path}: found no picture of concept {number} alone, expected a row with"
                f" CONCEPTS [{number}]. Add one."
            )
        return tuple(found)

    def descriptions(self) -> list[list[str]]:
        """The texts of each concept. `concepts` is a table: a list of rows, or columns by name,
        each a list or a mapping of numbers to cells.
        """
        table = self.value["concepts"]
        if isinstance(table, Mapping):
            columns = [
                [*column.values()] if isinstance(column, Mapping) else column
                for column in table.values()
            ]
            if not all(isinstance(column, list) for column in columns):
                raise self._no_table()
            # Not strict: what a shorter column lacks is said by the others.
            longest = max(map(len, columns), default=0)
            rows = [[column[i] for column in columns if i < len(column)] for i in range(longest)]
        elif isinstance(table, list):
            rows = [[*row.values()] if isinstance(row, Mapping) else [row] for row in table]
        else:
            raise self._no_table()
        texts = [[cell for cell in row if isinstance(cell, str) and cell.strip()] for row in rows]
        for row in texts:
            check(row, ListOf(Text(), 100), f"{self.path}: concepts", DataError)
        return texts

    def _no_table(self) -> DataError:
        return DataError(f"{self.path}: concepts: found no table, expected texts of each concept.")


def _concept(name: str, texts: Sequence[str], pictures: tuple[Path, ...]) -> Concept:
    by_length = sorted(texts, key=len)
    description = f"<{name}> is {by_length[-1].strip()}." if len(by_length) > 1 else ""
    return Concept(
        name=name,
        class_noun=by_length[0] if by_length else "",
        kind="object",
        pictures=pictures,
        description=description,
    )


def _records(
    test: _Part,
    names: Names,
    all_names: Sequence[str],
    pool: Sequence[Path],
    left_out: Counter[str],
) -> Iterator[Record]:
    """A search and a prompt for each row that asks.

    Args:
        test: The test file.
        names: Of all concepts.
        all_names: The same in the order of their numbers.
        pool: What is looked through.
        left_out: Counts the rows that are not read, by why.
    """
    in_pool = set(pool)
    for where, row in test.rows():
        if row.get("KIND") == NEGATIVE:
            continue
        own = _named(row, all_names, where)
        label = _marked(row["LABEL"], own)
        if not label:
            left_out[f"{test.path}: other numbers of '{PLACE}' and of CONCEPTS"] += 1
            continue
        question = names.mark(label, own[0], where)
        said = {"split": "test", "concepts": own, "where": where, "question": question}
        said["kind"] = row.get("KIND") or ""
        # Pictures of the training file may be named too: nobody looks through them.
        more = filter(test.knows, row.get("ADDITIONAL GTS") or ())
        right = [test.find(image, where) for image in (*row["GTS"], *more)]
        right = [file for file in dict.fromkeys(right) if file in in_pool]
        if right:
            yield Record(task="find", pictures=tuple(right), pool=POOL, **said)
        yield Record(task="generate", **said)


def _named(row: dict[str, Any], all_names: Sequence[str], where: str) -> tuple[str, ...]:
    """The names of a row's concepts, by their numbers."""
    numbers = row["CONCEPTS"]
    if not numbers or max(numbers) >= len(all_names):
        raise DataError(
            f"{where}: found CONCEPTS {numbers}, expected numbers from 0 to {len(all_names) - 1}."
            " Mend it."
        )
    return tuple(all_names[number] for number in dict.fromkeys(numbers))


def _marked(label: str, own: Sequence[str]) -> str:
    """A text with markers in the places of its concepts; '' where their numbers differ.

    >>> _marked("* beside a cup", ["c1"]), _marked("* on *", ["c1", "c2"]), _marked("*", ["c1", "c2"])
    ('<c1> beside a cup', '<c1> on <c2>', '')
    """
    first, *rest = label.split(PLACE)
    # One concept may be named again.
    names = list(own) * len(rest) if len(own) == 1 else own
    if not rest or len(names) != len(rest):
        return ""
    parts = [f"<{name}>{part}" for name, part in zip(names, rest, strict=True)]
    return "".join([first, *parts])
