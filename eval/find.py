"""Search by a concept's name: how early "<tom> on the beach" finds its pictures.

    python eval/find.py --config configs/eval/unifybench-toy.yaml
    python eval/find.py --config CONFIG --set data=ConCon-Chi

Without `data:` an album of the toy world is looked through, of 168 pictures of which two are right.
With it, the queries of a dataset that has some (ConCon-Chi, PerVL) look through its own pool.

The concepts are those of the benchmark; what it has learned already is used. Beside their tokens:
the same concepts as one picture each, in words, as their class nouns, and orders by lot; of a
dataset also the tokens with a query of names alone; and features in the place of likelihood, of each
`--encoder`: of one that reads words the whole query, of every one names alone. A table in `--out`,
and the same as JSON beside it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from unictoken.core import config
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/find.py")  # in the seconds of the imports below

from tqdm import tqdm

from unictoken.core.errors import UserError
from unictoken.core.own import add_import, import_files
from unictoken.core.pictures import read_shrunk
from unictoken.core.text import a, markdown
from unictoken.data.concept import Concept
from unictoken.data.records import Dataset, Record
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig, method_named
from unictoken.measure.results import check_page, commit, write_means
from unictoken.measure.searches import (
    FIRST,
    Search,
    means,
    names_alone,
    score_by_lot,
    score_searches,
    searches_of,
)
from unictoken.model.base import load_base
from unictoken.model.encoders import ASKED, Encoder, load_encoder, text_half
from unictoken.model.malloc import keep_freed_memory
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.pictures import pictured
from unictoken.personalize.query import Personalization, Seen
from unictoken.personalize.session import Session
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.toy.concepts import truth_of
from unictoken.toy.search import album_of, searches_in
from unictoken.toy.world.descriptions import describe

PROGRAM = "eval/find.py"
CHANCE = "by lot"
OF_AN_ALBUM = (2, 10)  # two pictures of it are right


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Searches that name the same concepts and look through one pool."""

    concepts: tuple[Concept, ...]
    searches: Sequence[Search]
    pool: Seen
    records: Sequence[Record] = ()
    """Of a dataset, what the searches were made of."""

    @property
    def at(self) -> tuple[int, ...]:
        return FIRST if self.records else OF_AN_ALBUM

    @property
    def alone(self) -> list[Search]:
        """The same searches by names and nothing else."""
        return names_alone(self.searches, [concept.name for concept in self.concepts])

    def row(self, way: str, scores: Sequence[dict[str, float]]) -> list[dict]:
        """Rows of the table: one for each query of a dataset, and one of an album."""
        named = {"concept": "+".join(concept.name for concept in self.concepts), "way": way}
        if not self.records:
            return [{**named, **means(scores)}]
        asked = zip(self.searches, scores, strict=True)
        return [{**named, "query": search.prompt, **numbers} for search, numbers in asked]


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/eval/toy.yaml")
    parser.add_argument("--method", default="joint", help="one of the config's methods")
    parser.add_argument("--concepts", type=int, metavar="N", help="the first N; all by default")
    parser.add_argument(
        "--encoder",
        action="append",
        metavar="NAME",
        help=f"features to look by, such as clip-vit-b32; several: once for each; {ASKED} by default",
    )
    parser.add_argument("--out", default="results/find.md", metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    add_import(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    import_files(options.own_files)
    settings = config.load(BenchmarkConfig, options.config, options.set)
    method = method_named(options.method, settings.methods)
    out = check_page(options.out)
    keep_freed_memory()
    base = load_base(settings.base, kind=PersonalBase)
    weights = settings.encoder_weights
    # Before anything is learned: one that is not there is refused.
    encoders = [
        load_encoder(name, weights.get(name), base=base)
        for name in dict.fromkeys(options.encoder or [ASKED])
    ]
    benchmark = Benchmark(settings, base, {options.method: method}, commit=commit())
    most = len(benchmark.concepts)
    config.within("--concepts", most if options.concepts is None else options.concepts, 1, most)
    concepts = benchmark.concepts[: options.concepts]
    if settings.data:
        _check_searches(benchmark.dataset, concepts)
    with benchmark.held():
        benchmark.learn()
    ways: dict[str, Callable[[Concept], Personalization]] = {
        options.method: lambda c: with_tokens(base, benchmark.tokens(c, method)),
        "image_prompt_1": lambda c: pictured(base, c.name, list(c.pictures[:1])),
        "text_prompt": lambda c: in_words(base, c.name, _described(c)),
        "class_noun": lambda c: in_words(base, c.name, f"{{name}} is {a(c.class_noun)}."),
    }
    all_asked = (
        _of_dataset(base, benchmark.dataset, concepts)
        if settings.data
        else _of_albums(base, concepts, settings.seed)
    )
    rows = []
    for asked in tqdm(all_asked, desc="searches"):
        for name, put_on in ways.items():
            chat = base.with_concepts(*map(put_on, asked.concepts))
            rows += asked.row(name, score_searches(chat, asked.searches, asked.pool, asked.at))
            if asked.records and name == options.method:
                scores = score_searches(chat, asked.alone, asked.pool, asked.at)
                rows += asked.row(f"{name}, names alone", scores)
            if name == options.method:  # it knows the class nouns
                for encoder in encoders:
                    rows += by_features(chat, asked, encoder)
        rows += asked.row(CHANCE, score_by_lot(asked.searches, settings.seed, asked.at))
    told = _told_of_dataset if settings.data else _told_of_albums
    about = f"{told(rows, len(concepts), settings)} commit {commit()}."
    write_means(
        out,
        "Search by a concept's name",
        about,
        rows,
        way="way",
        command=shlex.join(["python", PROGRAM, *arguments]),
        notes=benchmark.dataset.notes,
    )
    say(str(out))


def by_features(chat: Session, asked: Asked, encoder: Encoder) -> list[dict]:
    """Rows of searches by an encoder's features: of the whole queries where it reads words, and of
    names alone.

    Args:
        chat: A base with the concepts on it, which knows their class nouns.
        asked: The searches.
        encoder: What makes the features.
    """
    pictures = {concept.name: concept.pictures for concept in asked.concepts}
    how = {"by": "features", "encoder": encoder, "references": pictures}
    ways = {f"features ({encoder.name})": asked.searches} if text_half(encoder) else {}
    ways[f"features ({encoder.name}), names alone"] = asked.alone
    rows = []
    for way, searches in ways.items():
        rows += asked.row(way, score_searches(chat, searches, asked.pool, asked.at, **how))
    return rows


# ---- what is looked for --------------------------------------------------------------------------


def _of_albums(base: PersonalBase, concepts: Sequence[Concept], seed: int) -> Iterator[Asked]:
    """Every place of a toy album of each concept."""
    for concept in concepts:
        album = album_of(concept, seed)
        pictures = tuple(one.picture for one in album)
        yield Asked(
            concepts=(concept,),
            searches=searches_in(album, concept.name),
            pool=Seen(base.encode(pictures), pictures),
        )


def _searching(dataset: Dataset, concepts: Sequence[Concept]) -> list[Record]:
    """The searches of a dataset that name these concepts and no others."""
    known = {concept.name for concept in concepts}
    return [
        record
        for concept in concepts
        for record in dataset.select(concept.name, "find", split="test")
        if known.issuperset(record.concepts)
    ]


def _check_searches(dataset: Dataset, concepts: Sequence[Concept]) -> None:
    """Refuse a dataset without searches before anything is learned."""
    if not _searching(dataset, concepts):
        raise UserError(
            f"{dataset.root}: found no searches of these {len(concepts)} concepts in layout"
            f" '{dataset.layout}'. Use data of ConCon-Chi or PerVL, or `data: null`, the toy world."
        )


def _of_dataset(
    base: PersonalBase, dataset: Dataset, concepts: Sequence[Concept]
) -> Iterator[Asked]:
    """The searches of a dataset, by the concepts that they name; each pool is encoded once."""
    groups: dict[tuple[str, tuple[str, ...]], list[Record]] = {}
    for record in _searching(dataset, concepts):
        groups.setdefault((record.pool, record.concepts), []).append(record)
    seen: dict[str, Seen] = {}
    for (name, named), records in groups.items():
        pool = dataset.pools[name]
        if name not in seen:
            seen[name] = Seen(base.encode(map(read_shrunk, pool)), pool)
        yield Asked(
            concepts=tuple(dataset.concepts[each] for each in named),
            searches=searches_of(records, pool),
            pool=seen[name],
            records=records,
        )


def _described(concept: Concept) -> str:
    """A concept in a sentence about '{name}': of the toy world all that pictures show."""
    if concept.truth is not None:
        return f"{{name}} is {describe(truth_of(concept).subject)}."
    said = concept.description or f"{concept.marker} is {a(concept.class_noun)}."
    return said.replace(concept.marker, "{name}")


# ---- the table -----------------------------------------------------------------------------------


def _told_of_albums(_: Sequence[dict], concepts: int, settings: BenchmarkConfig) -> str:
    return (
        '"<tom> on the beach", and every other place, in an album of 168 pictures:'
        f" {concepts} toy concepts (seed {settings.seed}), in each place two pictures of"
        " the concept, three near-duplicates, three that differ in one attribute, twenty others."
        " Right are the two of the concept in that place. *first is it*, *first is there*: whether"
        " the first picture shows the concept, and the place. *names alone*: the query is '<tom>'."
        " ±: half-width of the 95 % t interval over concepts;"
    )


def _told_of_dataset(rows: Sequence[dict], concepts: int, settings: BenchmarkConfig) -> str:
    queries = sum(row["way"] == CHANCE for row in rows)
    return (
        f"{queries} queries of {markdown(str(settings.data))}, of {concepts} concepts. R@k: the"
        " share of the right pictures among the first k; hit@k: whether one is there, which"
        " ConCon-Chi calls R@k. *names alone*: the query is '<a> and <b>'. ±: half-width of the 95 % t"
        " interval over queries;"
    )


if __name__ == "__main__":
    main()
