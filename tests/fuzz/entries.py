"""Where hostile inputs come in: each entry point makes one case, and gives what reads it.

A case is made in a folder of its own from a `random.Random`; the action reads it as the command, a
program or the library would, and uses what was taken.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import layouts
import mutators
import numpy as np
import small
import small_pipeline
import torch
import yaml
from mutators import Random
from PIL import Image
from safetensors.numpy import load as load_bytes
from safetensors.torch import load_file
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

from unictoken import hub
from unictoken.cli import main
from unictoken.core import config, text
from unictoken.core.pictures import looks_like, read_picture
from unictoken.data.clips import frames_of
from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.data.kinds import is_person, is_thing
from unictoken.data.opinions import read_user
from unictoken.data.rap import read_memory, write_memory
from unictoken.data.readers import read
from unictoken.data.source import check_consent, check_learnable, read_concept
from unictoken.learn import checkpoint
from unictoken.learn.from_tree import draw_from_tree
from unictoken.learn.methods import Tree
from unictoken.learn.settings import RunConfig
from unictoken.learn.textual_inversion import Inversion, invert, save_inversion
from unictoken.measure import pooled, predictions, scores
from unictoken.measure.benchmark import BenchmarkConfig, load_methods
from unictoken.measure.endpoint import EndpointConfig, EndpointJudge
from unictoken.model import adapters
from unictoken.model.base import load_base
from unictoken.model.diffusion import draw_prompts, load_pipeline
from unictoken.model.encoders import AskedEncoder, load_encoder
from unictoken.model.vq_decoder import add_decoder
from unictoken.personalize import encoder_file, sharpened
from unictoken.personalize.adapted import save_adapted
from unictoken.personalize.encode import EncoderShape, encode, encoder_for
from unictoken.personalize.gated import GATE, PictureGate
from unictoken.personalize.memory import Memory
from unictoken.personalize.profile import PROFILE
from unictoken.personalize.tokens import learned, with_tokens
from unictoken.scoring.verdict import judged_world
from unictoken.tokens import file as concept_file
from unictoken.tokens.exchange import convert
from unictoken.tokens.exchange.forms import FORMS
from unictoken.toy.concepts import toy_concept, write_toy_folder
from unictoken.toy.dataset import write_dataset
from unictoken.toy.pretrain import language

HAS_DIFFUSERS, HAS_AV = (importlib.util.find_spec(name) for name in ("diffusers", "av"))
Action = Callable[[], object]
Make = Callable[[Random, Path, "Kit"], Action]
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Entry:
    """An entry point; `share` of the cases that are tried are its."""

    name: str
    share: float
    make: Make


ENTRIES: dict[str, Entry] = {}


def entry(name: str, share: float = 1) -> Callable[[Make], Make]:
    def kept(make: Make) -> Make:
        ENTRIES[name] = Entry(name, share, make)
        return make

    return kept


class Kit:
    """Good inputs, made once in a folder of their own; cases are made from copies."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self) -> None:
        """All of them, before processes are forked that share them."""
        for name, value in vars(Kit).items():
            if isinstance(value, cached_property):
                getattr(self, name)

    @cached_property
    def base(self):
        return load_base(self.base_folder)

    @cached_property
    def base_folder(self) -> Path:
        tokenizer = small.tokenizer()
        language.save(small.model(tokenizer), tokenizer, self.folder / "base")
        return self.folder / "base"

    @cached_property
    def concept(self) -> bytes:
        made = replace(
            small.concept(self.base, shared=4, generation=2),
            prompts=replace(small.concept(self.base).prompts, subject="{generation} {name}"),
            scores={"recognition": 0.9, "vqa": 1.0},
            notes=("its pictures lie outside what the base knows",),
            sections={GATE: self.gate.section(), "of another method": {"bias": 0.5}},
            base_name=str(self.base_folder),
        )
        return concept_file.save(made, self.folder / "bo.safetensors").read_bytes()

    @property
    def gate(self) -> PictureGate:
        features = len(AskedEncoder(self.base).questions) * self.base.width
        return PictureGate(weights_F=np.zeros(features, np.float32), bias=0.5)

    @cached_property
    def projection(self) -> Path:
        asked = AskedEncoder(self.base)
        count = len(asked.questions) * self.base.width
        made = sharpened.Projection(
            centre_F=torch.zeros(count), down_FR=torch.ones(count, 2), up_RF=torch.zeros(2, count)
        )
        encoder = sharpened.SharpenedEncoder(encoder=asked, projection=made, names=("bo",))
        return sharpened.save(encoder, self.folder / "me.safetensors")

    @cached_property
    def encoder(self) -> Path:
        concept = small.concept(self.base, shared=4)
        shape = EncoderShape(
            width=8,
            layers=1,
            heads=2,
            counts=concept.counts,
            prompts=concept.prompts,
            questions=("what is it?",),
        )
        place = self.folder / "encoder.safetensors"
        return encoder_file.save(encoder_for(self.base, shape), self.base, place, steps=1)

    @cached_property
    def published(self) -> Path:
        """A folder of a published encoder's kind: DINO's, very small."""
        place = self.folder / "dino"
        shape = {"hidden_size": 16, "intermediate_size": 16, "image_size": 32, "patch_size": 16}
        told = ViTConfig(**shape, num_hidden_layers=1, num_attention_heads=2)
        ViTModel(told, add_pooling_layer=False).save_pretrained(place)
        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(place)
        return place

    @cached_property
    def pipeline(self) -> Path | None:
        return small_pipeline.write(self.folder / "pipeline") if HAS_DIFFUSERS else None

    @cached_property
    def video(self) -> bytes:
        if not HAS_AV:
            return b""
        import av

        place = self.folder / "walk.mp4"
        with av.open(str(place), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 64), "red"))
            for packet in (p for given in (*[frame] * 12, None) for p in stream.encode(given)):
                container.mux(packet)
        return place.read_bytes()

    @cached_property
    def adapters(self) -> Path:
        lora = adapters.Lora(rank=2, layers=("q_proj",))
        tokens = replace(small.concept(self.base), base_fingerprint=self.base.fingerprint)
        made = adapters.adapted(self.base, lora)
        return save_adapted(made, tokens, self.folder / "adapters")

    @cached_property
    def toy(self) -> Path:
        write_toy_folder(toy_concept(0, 0), self.folder / "toy")
        return self.folder / "toy"

    @cached_property
    def datasets(self) -> dict[str, Path]:
        places = {name: getattr(layouts, name)(self.folder / name / "bo") for name in layouts.READ}
        layouts.yollava_negatives(places["yollava"])
        layouts.mcllava_scenario(places["mcllava"])
        write_dataset(self.folder / "benchmark", seed=1, num_concepts=1, references=2)
        return {**places, "benchmark": self.folder / "benchmark"}

    @cached_property
    def memory(self) -> Path:
        picture = Image.new("RGB", (32, 32), "red")
        sources = [
            Concept(
                name=name, class_noun="dog", pictures=(picture,), facts=(f"<{name}> has a hat.",)
            )
            for name in ("bo", "mia")
        ]
        return write_memory(sources, self.folder / "memory", form="r2p").parent


