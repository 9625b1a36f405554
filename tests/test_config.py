from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.learn.methods import Method, MethodFile
from unictoken.learn.settings import ConceptConfig, RunConfig

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Part:
    rate: float = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Settings:
    seed: int
    text: str = "x"
    flag: bool = False
    limit: int | None = 3
    kind: Literal["small", "large"] = "small"
    stage: Literal[0, 1] = 0
    part: Part = field(default_factory=Part)
    parts: tuple[Part, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


@pytest.fixture
def load(tmp_path):
    def read(text: str, *overrides: str) -> Settings:
        (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
        return config.load(Settings, tmp_path / "a.yaml", overrides)

    return read


def test_what_is_not_written_is_the_default(load):
    assert load("seed: 1") == Settings(seed=1)


def test_every_type_is_read_as_its_field_says(load):
    read = load(
        "seed: 7\ntext: 12\nflag: true\nlimit: null\nkind: large\nstage: 1\npart: {rate: 1e-4,"
        " names: [a, 1]}\nparts: [{rate: 2}, {}]\nshares: {a: 1, b: .5}"
    )
    assert read == Settings(
        seed=7,
        text="12",
        flag=True,
        limit=None,
        kind="large",
        stage=1,
        part=Part(rate=0.0001, names=("a", "1")),
        parts=(Part(rate=2.0), Part()),
        shares={"a": 1.0, "b": 0.5},
    )


def test_a_small_number_is_a_number(load):
    assert load("seed: 1\npart: {rate: 1e-4}").part.rate == 1e-4


def test_no_stays_text_where_text_is_asked_for_and_is_refused_for_a_flag(load):
    assert load("seed: 1\ntext: no").text == "no"
    with pytest.raises(ConfigError, match="flag: found 'no', expected true or false"):
        load("seed: 1\nflag: no")


def test_one_item_is_a_list_of_one(load):
    assert load("seed: 1\npart: {names: a}").part.names == ("a",)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("sede: 1", r"a\.yaml: unknown key 'sede'; did you mean 'seed'\?"),
        ("seed: 1\nzzz: 1", "unknown key 'zzz'; known keys: seed, text"),
        ("seed: 1\npart: {rat: 1}", r"part: unknown key 'rat'; did you mean 'rate'\?"),
        ("text: a", "missing key 'seed' of Settings"),
        ("seed: 1\nseed: 2", "key 'seed' is given twice"),
        ("seed: 1\npart: {rate: 1, rate: 2}", "key 'rate' is given twice"),
        ("seed: one", "seed: found 'one', expected int"),
        ("seed: 1.5", "seed: found '1.5', expected int"),
        ("seed: [1]", "seed: expected one int"),
        ("seed: 1\nkind: medium", "kind: found 'medium', expected one of small, large"),
        ("seed: 1\nstage: 2", "stage: found '2', expected one of 0, 1"),
        ("seed: 1\npart: 3", "part: expected keys of Part, found '3'"),
        ("seed: 1\nparts: [{rate: x}]", r"parts\[0\]: rate: found 'x', expected float"),
        ("seed: 1\nshares: 3", "shares: expected a mapping"),
        ("seed: 1\nshares: {a: x}", r"shares\.a: found 'x', expected float"),
        ("seed: [1", "not valid YAML"),
        ("- seed", "found list, expected a mapping of keys to values"),
        ("seed: 1\ntext: !!python/name:os.system", "not valid YAML"),
        ("seed: 1\ntext: \x07", "not valid YAML"),
        ("seed: 1\n? [a, b]\n: 1", "unknown key|not valid YAML"),
        ("extends: a.yaml\nseed: 1", "extends"),
        (
            "extends: nowhere.yaml\nseed: 1",
            r"a\.yaml: extends '.*nowhere\.yaml', and there is no such file",
        ),
        ("extends: [b.yaml]\nseed: 1", "extends: found .*, expected a file"),
        ("seed: 1\npart: {rate: nan}", "rate: found 'nan', expected a finite number"),
        ("seed: " + "[" * 5000, "not valid YAML"),
        ("seed: &one 1\ntext: *one", r"a\.yaml:2: not valid YAML .*the alias '\*one'. Write out"),
        ("seed: 1\nshares: {<<: *x}", r"the alias '\*x'"),
        (
            "seed: !!float ''",
            r"a\.yaml:1: .*the tag 'tag:yaml.org,2002:float'. Write the value alone",
        ),
        ("seed: !!int 1", "the tag"),
        ("seed: 1\ntext: !!timestamp x", r"a\.yaml:2: .*the tag"),
        ("seed: !!binary '*'", "the tag"),
        ("seed: !!set {1}", "the tag"),
        ('seed: 1\ntext: "a\\0b"', "the letter of number 0"),
        ("%YAML 9", "not valid YAML"),
        (
            "seed: 1\ntext: " + "x" * 300_000,
            "found 300,014 bytes, expected a YAML configuration .* of at most",
        ),
        ("a: " * 3, "not valid YAML"),
    ],
)
def test_a_mistake_is_said_in_one_line(load, text, match):
    with pytest.raises(ConfigError, match=match) as refused:
        load(text)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        config.load(Settings, tmp_path / "nowhere.yaml")


