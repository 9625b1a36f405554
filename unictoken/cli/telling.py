"""tell: a new fact for a finished concept."""

from __future__ import annotations

import argparse
from pathlib import Path

from unictoken.cli.command import Commands, add_device, add_vq_decoder, command
from unictoken.core import shipped
from unictoken.core.config import check_seed
from unictoken.core.disk import check_folder, is_there, real_path
from unictoken.core.errors import UserError
from unictoken.core.printing import say
from unictoken.data.facts import told_fact
from unictoken.tokens import file as concept_file


def tell(options: argparse.Namespace) -> None:
    check_seed(options.seed)
    file = shipped.find_concept(options.concept)
    header = concept_file.read_header(file)
    concept_file.check_base_known(header, file)
    asked = {"question": options.question, "answer": options.answer}
    told_fact(options.fact, header["name"], **asked)  # refused before a base is loaded
    out = _out(options, file)

    from unictoken.api import load, tell

    place = options.base or header["base"]
    base = load(place, vq_decoder=options.vq_decoder, device=options.device)
    concept = concept_file.load(file, base)
    how = {"seed": options.seed, "dtype": options.dtype, "verbose": not options.quiet}
    new = tell(base, concept, options.fact, **asked, **how)
    say(concept_file.save(new, out))


def _out(options: argparse.Namespace, file: Path) -> Path:
    """Where the concept file goes: --out, or where it was."""
    if options.out:
        out = Path(options.out)
        if out.suffix != ".safetensors":
            raise UserError(f"--out {out}: expected a file that ends in .safetensors. Add it.")
        check_folder(out.parent, UserError, where="--out")
        if is_there(out) and real_path(out) != real_path(file):
            raise UserError(f"--out {out}: is there already. Choose another name, or remove it.")
        return out
    if any(real_path(file) == real_path(shipped.root() / own) for own in shipped.CONCEPTS.values()):
        raise UserError(
            f"{options.concept}: ships with the library, and is not changed. Say where the new one"
            " goes: --out FILE.safetensors"
        )
    return file


def add(commands: Commands) -> None:
    made = command(
        commands,
        "tell",
        tell,
        'teach a finished concept a new fact: unictoken tell rex "<rex> has a green hat."',
    )
    made.add_argument("concept", metavar="CONCEPT", help="a concept file, or the name of one")
    made.add_argument(
        "fact",
        metavar="FACT",
        help='a sentence: "<rex> has a green hat.", "<rex> likes to eat fish.", "<rex> lives here."',
    )
    made.add_argument(
        "--question", help='what a fact in other words answers: "what is <rex> good at?"'
    )
    made.add_argument("--answer", help="what is answered to that from now on")
    made.add_argument("--out", metavar="FILE", help="the new file; by default the concept's own")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--base", metavar="NAME", help="if not where the file's header says")
    add_vq_decoder(made)
    made.add_argument("--dtype", choices=("auto", "fp32"), default="auto", help="of learning")
    add_device(made)
