"""Learn a concept as a row of a diffusion pipeline (textual inversion), and draw it: the baseline
for drawings that concept tokens are compared with.

    python train/textual_inversion.py photos --pipeline stable-diffusion --name rex --class dog \\
        --out runs/rex-inversion "a photo of <rex> on the beach"

The folder of the pipeline is what `save_pretrained` of diffusers wrote. Into `--out` go
learned_embeds.safetensors, which `pipeline.load_textual_inversion` reads, and a picture of each
prompt. It needs `pip install 'unictoken[diffusion]'`, and is not resumed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("train/textual_inversion.py")  # in the seconds of the imports below

from unictoken.core import config
from unictoken.core.disk import make_folder
from unictoken.core.pictures import write_picture
from unictoken.core.printing import say
from unictoken.core.progress import bar
from unictoken.data.source import check_learnable, read_concept
from unictoken.learn.textual_inversion import Inversion, invert, save_inversion
from unictoken.model.diffusion import draw_prompts, load_pipeline

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
    parser.add_argument("--consent", action="store_true", help="of a person: they agreed")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    config.check_seed(options.seed)
    how = Inversion(
        steps=options.steps, batch=options.batch, lr=options.lr, vectors=options.vectors
    )
    concept = read_concept(
        options.pictures,
        name=options.name,
        class_noun=options.class_noun,
        consent=options.consent,
    )
    concept = check_learnable(concept).read()
    pipeline, out = load_pipeline(options.pipeline), Path(options.out)
    make_folder(out)
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
    pipeline.load_textual_inversion(str(out), local_files_only=True, use_safetensors=True)
    drawn = draw_prompts(pipeline, options.prompts, seed=options.seed)
    for i, picture in enumerate(drawn):
        write_picture(picture, out / f"{i:02d}.png")
        say(str(out / f"{i:02d}.png"))


if __name__ == "__main__":
    main()
