"""Sharing a concept: a folder with its file and a card, on the Hub or anywhere else.

    <folder>/  bo.safetensors  README.md (the card)  drawings/0.png ...

The reference pictures are in neither the file nor the folder. A person's concept is published only
if its header says that the person agreed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from huggingface_hub import EvalResult, HfApi, ModelCardData, snapshot_download
from huggingface_hub.utils import validate_repo_id

from unictoken.core import shipped
from unictoken.core.disk import folder_aside, is_folder, is_there, quoted
from unictoken.core.errors import UserError
from unictoken.core.pictures import read_picture
from unictoken.core.text import a, markdown, python_literal
from unictoken.data.kinds import SaidKind, is_person, is_thing
from unictoken.measure.report import NO_TEST
from unictoken.model.internals import HTTPError
from unictoken.model.protocol import Base
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens

TAGS = ("unictoken", "concept-tokens", "personalization")
CHAMELEON = {"license": "other", "license_name": "chameleon-research-license"}
# Rows learned on a base come under its licence; by a part of the base's name, the first that fits.
LICENCES = {"chameleon": CHAMELEON, "anole": CHAMELEON}
# a base's weights: never fetched in a concept's place
NO_CONCEPTS = ("model.safetensors", "model-*.safetensors")
# Scores that a model-index holds: the Hub's name of the task, and what the number means.
METRICS = {
    "recognition": (
        "image-classification",
        "is it in the picture, balanced: pictures of it against look-alikes and others",
    ),
    "recognition_near_duplicates": (
        "image-classification",
        "the same, against look-alikes that fit its description",
    ),
    "vqa": ("visual-question-answering", "exact answers about pictures of it"),
    "text_qa": ("question-answering", "exact answers about it without a picture"),
    "identity": ("text-to-image", "drawings with all its attributes, as a judge reads them"),
    "prompt": ("text-to-image", "drawings that show what the prompt asks, as a judge reads them"),
}

USE = """With the library unictoken installed (`pip install .` in its repository), in any folder:

```python
import unictoken

base = unictoken.load({base})
chat = base.with_concepts(unictoken.from_pretrained({where}, base))
chat.draw({prompt}).save({picture})
print(chat.ask({question}))
```

For plain `transformers` and `peft`: `unictoken export FILE --form peft --out adapter` writes an
adapter, and how it is asked."""


class HubError(UserError):
    """A concept that cannot be published or fetched: where, what was found, what was expected."""


def push_to_hub(
    path: str | Path,
    repo_id: str,
    *,
    drawings: Sequence[str | Path] = (),
    base_model: str | None = None,
    licence: str | None = None,
    kind: SaidKind | None = None,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Publish a concept file with a card; gives the address of the commit.

    Everything that can be refused is refused before anything is sent.

    Args:
        path: The concept file.
        repo_id: USER/NAME on the Hub; a repository that is there gets another commit.
        drawings: Picture files that the concept drew, for the card.
        base_model: The base's name on the Hub; None: the one in the file's header.
        licence: The base's; None: the one known for it, and refused where none is.
        kind: What it is, where its class noun is no known word and its header says no consent.
        private: Whether a new repository is private.
        token: Of the Hub; None: the one of `hf auth login`.
    """
    # `validate_repo_id` takes a name without its user too.
    if "/" not in repo_id:
        raise HubError(f"'{repo_id}': expected USER/NAME, such as 'user/bo'.")
    try:
        validate_repo_id(repo_id)
    except ValueError as error:
        raise HubError(
            f"'{repo_id}': {_one_line(error)} Expected USER/NAME, such as 'user/bo'."
        ) from None
    with tempfile.TemporaryDirectory() as aside:
        folder = save_card_folder(
            path,
            Path(aside) / "card",
            drawings=drawings,
            base_model=base_model,
            licence=licence,
            kind=kind,
            where=repo_id,
        )
        api = HfApi(token=token)
        try:
            api.create_repo(repo_id, private=private, exist_ok=True)
            return str(
                api.upload_folder(
                    repo_id=repo_id,
                    folder_path=folder,
                    commit_message=f"{Path(path).name} and its card",
                )
            )
        except (OSError, ValueError, HTTPError) as error:
            raise HubError(
                f"'{repo_id}': the Hub refused it ({_one_line(error)}). Look at your token (`hf"
                " auth whoami`) and the name."
            ) from None