# ---- concept files ----------------------------------------------------------------------------


def signed_case(
    rng: Random, path: Path, data: bytes, header: dict[str, Any], key: str, *, older: bool
) -> Path:
    """A file of tensors and a signed header that is nearly a good one; mostly its digest is right.

    Args:
        rng: Decides what is wrong with it.
        path: Where it is written.
        data: The good one.
        header: Of that.
        key: Of the header among the file's metadata.
        older: Whether an older format's digest, of rows alone, is tried now and then.
    """
    arrays = load_bytes(data)
    what = rng.random()
    if what < 0.5:
        header = mutators.mutate_value(rng, header)
    elif what < 0.75:
        arrays = mutators.mutate_arrays(rng, arrays)
    if isinstance(header, dict) and rng.random() < 0.9:
        of_rows = older and rng.random() >= 0.9
        header["sha256"] = (
            concept_file.digest(arrays)
            if of_rows
            else concept_file.digest_with_header(header, arrays)
        )
    said = (
        mutators.json_bytes(rng, header).decode(errors="replace")
        if 0.75 < what < 0.85
        else json.dumps(header)
    )
    data = mutators.safetensors_bytes(arrays, {key: said})
    if what > 0.9:
        data = (
            mutators.mutate_bytes(rng, data)
            if rng.random() < 0.5
            else mutators.mutate_safetensors_header(rng, data)
        )
    path.write_bytes(data)
    return path


