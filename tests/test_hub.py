import ast
import json
from dataclasses import replace

import pytest
from huggingface_hub import HfApi, ModelCard
from markdown_it import MarkdownIt
from PIL import Image
from safetensors.torch import load_file, save_file

from unictoken import hub
from unictoken.core.text import ConceptError
from unictoken.tokens import file as concept_file

pytestmark = pytest.mark.real


@pytest.fixture
def path(bo, tmp_path):
    """<bo> as learned on the tiny base that is shipped."""
    learned = replace(
        bo,
        base_name="checkpoints/tiny-chameleon",
        method="joint",
        seed=7,
        scores={"recognition": 0.79, "vqa": 1.0},
    )
    return concept_file.save(learned, tmp_path / "concepts" / "bo.safetensors")


@pytest.fixture
def drawing(tmp_path):
    """A drawing whose file says where it was made."""
    exif = Image.Exif()
    exif[270] = "at home"
    Image.new("RGB", (32, 32), "red").save(tmp_path / "drawn.jpg", exif=exif)
    return tmp_path / "drawn.jpg"


@pytest.fixture
def sent(monkeypatch):
    """What would be uploaded: {repository: {file: bytes}}."""
    repositories = {}

    def upload(self, *, repo_id, folder_path, commit_message):
        repositories[repo_id] |= {
            str(f.relative_to(folder_path)): f.read_bytes()
            for f in folder_path.rglob("*")
            if f.is_file()
        }
        return f"commit of {repo_id}"

    monkeypatch.setattr(
        HfApi,
        "create_repo",
        lambda self, repo_id, *, private, exist_ok: repositories.setdefault(repo_id, {}),
    )
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    return repositories


def with_header(path, **changes) -> None:
    header, tensors = concept_file.read_header(path) | changes, load_file(path)
    header["sha256"] = concept_file.digest_with_header(header, tensors)
    save_file(tensors, path, metadata={"unictoken": json.dumps(header)})


def test_a_shared_folder_holds_the_file_its_card_and_the_drawings(path, drawing, tmp_path):
    folder = hub.save_card_folder(path, tmp_path / "shared", drawings=[drawing, drawing])
    assert sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()) == [
        "README.md", "bo.safetensors", "drawings/0.png", "drawings/1.png",
    ]  # fmt: skip
    assert (folder / "bo.safetensors").read_bytes() == path.read_bytes()
    assert not Image.open(folder / "drawings" / "0.png").getexif(), (
        "no metadata of the drawing goes with it"
    )


def test_a_shared_concept_comes_back(path, base, bo, tmp_path):
    folder = hub.save_card_folder(path, tmp_path / "shared")
    for where in (folder, str(folder / "bo.safetensors")):
        assert hub.from_pretrained(where, base).rows_in.equal(bo.rows_in)


def test_the_card_says_what_the_hub_and_a_reader_need(path, tmp_path):
    card = ModelCard.load(
        hub.save_card_folder(path, tmp_path / "shared", where="user/bo") / "README.md"
    )
    assert (card.data.license, card.data.library_name, card.data.base_model) == (
        "apache-2.0",
        "unictoken",
        None,
    )
    assert card.data.tags == list(hub.TAGS)
    for said in (
        "# &lt;bo&gt;, a dog", 'unictoken.load("checkpoints/tiny-chameleon")', 'from_pretrained("user/bo", base)', "| recognition | 0.79 |",
        "1 name, 4 shared", "seed 7", "Not a person", "No picture that it was learned from",
    ):  # fmt: skip
        assert said in card.text
    assert str(tmp_path) not in card.content


def test_the_cards_results_are_those_of_a_test_and_say_what_they_mean(path):
    header = concept_file.read_header(path)
    found = ModelCard(hub.card(header, where="user/bo")).data
    assert found.pipeline_tag == "any-to-any" and found.model_name == "bo"
    told = {r.metric_name.split(",")[0]: (r.task_type, r.metric_value) for r in found.eval_results}
    assert told == {
        "recognition": ("image-classification", 0.79),
        "vqa": ("visual-question-answering", 1.0),
    }
    # Measured on what was learned from: no result to be compared with others'.
    checked = header | {"scores": {"positive": 1.0, "negatives": 1.0}}
    assert "model-index" not in hub.card(checked, where="user/bo")