def test_the_command_line_lies_on_top(load):
    read = load("seed: 1\npart: {rate: 1}", "seed=2", "part.names=[a, b]", "shares.x=3", "text=")
    assert (read.seed, read.part, read.shares, read.text) == (
        2,
        Part(rate=1.0, names=("a", "b")),
        {"x": 3.0},
        "",
    )


def test_the_command_line_picks_an_item_of_a_list_by_its_number(load):
    read = load("seed: 1\nparts: [{rate: 1}, {rate: 2}]", "parts.1.rate=5", "parts.0.names=[a]")
    assert read.parts == (Part(rate=1.0, names=("a",)), Part(rate=5.0))


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("parts.2.rate=1", "'2' picks nothing out of a list of 1"),
        ("parts.x.rate=1", "'x' is no place in a list of 1"),
        ("seed", "expected KEY=VALUE"),
        ("=1", "expected KEY=VALUE"),
        ("seed.x=1", "'seed' is a value"),
        ("sede=1", "did you mean 'seed'"),
        ("part=[", "not valid YAML"),
    ],
)
def test_a_mistake_on_the_command_line_is_said(load, override, match):
    with pytest.raises(ConfigError, match=match):
        load("seed: 1\nparts: [{rate: 1}]", override)


def test_a_file_can_extend_another(tmp_path, load):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.yaml").write_text(
        "seed: 1\ntext: kept\npart: {rate: 1, names: [a]}\nparts: [{}, {}]", encoding="utf-8"
    )
    read = load("extends: below/b.yaml\nseed: 2\npart: {rate: 9}\nparts: [{rate: 3}]")
    assert read == Settings(
        seed=2, text="kept", part=Part(rate=9.0, names=("a",)), parts=(Part(rate=3.0),)
    )


def test_written_settings_are_read_back(load):
    settings = Settings(
        seed=3,
        text="no",
        flag=True,
        limit=None,
        stage=1,
        part=Part(rate=1e-7, names=("1", "null", "é: #")),
        parts=(Part(),),
        shares={"on": 0.1},
    )
    assert load(config.to_yaml(settings)) == settings


def test_the_settings_of_a_run_are_read_back(tmp_path):
    settings = RunConfig(
        concept=ConceptConfig(name="bo", pictures=("data/bo",), facts=("<bo>: it sings",)),
        method=Method(start="k_means"),
    )
    (tmp_path / "run.yaml").write_text(config.to_yaml(settings), encoding="utf-8")
    assert config.load(RunConfig, tmp_path / "run.yaml") == settings


def test_the_main_config_has_every_key_it_should():
    settings = config.load(
        RunConfig, ROOT / "configs" / "bo.yaml", ["seed=5", "method.stages=[{steps: 2}]"]
    )
    assert (
        settings.concept.name,
        settings.seed,
        settings.folder,
        settings.method.stages[0].steps,
    ) == ("bo", 5, Path("runs/bo"), 2)
    assert settings.named("a <{name}> {place}") == "a <bo> {place}"


@pytest.mark.parametrize("null", ["", "~", "null", "Null", "NULL"])
def test_every_null_of_yaml_is_nothing(load, null):
    read = load(f"seed: 1\nlimit: {null}\nparts: {null}\nshares: {null}\npart: {null}")
    assert (read.limit, read.parts, read.shares, read.part) == (None, (), {}, Part())
    assert load(f"seed: 1\npart: {{names: {null}}}").part.names == ()
    with pytest.raises(ConfigError, match="text: found nothing, expected str"):
        load(f"seed: 1\ntext: {null}")
    with pytest.raises(ConfigError, match=r"names\[0\]: found nothing"):
        load(f"seed: 1\npart: {{names: [{null or '~'}]}}")