def concept_case(rng: Random, folder: Path, kit: Kit) -> Path:
    """A concept file that is nearly a good one."""
    data, header = kit.concept, concept_file.read_header(kit.folder / "bo.safetensors")
    if rng.random() < 0.1:
        header["sections"][PROFILE] = rng.choice(({"items": 2}, mutators.hostile(rng)))
    return signed_case(rng, folder / "bo.safetensors", data, header, "unictoken", older=True)


@entry("concept file: load and ask", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    path, base = concept_case(rng, folder, kit), kit.base

    def use() -> None:
        concept = concept_file.load(path, base)
        spoken = with_tokens(base, concept)
        spoken.ask([f"what colour is <{concept.name}>?"], max_ids=3)
        repr(concept)
        if spoken.can_draw:
            spoken.draw_ids([f"<{concept.name}> in the snow"])

    return use


@entry("projection file: load and compare")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    header = sharpened.FILE.read(kit.projection)[0]
    data, key = kit.projection.read_bytes(), sharpened.FILE.key
    path = signed_case(rng, folder / "me.safetensors", data, header, key, older=False)
    base = kit.base
    return lambda: sharpened.load(path, base).of_ids(base.any_picture[None])


@entry("encoder file: load and encode")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    data, key = kit.encoder.read_bytes(), encoder_file.KEY
    header = encoder_file.read_header(kit.encoder)
    path = signed_case(rng, folder / "it.safetensors", data, header, key, older=False)
    base = kit.base
    return lambda: encode(encoder_file.load(path, base), base, base.any_picture[None], "dog")


@entry("concept file: show")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    path = concept_case(rng, folder, kit)
    return lambda: main(["show", str(path), *(["--json"] if rng.random() < 0.3 else [])])


@entry("concept file: publish")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    path = concept_case(rng, folder, kit)
    licence, base = (
        str(mutators.hostile(rng)),
        rng.choice((None, "user/base", str(mutators.hostile(rng)))),
    )

    def use() -> None:
        made = hub.save_card_folder(
            path, folder / "card", licence=rng.choice((None, "mit", licence)), base_model=base
        )
        check_card((made / "README.md").read_text(encoding="utf-8"))

    return use


def check_card(card: str) -> None:
    """Nothing of a concept file is code, markup or a link in its card."""
    import ast

    _, front, shown = card.split("---\n", 2)
    assert isinstance(yaml.safe_load(front), dict)
    example = shown.split("```python\n")[1].split("```")[0]
    calls = [node.func for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call)]
    names = sorted(getattr(call, "attr", getattr(call, "id", "")) for call in calls)
    assert names == ["ask", "draw", "from_pretrained", "load", "print", "save", "with_concepts"], (
        names
    )
    rest = shown.replace(example, "")
    assert "<" not in rest.replace("\\<", "") and "](h" not in rest and "\x1b" not in card


# ---- settings ---------------------------------------------------------------------------------


