"""show, import, export, publish: concept files and other people's."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from unictoken import hub
from unictoken.cli.command import command
from unictoken.concept import exchange
from unictoken.concept import file as concept_file
from unictoken.core.config import ConfigError
from unictoken.data.source import check_consent
from unictoken.model.base import load_base


def show(options: argparse.Namespace) -> None:
    header = concept_file.read_header(options.file)
    concept = concept_file.load(options.file)
    print(json.dumps(header, indent=1, ensure_ascii=False))
    print(f"rows: {tuple(concept.rows_in.shape)} in and out, {Path(options.file).stat().st_size:,} bytes")


def import_(options: argparse.Namespace) -> None:
    if options.base and options.base_name:
        raise ConfigError("--base and --base-name: give one; a base that is at hand has its name.")
    check_consent(options.class_noun, options.consent, where=f"'{options.name}'")
    concept_file.check_free([concept_file.path_of(options.name, options.out)])
    exchange.check_files(options.files, form=options.form)
    concept = exchange.import_concept(
        options.files,
        form=options.form,
        name=options.name,
        class_noun=options.class_noun,
        base=load_base(options.base) if options.base else options.base_name,
        counts=exchange.said_counts(options.counts),
    )
    print(exchange.save_new(replace(concept, consent=options.consent), options.out))


def export(options: argparse.Namespace) -> None:
    exported = exchange.export_concept(concept_file.load(options.file), options.form, options.out)
    print(*exported.paths, sep="\n")
    if exported.left_out:
        print(f"not in these files: {', '.join(exported.left_out)}")


def publish(options: argparse.Namespace) -> None:
    told = {"drawings": options.drawings, "base_model": options.base_model, "licence": options.licence}
    if options.folder:
        print(hub.save_card_folder(options.file, options.folder, **told))
    else:
        print(hub.push_to_hub(options.file, options.repo, private=options.private, **told))


def add(commands) -> None:
    command(commands, "show", show, "what is inside a concept file").add_argument("file")
    importing = command(commands, "import", import_, "other people's learned tokens as a concept file")
    importing.add_argument("files", nargs="+", metavar="FILE", help="the files of one concept, such as best-token.pt best-lmhead.pt")
    importing.add_argument("--name", required=True)
    importing.add_argument("--class-noun", required=True, metavar="NOUN")
    importing.add_argument("--base", metavar="DIR", help="the base that the rows were learned on; without it they are kept, not spoken with")
    importing.add_argument("--base-name", metavar="NAME", help="its name, where it is not at hand")
    importing.add_argument("--counts", nargs="+", default=[], metavar="ROLE=N", help="where the number of rows does not tell: shared=16")
    importing.add_argument("--consent", action="store_true", help="the person agreed to be learned")
    importing.add_argument("--out", default="checkpoints/concepts", metavar="DIR")
    exporting = command(commands, "export", export, "a concept file as other people's")
    exporting.add_argument("file")
    exporting.add_argument("--out", required=True, metavar="DIR")
    for made in (importing, exporting):
        made.add_argument("--form", required=True, choices=exchange.FORMS)
    publishing = command(commands, "publish", publish, "a concept file with a card, on the Hub or in a folder")
    publishing.add_argument("file")
    where = publishing.add_mutually_exclusive_group(required=True)
    where.add_argument("--repo", metavar="USER/NAME", help="on the Hub")
    where.add_argument("--folder", metavar="DIR", help="here, as it would be published")
    publishing.add_argument("--drawings", nargs="+", default=[], metavar="PICTURE", help="pictures that the concept drew, for its card")
    publishing.add_argument("--base-model", metavar="NAME", help="the base's name on the Hub")
    publishing.add_argument("--licence", help="the base's, where it is not known")
    publishing.add_argument("--private", action="store_true")
