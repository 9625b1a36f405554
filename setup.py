from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="unictoken",
    version="0.1.0",
    description="Concept tokens for early-fusion models: five pictures in, one small file out that talks about the concept and draws it.",
    long_description=Path(__file__).with_name("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["unictoken", "unictoken.*"]),
    install_requires=[
        "torch>=2.11",
        "transformers>=5.20",
        "deepspeed>=0.19.8",
        "safetensors>=0.5",
        "huggingface_hub>=1.0",
        "tokenizers>=0.22",
        "einops>=0.8",
        "pillow>=11",
        "numpy>=2",
        "pyyaml>=6",
        "tqdm>=4.66",
        "tensorboard>=2.18",
    ],
    extras_require={
        "test": ["pytest>=8", "pytest-xdist>=3.6", "ruff>=0.9", "markdown-it-py>=3", "diffusers>=0.35"],
        "hub": ["accelerate>=1.5", "diffusers>=0.35", "peft>=0.17"],
        "heic": ["pillow-heif>=0.18"],
    },
    entry_points={"console_scripts": ["unictoken = unictoken.cli:main"]},
)