def save_card_folder(
    path: str | Path,
    folder: str | Path,
    *,
    drawings: Sequence[str | Path] = (),
    base_model: str | None = None,
    licence: str | None = None,
    kind: SaidKind | None = None,
    where: str | None = None,
) -> Path:
    """A folder to be shared: the concept file, its card, and the drawings that are given, without
    their metadata. Written whole or not at all.

    Args:
        path: The concept file.
        folder: One that is not there yet.
        drawings: Picture files that the concept drew.
        base_model: The base's name on the Hub, in place of a folder of this machine; None: the one
            in the file's header.
        licence: The base's; None: the one known for it, and refused where none is.
        kind: What it is, where its class noun is no known word and its header says no consent.
        where: What the card's example loads; None: the folder.
    """
    path, folder = Path(path), Path(folder)
    concept = concept_file.load(path)
    if base_model and _hub_name(base_model) is None:
        raise HubError(
            f"base model '{base_model}': no name on the Hub. Expected USER/NAME, such as"
            " facebook/chameleon-7b."
        )
    if not base_model and _hub_name(concept.base_name) is None and not _ships(concept.base_name):
        raise HubError(
            f"{path}: its base {quoted(concept.base_name)} is no name on the Hub. Say it:"
            " --base-model USER/NAME."
        )
    concept = replace(concept, base_name=base_model or concept.base_name)
    header = concept_file.read_header(path) | {"base": concept.base_name}
    if not header.get("consent"):
        _check_no_person(concept, kind, path)
    if is_there(folder):
        raise HubError(f"{folder}: is there already. Choose another folder, or remove it.")
    with folder_aside(folder) as aside:
        for i, drawing in enumerate(drawings):
            (aside / "drawings").mkdir(exist_ok=True)
            # Decoded and saved again, which drops the file's metadata (a prompt, a place).
            read_picture(drawing).save(aside / "drawings" / f"{i}.png")
        # Saved again rather than copied: its base may be a folder of this machine, which
        # `base_model` replaced.
        concept_file.save(concept, concept_file.path_of(concept.name, aside))
        said = card(
            header,
            len(drawings),
            base_model=base_model,
            licence=licence,
            where=where or str(folder),
        )
        (aside / "README.md").write_text(said, encoding="utf-8")
    return folder


def _check_no_person(concept: ConceptTokens, kind: SaidKind | None, path: Path) -> None:
    """Refuse a person who was not asked, and what may be one."""
    noun = concept.class_noun
    if kind == "person" or is_person(noun):
        raise HubError(
            f"{path}: <{concept.name}> is a person ({noun}) who, by its header, was not asked. Not"
            " published."
        )
    if kind is None and not is_thing(noun):
        raise HubError(
            f"{path}: class noun {quoted(noun)} is no word that is known here, and may be a"
            " person's. Expected its kind; say it: --kind object, or --kind animal. Only people are"
            " published who agreed to be learned (`consent: true` in the file's header)."
        )


def card(
    header: Mapping,
    num_drawings: int = 0,
    *,
    base_model: str | None = None,
    licence: str | None = None,
    where: str,
) -> str:
    """The card of a concept: front matter as the Hub reads it, then text.

    Args:
        header: Of the concept file.
        num_drawings: Drawings that the card shows: drawings/0.png and so on.
        base_model: The base's name on the Hub; None: the one in the header.
        licence: The base's; None: the one known for it, and refused where none is.
        where: What the card's example loads.
    """
    name, base = header["name"], base_model or header["base"]
    terms = {"license": licence} if licence else _licence_of(base)
    data = ModelCardData(
        library_name="unictoken",
        tags=list(TAGS),
        pipeline_tag="any-to-any",
        base_model=base_model or _hub_name(base),
        model_name=name,
        eval_results=_results(header["scores"]),
        **terms,
    )
    rows = ", ".join(f"{count} {role}" for role, count in header["counts"].items() if count)
    title = f"<{name}>, {a(header['class_noun'])}"
    fingerprint = header["base_fingerprint"][:12]
    learned = (
        f"learned with {header['method']}, seed {header['seed']}, on the base of fingerprint"
        f" {fingerprint}"
    )
    # All that comes from the file is escaped: others see the card on the Hub's pages.
    sections = [
        f"---\n{data.to_yaml()}\n---\n",
        f"# {markdown(title)}\n",
        markdown(
            f"Concept tokens for {base}: {name}.safetensors answers about <{name}> and draws it."
        )
        + "\n",
        *(f"**{markdown(note)}**\n" for note in header.get("notes", ())),
        " ".join(f"![](drawings/{i}.png)" for i in range(num_drawings)) + "\n" * bool(num_drawings),
        "## Use\n",
        _example(name, base, where) + "\n",
        "## What is inside\n",
        markdown(f"Rows ({rows}) {learned}."),
        markdown(f"They were imported: {header['origin']}.") if header.get("origin") else "",
        "No picture that it was learned from is in the file or in this repository.\n",
        *_scores(header["scores"]),
        "## Consent\n",
        _consent(header) + "\n",
        "## Licence\n",
        markdown(f"That of the base: {terms.get('license_name', terms['license'])}.") + "\n",
    ]
    return "\n".join(section for section in sections if section)