def test_the_example_of_the_card_is_python(path, tmp_path):
    text = (hub.save_card_folder(path, tmp_path / "shared") / "README.md").read_text(
        encoding="utf-8"
    )
    compile(text.split("```python")[1].split("```")[0], "card", "exec")


def test_a_concept_comes_under_the_licence_of_its_base(path):
    header = concept_file.read_header(path)
    anole = ModelCard(hub.card(header | {"base": "leloy/Anole-7b-v0.1-hf"}, where="user/bo"))
    assert (anole.data.license, anole.data.license_name) == ("other", "chameleon-research-license")
    assert anole.data.base_model == "leloy/Anole-7b-v0.1-hf"
    with pytest.raises(hub.HubError, match="base 'mine/own': its licence is not known here"):
        hub.card(header | {"base": "mine/own"}, where="user/bo")
    assert (
        ModelCard(
            hub.card(header | {"base": "mine/own"}, licence="mit", where="user/bo")
        ).data.license
        == "mit"
    )


def test_a_base_in_a_folder_can_be_named_as_on_the_hub(path):
    header = concept_file.read_header(path) | {"base": "/weights/anole"}
    assert ModelCard(hub.card(header, where="user/bo")).data.base_model is None
    assert (
        ModelCard(
            hub.card(header, base_model="leloy/Anole-7b-v0.1-hf", where="user/bo")
        ).data.base_model
        == "leloy/Anole-7b-v0.1-hf"
    )


@pytest.mark.parametrize(
    "folder",
    [
        "/weights/anole",
        "../jane/anole",
        "./anole",
        "~/anole",
        "weights/jane/anole",
        r"C:\weights\anole",
    ],
)
def test_a_folder_of_this_machine_is_not_published(path, bo, folder, tmp_path):
    concept_file.save(replace(bo, base_name=folder), path)
    with pytest.raises(hub.HubError, match="is no name on the Hub. Say it: --base-model USER/NAME"):
        hub.save_card_folder(path, tmp_path / "shared")
    shared = hub.save_card_folder(path, tmp_path / "shared", base_model="leloy/Anole-7b-v0.1-hf")
    assert not any(folder.encode() in file.read_bytes() for file in shared.iterdir())
    assert concept_file.read_header(shared / "bo.safetensors")["base"] == "leloy/Anole-7b-v0.1-hf"


def test_a_person_is_published_with_consent_only(path, sent, tmp_path):
    with_header(path, class_noun="old man")
    for publish in (
        lambda: hub.push_to_hub(path, "user/bo"),
        lambda: hub.save_card_folder(path, tmp_path / "shared"),
    ):
        with pytest.raises(
            hub.HubError, match=r"<bo> is a person \(old man\) who, by its header, was not asked"
        ):
            publish()
    assert not sent and not (tmp_path / "shared").exists()
    with_header(path, consent=True)
    hub.push_to_hub(path, "user/bo")
    assert b"The person agreed to be learned" in sent["user/bo"]["README.md"]


def test_what_is_pushed_is_the_folder(path, drawing, sent):
    assert hub.push_to_hub(path, "user/bo", drawings=[drawing]) == "commit of user/bo"
    assert set(sent["user/bo"]) == {"README.md", "bo.safetensors", "drawings/0.png"}
    assert b'from_pretrained("user/bo", base)' in sent["user/bo"]["README.md"]


@pytest.mark.parametrize("repo_id", ["bo", "user/bo/rex", "user/-bo", "user/b o"])
def test_a_name_that_the_hub_would_refuse_is_refused_first(repo_id, path, sent):
    with pytest.raises(hub.HubError, match="USER/NAME") as refused:
        hub.push_to_hub(path, repo_id)
    assert "\n" not in str(refused.value) and not sent


def test_a_file_that_is_no_concept_is_not_published(path, sent):
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ConceptError, match="not a whole safetensors file"):
        hub.push_to_hub(path, "user/bo")
    assert not sent