@entry("config: learn", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    return _config_case(rng, folder, kit, RunConfig, ("bo.yaml", "anole.yaml"))


@entry("config: benchmark")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    return _config_case(
        rng,
        folder,
        kit,
        BenchmarkConfig,
        ("eval/toy.yaml", "eval/ablations.yaml", "eval/unifybench-toy.yaml"),
    )


def _config_case(rng: Random, folder: Path, kit: Kit, kind: type, files: tuple[str, ...]) -> Action:
    source = ROOT / "configs" / rng.choice(files)
    good = source.read_text(encoding="utf-8").replace("data/bo", str(kit.toy))
    good = good.replace("methods/", f"{ROOT}/configs/methods/")
    if rng.random() < 0.5:
        good += (
            "\nendpoint:\n  url: http://localhost:1/v1\n  model: m\n"
            if kind is BenchmarkConfig
            else "\nprompts: ['<{name}> in a hat']\n"
        )
    if rng.random() < 0.4:
        good = config.to_yaml(config.load(kind, source)).replace("data/bo", str(kit.toy))
    (folder / "it.yaml").write_bytes(mutators.yaml_bytes(rng, good))
    overrides = []
    if rng.random() < 0.4:
        key = rng.choice(
            (
                "seed",
                "concept.name",
                "method.stages.0.steps",
                "method.tokens.shared",
                "methods",
                "prompts",
                "a.b",
                "method.stages.9.x",
                str(mutators.hostile(rng))[:3000],
            )
        )
        overrides = [f"{key}={str(mutators.hostile(rng))[:5000]}"]

    def use() -> None:
        settings = config.load(kind, folder / "it.yaml", overrides)
        config.to_yaml(settings)
        if isinstance(settings, RunConfig):
            from unictoken.learn.settings import concept_of

            concept_of(settings)
        else:
            load_methods(settings.methods)

    return use


# ---- pictures and folders ---------------------------------------------------------------------


@entry("picture", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    data = mutators.picture_bytes(rng)
    if rng.random() < 0.6:
        data = mutators.mutate_bytes(rng, data)
    elif rng.random() < 0.05:
        data = mutators.bomb(rng)
    path = folder / rng.choice(("a.png", "a.jpg", "a", "a.tif", "\x1b[2J.png", "a\nb.png"))
    path.write_bytes(data)

    def use() -> None:
        looks_like(path)
        read_picture(path)

    return use


@entry("folder of pictures", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = folder / "bo"
    shutil.copytree(kit.toy, place)
    info = place / "info.json"
    if rng.random() < 0.5:
        info.write_bytes(mutators.json_bytes(rng, json.loads(info.read_text(encoding="utf-8"))))
    else:
        mutators.disturb(rng, place)
    noun = rng.choice((None, "dog", str(mutators.hostile(rng))))
    facts = [str(mutators.hostile(rng))] if rng.random() < 0.2 else []
    return lambda: repr(read_concept(place, name="tom", class_noun=noun, facts=facts))


@entry("user: labels")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    shutil.copytree(kit.toy, folder / "pet")
    rows = [
        {"picture": "pet/0.png", "label": "likes"},
        {"picture": "pet/1.png", "label": "dislikes"},
        {"text": "i live in the snow.", "label": "likes"},
    ]
    place = folder / "zoe.json"
    place.write_bytes(mutators.json_bytes(rng, rows))
    if rng.random() < 0.3:
        mutators.disturb(rng, folder / "pet")
        place = rng.choice((place, folder))
    return lambda: repr(read_user(place, name="zoe", consent=True))


@entry("clip")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = folder / "walk"
    if kit.video and rng.random() < 0.6:
        endings = (".mp4", ".mov", ".avi", ".mkv", ".mpg", ".webm", ".wmv")
        place = folder / f"walk{rng.choice(endings)}"
        place.write_bytes(mutators.mutate_bytes(rng, kit.video))
    else:
        place.mkdir()
        for i in range(6):
            Image.new("RGB", (32, 32), (40 * i,) * 3).save(place / f"{i}.png")
        mutators.disturb(rng, place)

    def use() -> None:
        for frame in frames_of(place, rng.choice((1, 4, 64))):
            if isinstance(frame, Path):
                read_picture(frame)

    return use


@entry("pictures: many and large", 0.01)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = folder / "bo"
    place.mkdir()
    for i in range(40):
        (place / f"{i}.png").write_bytes(mutators.bomb(rng))
    return lambda: read_concept(place, name="bo", class_noun="dog")


# ---- other people's files ---------------------------------------------------------------------


@entry("import", 3)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    form = rng.choice(list(FORMS))
    counts = rng.choice(FORMS[form].layouts or ({"shared": 4},))
    concept = replace(small.concept(kit.base, **counts), base_fingerprint="not known")
    exported = convert.export_concept(concept, form, folder, kit.base)
    files = [path for path in exported.paths if path.suffix not in (".json", ".md")]
    path = rng.choice(files)
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        arrays = (
            mutators.mutate_arrays(rng, load_bytes(data))
            if rng.random() < 0.6
            else load_bytes(data)
        )
        data = mutators.safetensors_bytes(arrays, None)
        data = mutators.mutate_safetensors_header(rng, data) if rng.random() < 0.3 else data
    else:
        data = mutators.hostile_pickle(rng, data)
    path.write_bytes(mutators.mutate_bytes(rng, data) if rng.random() < 0.2 else data)
    if rng.random() < 0.1:
        mutators.disturb(rng, folder)

    def use() -> None:
        made = convert.import_concept(files, form=form, name="bo", class_noun="dog", base=kit.base)
        convert.save_new(made, folder / "kept")

    return use


@entry("dataset", 4)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    name = rng.choice(list(kit.datasets))
    place = folder / "bo"
    shutil.copytree(kit.datasets[name], place)
    texts = (".json", ".txt", ".jsonl", ".csv", ".yaml")
    files = [file for file in place.rglob("*") if file.suffix in texts]
    if files and rng.random() < 0.75:
        file = rng.choice(sorted(files))
        said = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            file.write_bytes(mutators.json_bytes(rng, json.loads(said)))
        else:
            file.write_text(mutators.mutate_text(rng, said), encoding="utf-8")
    else:
        mutators.disturb(rng, place)

    def use() -> None:
        found = read(place, rng.choice((None, name if name != "benchmark" else "unifybench")))
        for concept in found.concepts.values():
            if concept.kind == "user":  # of whom there is nothing to see
                continue
            noun = concept.class_noun or "dog"
            check_learnable(replace(concept, class_noun=noun, consent=True)).read()
            judged_world().read_truth(place, concept.name)
        repr((found.records, found.profiles))

    return use


@entry("memory", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = folder / "memory"
    shutil.copytree(kit.memory, place)
    file = place / "database.json"
    if rng.random() < 0.8:
        file.write_bytes(mutators.json_bytes(rng, json.loads(file.read_text(encoding="utf-8"))))
    else:
        mutators.disturb(rng, place)
    if rng.random() < 0.3:
        return lambda: main(["memory", "show", str(place)])
    return lambda: write_memory(read_memory(file), folder / "again")


@entry("a memory's file", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    file = folder / "me.memory"
    with Memory.open(file) as memory:
        memory.add_all(read_memory(kit.memory / "database.json", consent=True))
        memory.tell(Item(text="i like to eat fish."))
    file.write_bytes(mutators.mutate_bytes(rng, file.read_bytes()))

    def use() -> None:
        with Memory.open(file) as memory:
            for entry in memory.list():
                memory.pictures(entry.name)
            memory.search("who likes fish?")
            memory.tell(Item(text="i live in the snow."))
            for name in memory.names:
                memory.forget(name)

    return use


# ---- what runs leave --------------------------------------------------------------------------


@entry("adapters")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = shutil.copytree(kit.adapters, folder / "adapters")
    config_file, weights = place / adapters.CONFIG, place / adapters.WEIGHTS
    if rng.random() < 0.5:
        said = json.loads(config_file.read_text(encoding="utf-8"))
        config_file.write_bytes(mutators.json_bytes(rng, said))
    else:
        arrays = mutators.mutate_arrays(rng, load_bytes(weights.read_bytes()))
        data = mutators.safetensors_bytes(arrays, {"format": "pt"})
        weights.write_bytes(mutators.mutate_bytes(rng, data) if rng.random() < 0.3 else data)
    if rng.random() < 0.1:
        mutators.disturb(rng, place)

    def use() -> None:
        spoken = learned(kit.base, place)
        spoken.ask([f"what colour is <{spoken.name}>?"], max_ids=3)

    return use


@entry("checkpoint", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    arrays = {
        name: np.zeros((2, 5, 8), np.float32) for name in ("rows", "held", "exp_avg", "exp_avg_sq")
    }
    arrays["moves"] = np.ones(5, np.float32)
    made = checkpoint.Checkpoint(
        3, 9, "run", {name: torch.from_numpy(a) for name, a in arrays.items()}
    )
    path = checkpoint.save(made, folder)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["unictoken_checkpoint"])
    if rng.random() < 0.5:
        arrays = mutators.mutate_arrays(rng, arrays)
    else:
        header = mutators.mutate_value(rng, header)
    if isinstance(header, dict) and rng.random() < 0.8:
        header["sha256"] = concept_file.digest(arrays)
    data = mutators.safetensors_bytes(arrays, {"unictoken_checkpoint": json.dumps(header)})
    path.write_bytes(mutators.mutate_bytes(rng, data) if rng.random() < 0.2 else data)
    if rng.random() < 0.1:
        mutators.disturb(rng, folder)

    def use() -> None:
        newest = checkpoint.newest(folder)
        if newest:
            found = checkpoint.load(newest, "run")
            assert 0 <= found.step <= found.total and found.tensors["rows"].shape[0] == 2

    return use


def _lines(rng: Random, good: list[Any]) -> bytes:
    """JSON lines of which one or more are another."""
    lines = [json.dumps(line).encode() for line in good]
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(good))
        lines[at] = mutators.json_bytes(rng, good[at]).replace(b"\n", b" ")
    return b"\n".join(lines) + rng.choice((b"\n", b"", b"\n\n", b"\n{"))


@entry("predictions", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    told = {"concept": "bo", "method": "joint", "question": "what?", "expected": "a hat", "given": "a hat", "score": 1.0, "picture": "bo/0.png"}  # fmt: skip
    asked = ("vqa", "positive", "negative_easy", "palette", "caption", "knowledge", "drawn")
    good = [
        {**told, "task": task, "run": "a", "row": i, "rows": len(asked)}
        for i, task in enumerate(asked, 1)
    ]
    good[3] |= {"given": "[1, 2, 3]", "expected": "[196, 30, 58]"}
    path = folder / "toy.jsonl"
    path.write_bytes(_lines(rng, good))
    if rng.random() < 0.05:
        mutators.disturb(rng, folder)

    def use() -> None:
        kept = predictions.Predictions(path, run="a")
        scores.scores(list(kept))
        scores.scores(predictions.read(path))

    return use


@entry("tables: pool")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    rows = [
        {"concept": name, "method": method, "vqa": 0.5, "palette": 12.0}
        for name in ("bo", "mia")
        for method in ("joint", "none")
    ]
    told = {"command": "python eval/run.py", "seed": 1, "base": "b", "rows": rows, "mean": {}}
    paths = [folder / "a.json", folder / "b.json"]
    for path, seed in zip(paths, (1, 2), strict=True):
        path.write_bytes(mutators.json_bytes(rng, told | {"seed": seed}))
    if rng.random() < 0.05:
        mutators.disturb(rng, folder)

    def use() -> None:
        found = pooled.pool(paths[: rng.choice((1, 2))])
        text = pooled.text_of(found, "Methods", ("vqa", "palette"), found.rows[0]["method"])
        shown = "".join(line for line in text.splitlines() if not line.startswith("    "))
        assert "<" not in shown and "](h" not in shown and "\x1b" not in text

    return use


@entry("verdicts")
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    good = [
        {
            "key": f"{i}",
            "model": "m",
            "asked": "?",
            "pictures": [],
            "said": '{"score": 1}',
            "score": 1.0,
        }
        for i in range(3)
    ]
    path = folder / "verdicts.jsonl"
    path.write_bytes(_lines(rng, good))
    if rng.random() < 0.05:
        mutators.disturb(rng, folder)
    return lambda: EndpointJudge(EndpointConfig(url="http://localhost:1/v1", model="m"), path)


@entry("judge: its weights and accuracy", 0.5)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = ROOT / "checkpoints" / "judge"
    arrays = load_bytes((place / "model.safetensors").read_bytes())
    data = mutators.safetensors_bytes(mutators.mutate_arrays(rng, arrays), None)
    (folder / "judge.safetensors").write_bytes(
        mutators.mutate_bytes(rng, data) if rng.random() < 0.3 else data
    )
    told = json.loads((place / "accuracy.json").read_text(encoding="utf-8"))
    (folder / "accuracy.json").write_bytes(mutators.json_bytes(rng, told))
    if rng.random() < 0.1:
        mutators.disturb(rng, folder)
    world, path = judged_world(), folder / "judge.safetensors"
    return rng.choice((lambda: world.load_judge(path), lambda: world.judge_accuracy(path)))


# ---- bases ------------------------------------------------------------------------------------


@entry("base", 1)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = folder / "base"
    shutil.copytree(kit.base_folder, place)
    files = [file for file in sorted(place.glob("*.json")) if file.name != "tokenizer.json"]
    file = rng.choice(files if rng.random() < 0.8 else [place / "tokenizer.json"])
    what = rng.random()
    if what < 0.6:
        file.write_bytes(mutators.json_bytes(rng, json.loads(file.read_text(encoding="utf-8"))))
    elif what < 0.7:
        told = json.loads((place / "config.json").read_text(encoding="utf-8"))
        group = rng.choice((told, told["vq_config"]))
        group[rng.choice(list(group))] = rng.choice(mutators.NUMBERS)
        (place / "config.json").write_text(json.dumps(told), encoding="utf-8")
    elif what < 0.8:
        weights = place / "model.safetensors"
        tensors = load_file(weights)  # some are in bf16, which numpy lacks
        arrays = mutators.mutate_arrays(rng, {n: t.float().numpy() for n, t in tensors.items()})
        weights.write_bytes(mutators.safetensors_bytes(arrays, {"format": "pt"}))
    else:
        mutators.disturb(rng, place)

    def use() -> None:
        base = load_base(place)
        with_tokens(base, small.concept(base)).ask(["what colour is <bo>?"], max_ids=2)
        if rng.random() < 0.2:
            few = Tree(positives=1, negatives=1, drawn=1)
            draw_from_tree(base, base.any_picture[None], "dog", few, seed=0).to_json()

    return use


@entry("published encoder", 0.5)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    place = Path(shutil.copytree(kit.published, folder / "dino"))
    file, what = rng.choice(sorted(place.glob("*.json"))), rng.random()
    told = json.loads(file.read_text(encoding="utf-8"))
    if what < 0.5:
        file.write_bytes(mutators.json_bytes(rng, told))
    elif what < 0.7:
        told[rng.choice(list(told))] = rng.choice(mutators.NUMBERS)
        file.write_text(json.dumps(told), encoding="utf-8")
    elif what < 0.85:
        weights = place / "model.safetensors"
        arrays = mutators.mutate_arrays(rng, load_bytes(weights.read_bytes()))
        weights.write_bytes(mutators.safetensors_bytes(arrays, {"format": "pt"}))
    else:
        mutators.disturb(rng, place)
    shown = [Image.new("RGB", (40, 30), "red")]
    return lambda: load_encoder("dino-vit-s16", place).pictures(shown)


if HAS_DIFFUSERS:

    @entry("pipeline: load, learn and draw", 0.5)
    def _(rng: Random, folder: Path, kit: Kit) -> Action:
        place = Path(shutil.copytree(kit.pipeline, folder / "pipeline"))
        files = sorted(file for file in place.rglob("*.json") if file.name != "vocab.json")
        file, what = rng.choice(files), rng.random()
        told = json.loads(file.read_text(encoding="utf-8"))
        if what < 0.5:
            file.write_bytes(mutators.json_bytes(rng, told))
        elif what < 0.7 and isinstance(told, dict) and told:
            told[rng.choice(list(told))] = rng.choice(mutators.NUMBERS)
            file.write_text(json.dumps(told), encoding="utf-8")
        elif what < 0.85:
            weights = rng.choice(sorted(place.rglob("*.safetensors")))
            arrays = mutators.mutate_arrays(rng, load_bytes(weights.read_bytes()))
            weights.write_bytes(mutators.safetensors_bytes(arrays, {"format": "pt"}))
        else:
            mutators.disturb(rng, place)
        word = str(mutators.hostile(rng))[:300] if rng.random() < 0.2 else "dog"

        def use() -> None:
            pipeline = load_pipeline(place)
            shown, how = [Image.new("RGB", (32, 32), "red")], Inversion(steps=1, batch=1)
            rows = invert(pipeline, shown, name="bo", class_noun=word, how=how)
            save_inversion(rows, "bo", folder)
            draw_prompts(pipeline, [word], seed=0, steps=1)

        return use


@entry("vq_decoder", 1)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    tokenizer = kit.base.model.model.vqmodel
    tensors = {name: t.clone() for name, t in tokenizer.state_dict().items()}
    path = folder / rng.choice(("vqgan.ckpt", "vqgan.safetensors"))
    if path.suffix == ".ckpt":
        torch.save({"state_dict": tensors}, path)
        path.write_bytes(mutators.hostile_pickle(rng, path.read_bytes()))
    else:
        arrays = mutators.mutate_arrays(rng, {name: t.numpy() for name, t in tensors.items()})
        path.write_bytes(mutators.safetensors_bytes(arrays, None))
    if rng.random() < 0.1:
        mutators.disturb(rng, folder)
    return lambda: add_decoder(tokenizer, path)


# ---- words and the command line ---------------------------------------------------------------


@entry("texts", 2)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    words = str(mutators.hostile(rng))
    said = mutators.mutate_text(rng, rng.choice(("<bo> wearing a hat", "a photo of <bo>", words)))
    uses = (
        lambda: text.picture_prompt(text.mark(said, "bo", where="prompt")),
        lambda: text.check_markers(said, ["bo"], where="question"),
        lambda: concept_file.check_noun(said, where="'bo'"),
        lambda: concept_file.check_name(said),
        lambda: is_person(concept_file.check_noun(said, where="'bo'")),
        lambda: is_thing(concept_file.check_noun(said, where="'bo'")),
        lambda: check_consent(concept_file.check_noun(said, where="'bo'"), False, where="'bo'"),
        lambda: text.a(concept_file.check_noun(said, where="'bo'")),
        lambda: with_tokens(kit.base, small.concept(kit.base)).ask([said], max_ids=2),
        lambda: with_tokens(kit.base, small.concept(kit.base)).recaption(said),
    )
    return rng.choice(uses)


@entry("command line", 3)
def _(rng: Random, folder: Path, kit: Kit) -> Action:
    (folder / "bo.safetensors").write_bytes(kit.concept)
    Image.new("RGB", (32, 32)).save(folder / "a.png")
    spoken = ["--concept", "bo.safetensors", "--base", str(kit.base_folder)]
    word, number = str(mutators.hostile(rng))[:60_000], str(rng.choice(mutators.NUMBERS))
    kinds = [
        [
            "draw",
            "<bo>",
            *spoken,
            rng.choice(
                ("--num-images", "--seed", "--top-p", "--temperature", "--guidance", "--previews")
            ),
            number,
        ],
        [
            "draw",
            rng.choice(("<bo>", word)),
            *spoken,
            "--num-images",
            "1",
            "--out",
            # A home or a folder above that its user names is where it is wanted.
            rng.choice(("out", word[:400].lstrip("~").replace("..", "."))),
        ],
        ["ask", word, *spoken],
        ["ask", "what is <bo>?", *spoken, "--image", rng.choice(("a.png", word[:3000]))],
        ["ask", "what is <bo>?", rng.choice(("--concept", "--words", "--pictures")), word[:5000]],
        ["recognize", rng.choice((".", "a.png", word[:3000])), *spoken],
        ["pet", "--seed", number, "--name", rng.choice(("bo", word[:300])), "--out", "pet"],
        ["benchmark", "--seed", "1", "--num-concepts", number, "--out", "data"],
        ["memory", "show", word[:3000], "--memory", "m"],
        ["memory", "remember", word, "--memory", "m"],
        ["memory", "search", word, "--memory", "m"],
        ["show", word[:3000]],
        [
            "learn",
            "a.png",
            "--name",
            rng.choice(("bo", word)),
            "--class",
            word,
            "--set",
            f"{word[:50]}={word[:500]}",
            "--method",
            rng.choice(("joint", word[:300])),
        ],
        [
            "import",
            "a.png",
            "--form",
            "yollava",
            "--name",
            "bo",
            "--class-noun",
            word,
            "--counts",
            f"shared={number}",
        ],
        [word[:100], word],
    ]
    arguments = rng.choice(kinds)
    if arguments[0] == "benchmark" and number in ("255", "65536", "7", "3"):  # many pets take long
        arguments[4] = "0"
    return lambda: main([argument.replace("\0", "0") for argument in arguments])


def cases(number: int) -> Iterator[tuple[str, int]]:
    """So many cases spread over the entry points, each its entry's name and a number."""
    whole = sum(one.share for one in ENTRIES.values())
    for one in ENTRIES.values():
        # At least one of each, but for what takes seconds.
        least = 1 if one.share >= 0.5 or number >= 500 else 0
        for i in range(max(least, round(number * one.share / whole))):
            yield one.name, i


def case(seed: int, name: str, number: int) -> Random:
    """The numbers that make a case what it is."""
    return Random(f"{seed} {name} {number}")
