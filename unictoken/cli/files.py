"""show, import, export, publish: concept files and other people's."""

from __future__ import annotations

import argparse
from dataclasses import replace

from unictoken.cli.command import Commands, add_json, add_kind, command
from unictoken.core import shipped
from unictoken.core.config import ConfigError
from unictoken.core.printing import one_line, say, say_json
from unictoken.data.source import check_consent
from unictoken.tokens import file as concept_file
from unictoken.tokens.exchange.forms import FORMS, said_counts


def show(options: argparse.Namespace) -> None:
    path = shipped.find_concept(options.file)
    header, shapes = concept_file.check_whole(path)
    shown = {"file": str(path), **header, "bytes": path.stat().st_size, "shapes": shapes}
    if options.json:
        say_json(**shown)
        return
    counts = ", ".join(f"{n} {role}" for role, n in header["counts"].items() if n)
    shown["counts"] = f"{counts}; each [{shapes['in.name'][1]}] in and out"
    del shown["shapes"]
    for key, value in shown.items():
        if value not in ({}, []):
            say(f"{key + ':':18}{one_line(_plain(value))}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(item)}" for key, item in value.items() if item)
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def import_(options: argparse.Namespace) -> None:
    if options.base and options.base_name:
        raise ConfigError("--base and --base-name: give one; a base that is at hand has its name.")
    where = f"'{options.name}'"
    noun = concept_file.check_noun(options.class_noun, where=where)
    check_consent(noun, options.consent, where=where, kind=options.kind)
    concept_file.check_free([concept_file.path_of(options.name, options.out)])
    counts = said_counts(options.counts)

    # Here: torch takes seconds, and everything above is refused without it.
    from unictoken.model.base import load_base
    from unictoken.tokens.exchange import convert as exchange

    # Before the base, which takes seconds to load.
    exchange.check_files(options.files, form=options.form)
    concept = exchange.import_concept(
        options.files,
        form=options.form,
        name=options.name,
        class_noun=options.class_noun,
        base=load_base(options.base) if options.base else options.base_name,
        counts=counts,
    )
    say(exchange.save_new(replace(concept, consent=options.consent), options.out))


def export(options: argparse.Namespace) -> None:
    path = shipped.find_concept(options.file)
    # Only to refuse a file that is no concept file, before torch is imported.
    header = concept_file.read_header(path)
    place = (options.base or header["base"]) if FORMS[options.form].packing else None
    if place:
        shipped.find_base(place)

    from unictoken.model.base import load_base
    from unictoken.tokens.exchange import convert as exchange

    base = load_base(place) if place else None
    exported = exchange.export_concept(
        concept_file.load(path, base), options.form, options.out, base
    )
    say(*exported.paths, sep="\n")
    if exported.left_out:
        say(f"not in these files: {', '.join(exported.left_out)}")


def publish(options: argparse.Namespace) -> None:
    path = shipped.find_concept(options.file)
    # As in `export`: refused before torch is imported.
    concept_file.read_header(path)

    from unictoken import hub

    told = {
        "drawings": options.drawings,
        "base_model": options.base_model,
        "licence": options.licence,
        "kind": options.kind,
    }
    if options.folder:
        say(hub.save_card_folder(path, options.folder, **told))
    else:
        say(hub.push_to_hub(path, options.repo, private=options.private, **told))


def add(commands: Commands) -> None:
    showing = command(commands, "show", show, "what is inside a concept file")
    showing.add_argument(
        "file", help="a concept file, or the name of one in checkpoints/concepts; mia ships"
    )
    add_json(showing)
    importing = command(
        commands, "import", import_, "other people's learned tokens as a concept file"
    )
    importing.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="the files of one concept, such as best-token.pt best-lmhead.pt; of peft its folder",
    )
    importing.add_argument("--name", required=True)
    importing.add_argument("--class-noun", required=True, metavar="NOUN")
    importing.add_argument(
        "--base",
        metavar="DIR",
        help="the base that the rows were learned on; without it they are kept, not spoken with",
    )
    importing.add_argument("--base-name", metavar="NAME", help="its name, where it is not at hand")
    importing.add_argument(
        "--counts",
        nargs="+",
        default=[],
        metavar="ROLE=N",
        help="where the number of rows does not tell: shared=16",
    )
    importing.add_argument("--consent", action="store_true", help="the person agreed to be learned")
    add_kind(importing)
    importing.add_argument("--out", default=str(shipped.LEARNED), metavar="DIR")
    exporting = command(commands, "export", export, "a concept file as other people's")
    exporting.add_argument("file")
    exporting.add_argument("--out", required=True, metavar="DIR")
    exporting.add_argument(
        "--base",
        metavar="NAME",
        help="for peft, whose files name ids of a base: if not where the file's header says",
    )
    for made in (importing, exporting):
        made.add_argument("--form", required=True, choices=FORMS)
    publishing = command(
        commands, "publish", publish, "a concept file with a card, on the Hub or in a folder"
    )
    publishing.add_argument("file")
    where = publishing.add_mutually_exclusive_group(required=True)
    where.add_argument("--repo", metavar="USER/NAME", help="on the Hub")
    where.add_argument("--folder", metavar="DIR", help="here, as it would be published")
    publishing.add_argument(
        "--drawings",
        nargs="+",
        default=[],
        metavar="PICTURE",
        help="pictures that the concept drew, for its card",
    )
    publishing.add_argument("--base-model", metavar="NAME", help="the base's name on the Hub")
    publishing.add_argument("--licence", help="the base's, where it is not known")
    add_kind(publishing)
    publishing.add_argument("--private", action="store_true")