def test_a_drawing_that_cannot_be_read_leaves_nothing_behind(path, tmp_path):
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.png: not a readable picture"):
        hub.save_card_folder(path, tmp_path / "shared", drawings=[tmp_path / "text.png"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["concepts", "text.png"]


def test_a_folder_that_is_there_is_kept(path, tmp_path):
    with pytest.raises(hub.HubError, match="is there already"):
        hub.save_card_folder(path, path.parent)
    assert [p.name for p in path.parent.iterdir()] == ["bo.safetensors"]


def test_the_hub_is_not_asked_in_vain(tmp_path):
    with pytest.raises(
        hub.HubError,
        match="'user/nobody': no such file or folder here, and not to be had from the Hub",
    ) as refused:
        hub.from_pretrained("user/nobody")
    assert "\n" not in str(refused.value)


def test_a_folder_of_several_concepts_is_ambiguous(path):
    concept_file.save(concept_file.load(path), path.with_name("mia.safetensors"))
    with pytest.raises(hub.HubError, match="found 2 .safetensors files, expected one"):
        hub.from_pretrained(path.parent)


def test_no_connection_is_one_line(path, monkeypatch):
    def unreachable(self, *_, **__):
        raise hub.HTTPError("no route to host")

    monkeypatch.setattr(HfApi, "create_repo", unreachable)
    with pytest.raises(hub.HubError, match="'user/bo': the Hub refused it .*no route to host"):
        hub.push_to_hub(path, "user/bo")


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown.split("---\n", 2)[2])


@pytest.mark.parametrize("name", ["s", "b", "script", "title", "img", "a"])
def test_a_name_that_is_a_tag_is_seen_in_the_card(path, name):
    html = rendered(hub.card(concept_file.read_header(path) | {"name": name}, where="user/bo"))
    assert f"<h1>&lt;{name}&gt;, a dog</h1>" in html and f"<{name}>" not in html


def test_nothing_in_a_concept_file_is_markup_of_its_card(path):
    hostile = "<img src=x> `*a*` [b](http://x.example) | #"
    header = concept_file.read_header(path) | {
        "class_noun": hostile, "method": hostile, "base_fingerprint": "`<b>`", "origin": hostile, "scores": {hostile: 1.0},
    }  # fmt: skip
    html = rendered(hub.card(header, where="user/bo"))
    shown = "&lt;img src=x&gt; `*a*` [b](http://x.example) | #"
    assert html.count(shown) == 4 and not any(tag in html for tag in ("<img", "<a ", "<em>", "<b>"))


@pytest.mark.parametrize(
    "crafted",
    [
        'checkpoints/tiny-chameleon")\nimport os\nos.system("echo',
        "checkpoints/tiny-chameleon'''\"\"\"\n```\n\\",
    ],
)
def test_a_crafted_base_never_becomes_code_or_a_key_of_the_card(path, crafted, tmp_path):
    with_header(path, base=crafted)
    with pytest.raises(hub.HubError, match="is no name on the Hub") as refused:
        hub.save_card_folder(path, tmp_path / "shared")
    assert "\n" not in str(refused.value)
    card = hub.card(concept_file.read_header(path), licence="apache-2.0", where='user/bo")')
    code = MarkdownIt("commonmark").parse(card.split("---\n", 2)[2])
    example = next(token.content for token in code if token.type == "fence")
    calls = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call)]
    called = {ast.unparse(call.func).split(".")[-1] for call in calls}
    assert called == {"load", "with_concepts", "from_pretrained", "draw", "save", "print", "ask"}
    assert crafted in [
        node.value for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Constant)
    ]
    assert ModelCard(card).data.base_model is None


def test_of_a_noun_that_is_no_known_word_the_kind_is_asked_before_it_is_published(
    path, sent, tmp_path
):
    concept = replace(concept_file.load(path), class_noun="abuelita")
    concept_file.save(concept, path)
    with pytest.raises(hub.HubError, match="class noun 'abuelita' is no word.*--kind object"):
        hub.push_to_hub(path, "user/bo")
    with pytest.raises(hub.HubError, match=r"is a person \(abuelita\)"):
        hub.push_to_hub(path, "user/bo", kind="person")
    hub.push_to_hub(path, "user/bo", kind="object")
    assert b"Not a person, as whoever published it said." in sent["user/bo"]["README.md"]
