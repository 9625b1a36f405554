"""Learn a concept as a row of a diffusion pipeline (textual inversion), and draw it: the baseline
for drawings that concept tokens are compared with.

    python train/textual_inversion.py photos --pipeline stable-diffusion --name rex --class dog \\
        --out runs/rex-inversion "a photo of <rex> on the beach"

The folder of the pipeline is what `save_pretrained` of diffusers wrote. Into `--out` go
learned_embeds.safetensors, which `pipeline.load_textual_inversion` reads, and a picture of each
prompt; what lies there already stays, and is refused. It needs `pip install
'unictoken[diffusion]'`, and is not resumed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("train/textual_inversion.py")  # in the seconds of the imports below

from unictoken.core import config
from unictoken.core.disk import check_folder, is_there
from unictoken.core.errors import UserError
from unictoken.core.lock import hold
from unictoken.core.pictures import write_picture
from unictoken.core.printing import say
from unictoken.core.progress import bar
from unictoken.data.kinds import SAID_KINDS
from unictoken.data.source import check_learnable, read_concept
from unictoken.learn.folder import LOCK
from unictoken.learn.textual_inversion import LEARNED, Inversion, invert, save_inversion
from unictoken.model.diffusion import draw_prompts, load_pipeline, working

PROGRAM = "train/textual_inversion.py"


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, invert_from, arguments)


def invert_from(arguments: Sequence[str]) -> None:
    usual = Inversion()
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", help="a folder of three to five pictures")
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="drawn at the end")
    parser.add_argument("--pipeline", required=True, metavar="FOLDER")
    parser.add_argument("--name", required=True)
    parser.add_argument("--class", required=True, dest="class_noun", metavar="NOUN")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--batch", type=int, default=usual.batch)
    parser.add_argument("--lr", type=float, default=usual.lr)
    parser.add_argument("--vectors", type=int, default=usual.vectors, help="rows of the concept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=SAID_KINDS, help="where no known word says what it is")
    parser.add_argument("--consent", action="store_true", help="of a person: they agreed")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    config.check_seed(options.seed)
    how = Inversion(
        steps=options.steps, batch=options.batch, lr=options.lr, vectors=options.vectors
    )
    out = Path(options.out)
    drawings = [out / f"{i:02d}.png" for i in range(len(options.prompts))]
    _check_new(out, [out / LEARNED, *drawings])
    concept = read_concept(
        options.pictures,
        name=options.name,
        class_noun=options.class_noun,
        kind=options.kind,
        consent=options.consent,
    )
    concept = check_learnable(concept).read()
    pipeline = load_pipeline(options.pipeline)
    with hold(out / LOCK, str(out), instead="Or choose another `--out`"):
        _check_new(out, [out / LEARNED, *drawings])  # again: a run may just have ended there
        with bar("learning", how.steps, "step") as done:
            rows = invert(
                pipeline,
                concept.pictures,
                name=concept.name,
                class_noun=concept.class_noun,
                how=how,
                seed=options.seed,
                show=lambda step, loss: done(1),
            )
        say(str(save_inversion(rows, concept.name, out)))
        with working(pipeline, "read what it learned"):
            pipeline.load_textual_inversion(str(out), local_files_only=True, use_safetensors=True)
        pictures = draw_prompts(pipeline, options.prompts, seed=options.seed)
        for picture, place in zip(pictures, drawings, strict=True):
            write_picture(picture, place)
            say(str(place))


def _check_new(out: Path, files: Sequence[Path]) -> None:
    """Refuse a folder that cannot be written into, or holds what would be replaced."""
    check_folder(out, UserError, where="--out")
    if taken := next(filter(is_there, files), None):
        raise UserError(
            f"--out {out}: {taken.name} is there already, and would be replaced. Choose another"
            " folder, or remove it."
        )


if __name__ == "__main__":
    main()