def test_a_null_in_quotes_is_text(load):
    assert load("seed: 1\ntext: 'null'\npart: {names: ['~']}").part.names == ("~",)


@pytest.mark.parametrize(
    "text", ["photos/dog #1", "a: b", "[x", "{a", "*a", "&x", "!t", "@x", "%x", "'q", '"q"', "# x"]
)
def test_a_text_of_the_command_line_is_taken_letter_by_letter(load, text):
    assert load("seed: 1", f"text={text}").text == text
    assert load("seed: 1", f"part.names={text}").part.names == (text,)


def test_a_list_of_the_command_line_is_yaml(load):
    assert load("seed: 1", 'part.names=["a #1", b]').part.names == ("a #1", "b")
    assert (
        load("seed: 1", "part.names=[]").part.names
        == load("seed: 1", "part.names=").part.names
        == ()
    )
    assert load("seed: 1", "part.names=null", "limit=~").limit is None


@pytest.mark.parametrize(
    "said", ["seed=1 #2", "part.names=[a, b #1, c]", "part={rate: 2} # x", "shares={a: 1 #2}"]
)
def test_nothing_of_the_command_line_is_cut_off_as_a_comment(load, said):
    with pytest.raises(ConfigError):
        load("seed: 1", said)


@dataclass(frozen=True, kw_only=True)
class Places:
    one: config.Place = "tiny"
    many: tuple[config.Place, ...] = ()
    maybe: config.Place | None = None
    by_name: Mapping[str, config.Place] = field(default_factory=dict)
    lines: tuple[config.PlaceAndMore, ...] = ()
    text: str = ""


def test_places_in_a_file_are_relative_to_that_file(tmp_path, monkeypatch):
    folder = tmp_path / "configs"
    (folder / "sub").mkdir(parents=True)
    for name in ("configs/own", "configs/sub/own", "here"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (folder / "sub" / "below.yaml").write_text("maybe: own", encoding="utf-8")
    (folder / "a.yaml").write_text(
        "extends: sub/below.yaml\none: own\nmany: [own, here, ../here, nowhere]\nby_name: {a:"
        " own}\nlines: [own x=1, joint y=2]\ntext: own",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    read = config.load(Places, "configs/a.yaml")
    assert (read.one, read.many) == ("configs/own", ("configs/own", "here", "here", "nowhere"))
    assert (read.maybe, read.by_name, read.text) == ("configs/sub/own", {"a": "configs/own"}, "own")
    assert read.lines == ("configs/own x=1", "joint y=2")
    # the command line means the current folder
    assert config.load(Places, "configs/a.yaml", ["one=own"]).one == "own"
    monkeypatch.chdir(folder / "sub")
    assert config.load(Places, tmp_path / "configs" / "a.yaml").one == str(folder / "own")


def test_a_name_that_ships_is_no_file(tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "a.yaml").write_text("one: tiny", encoding="utf-8")
    assert config.load(Places, tmp_path / "a.yaml").one == "tiny"


def test_a_method_that_ships_can_be_extended_by_its_name(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "extends: yollava\nconcept: {name: bo, pictures: x}", encoding="utf-8"
    )
    assert config.load(RunConfig, tmp_path / "a.yaml").method.name == "yollava"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e400])
def test_what_is_no_finite_number_is_within_no_bounds(value):
    for bounds in ({}, {"low": 1}, {"low": 0, "above": True}, {"low": -5, "high": 5}):
        with pytest.raises(ConfigError, match="^rate: found "):
            config.within("rate", value, **bounds)
    config.within("rate", 1e300)


@pytest.mark.parametrize("number", ["1" + "0" * 30, "-1" + "0" * 30, "9223372036854775808"])
def test_a_whole_number_that_no_library_takes_is_refused(load, number):
    with pytest.raises(
        ConfigError, match="seed: found .*, expected a whole number of at most 64 bits"
    ):
        load(f"seed: {number}")
    assert load("seed: 9223372036854775807").seed == 2**63 - 1


def test_what_ships_as_the_usual_config_says_the_defaults(monkeypatch):
    """They stand in the files for who reads those; here they are held together."""
    monkeypatch.chdir(ROOT)
    assert config.load(MethodFile, "configs/methods/joint.yaml").method == Method()
    shipped = config.load(RunConfig, "configs/bo.yaml")
    usual = RunConfig(concept=shipped.concept)
    # More questions, and the number of distractors that the tiny base has anyway.
    more = {"questions": usual.questions, "distractors": usual.distractors}
    assert replace(shipped, **more) == usual