def _results(scores: Mapping[str, float]) -> list[EvalResult] | None:
    """The scores that the Hub may compare: those of a test on pictures that were drawn anew. A
    check on what was learned from is none, and stands in the card's table only.
    """
    # The name of the only score that needs held-out pictures of others.
    if "recognition" not in scores:
        return None
    return [
        EvalResult(
            task_type=task,
            dataset_type="toy-world",
            dataset_name="Pictures, look-alikes and prompts of the toy world, drawn anew",
            metric_type="accuracy",
            metric_name=f"{metric}, {said}",
            metric_value=round(float(scores[metric]), 4),
        )
        for metric, (task, said) in METRICS.items()
        if metric in scores
    ]


def _example(name: str, base: str, where: str) -> str:
    """The card's Python; what comes from the concept file stands in it as strings."""
    texts = {
        "base": base,
        "where": where,
        "prompt": f"<{name}> in the snow",
        "picture": f"{name}.png",
        "question": f"what is <{name}>?",
    }
    return USE.format(**{key: python_literal(text) for key, text in texts.items()})


def _licence_of(base: str) -> dict[str, str]:
    # The bases that ship are this project's own work.
    if _ships(base):
        return {"license": "apache-2.0"}
    found = next((terms for part, terms in LICENCES.items() if part in base.lower()), None)
    if found is None:
        raise HubError(
            f"base '{base}': its licence is not known here, and the concept comes under it. Say it:"
            " --licence apache-2.0, for example."
        )
    return found


def _ships(base: str) -> bool:
    """Whether everybody who has this library has the base."""
    return shipped.name_of_base(base) in shipped.BASES or base in shipped.BASES.values()


def _hub_name(base: str) -> str | None:
    """The base's name, if it can be one on the Hub: a folder of this machine means nothing
    there.
    """
    if base.count("/") != 1 or base.startswith((".", "checkpoints/")) or is_there(base):
        return None
    try:
        validate_repo_id(base)
    except ValueError:
        return None
    return base


def _scores(scores: Mapping[str, float]) -> list[str]:
    """A table of what was measured when it was learned; nothing where nothing was."""
    if not scores:
        return []
    note = [] if "recognition" in scores else [NO_TEST + "\n"]
    rows = [f"| {markdown(name)} | {value} |" for name, value in scores.items()]
    return ["## Scores\n", *note, "| | |\n|---|---|", *rows, ""]


def _consent(header: Mapping) -> str:
    if is_thing(header["class_noun"]):
        return "Not a person, by its class noun."
    if header.get("consent") or is_person(header["class_noun"]):
        return (
            "The person agreed to be learned, as whoever learned it declared (`consent: true` in"
            " the file's header)."
        )
    return "Not a person, as whoever published it said."


def from_pretrained(
    where: str | Path, base: Base | None = None, *, revision: str | None = None
) -> ConceptTokens:
    """The concept in a file, in a folder, or on the Hub ('user/bo'); with a base, only if it was
    learned on that base.

    A local file or folder wins over the Hub; `revision` is a branch, tag or commit there. Raises
    `ConceptError` for a file that cannot be used, `HubError` where there is none.
    """
    path = Path(where)
    if not is_there(path):
        try:
            path = Path(
                snapshot_download(
                    str(where),
                    revision=revision,
                    allow_patterns="*.safetensors",
                    ignore_patterns=list(NO_CONCEPTS),
                )
            )
        except (OSError, ValueError, HTTPError) as error:
            raise HubError(
                f"'{where}': no such file or folder here, and not to be had from the Hub"
                f" ({_one_line(error)}). Look at the name, and at the connection."
            ) from None
    return concept_file.load(_only_file(path) if is_folder(path) else path, base)


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise HubError(
            f"{folder}: found {len(files)} .safetensors files, expected one concept file. Name the"
            " file."
        )
    return files[0]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
