import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import save_file

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.data.readers import read
from unictoken.data.source import SourceError
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig, load_methods
from unictoken.measure.endpoint import EndpointConfig, EndpointJudge
from unictoken.measure.predictions import Prediction, PredictionsError
from unictoken.measure.protocols import Trial, make_ready, without_name
from unictoken.measure.results import COLUMNS, differences, over_concepts, sheet, write_results
from unictoken.measure.scores import scores
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.scoring.verdict import Verdict
from unictoken.toy import concepts
from unictoken.toy import dataset as toy_dataset
from unictoken.toy.judge import Judge

METHOD = Method(name="short", tokens=Tokens(shared=2), stages=(Stage(steps=1, batch=2),))
CONTROLS = [
    "none",
    "class_noun",
    "text_prompt_16",
    "text_prompt",
    "image_prompt_1",
    "image_prompt_4",
    "wrong_concept",
]


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concepts, "TEST_PICTURES", 2)
        patch.setattr(concepts, "DRAWINGS", 1)
        patch.setattr(concepts, "TRAINING_NEGATIVES", 2)
        patch.setattr(toy_dataset, "RANDOM_IMAGES", 3)
        yield


@pytest.fixture(scope="module")
def dataset(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "bench"
    toy_dataset.write_dataset(folder, seed=1, num_concepts=2)
    return folder


@pytest.fixture(scope="module")
def settings(small, tmp_path_factory) -> BenchmarkConfig:
    folder = tmp_path_factory.mktemp("benchmark")
    torch.manual_seed(0)
    save_file(Judge().state_dict(), folder / "judge.safetensors")
    return BenchmarkConfig(
        judge=str(folder / "judge.safetensors"),
        num_concepts=2,
        work=str(folder / "work"),
        out=str(folder / "out" / "table.json"),
        page=str(folder / "out" / "report.html"),
    )


@pytest.fixture(scope="module")
def measured(base, settings):
    benchmark = Benchmark(settings, base, {"short": METHOD}, commit="abc")
    benchmark.learn()
    benchmark.measure()
    return benchmark


def test_the_toy_benchmark_reads_as_unifybench(dataset):
    found = read(dataset)
    assert (
        found.layout == "unifybench"
        and list(found.concepts) == ["tom", "mia"]
        and found.notes == ()
    )
    concept, own = found.concepts["tom"], concepts.toy_concept(1, 0)
    assert (
        concept.truth.pet == own.truth.pet
        and concept.class_noun == own.truth.pet.species
        and len(concept.pictures) == 5
    )
    counts = {
        task: len(found.select("tom", task, split="test"))
        for task in ("recognise", "vqa", "text_qa", "choice", "generate")
    }
    assert counts == {"recognise": 8, "vqa": 24, "text_qa": 11, "choice": 2, "generate": 3}
    assert {r.grade for r in found.select("tom", "recognise", split="test")} == {
        None,
        "easy",
        "hard",
        "near_duplicate",
    }
    assert [r.kind for r in found.select("tom", "generate", split="test")] == [
        "plain",
        "explicit",
        "knowledge",
    ]


def test_a_concept_of_the_dataset_is_learned_from_what_the_concept_in_memory_is(dataset):
    concept, own = read(dataset).concepts["tom"].read(), concepts.toy_concept(1, 0)
    assert [p.tobytes() for p in concept.pictures] == [p.tobytes() for p in own.pictures]
    assert (concept.facts, concept.questions) == (own.facts, own.questions)
    assert {grade: len(found) for grade, found in concept.negatives.items()} == {
        "easy": 5,
        "hard": 2,
        "near_duplicate": 2,
    }


def test_its_truth_stands_beside_it(dataset):
    truth, own = toy_dataset.read_truth(dataset, "tom"), concepts.toy_concept(1, 0)
    facts = own.truth.facts
    assert truth.facts == facts and truth.hat == {
        "accessory": facts.hat,
        "accessory_colour": facts.hat_colour,
    }
    explicit = next(
        prompt for prompt in truth.prompts if "its hat" not in prompt and "wearing" in prompt
    )
    wished = truth.prompts[explicit]
    assert all(value in explicit for value in wished.values())
    assert toy_dataset.read_truth(dataset, "bo") is None


def test_the_benchmark_of_a_seed_is_always_the_same(dataset, small, tmp_path):
    toy_dataset.write_dataset(tmp_path / "again", seed=1, num_concepts=2)
    files = sorted(p.relative_to(dataset) for p in dataset.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    assert all(
        (dataset / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files
    )


def test_a_folder_that_is_there_is_not_written_over(dataset):
    with pytest.raises(SourceError, match="is there already"):
        toy_dataset.write_dataset(dataset, seed=2, num_concepts=2)


def test_every_control_stands_beside_every_method(measured):
    rows = list(measured.rows())
    assert [row["method"] for row in rows[:8]] == ["short", *CONTROLS]
    assert [row["concept"] for row in rows] == ["tom"] * 8 + ["mia"] * 8


def test_every_metric_is_within_its_range(measured):
    own = next(measured.rows())
    absent = {
        "name_precision",
        "vqa_choice",
        "text_qa_choice",
        *(column for column in COLUMNS if column.endswith(("_best_of", "_judged"))),
    }
    assert set(COLUMNS) - absent <= set(own)
    assert all(
        0 <= value <= 1
        for name, value in own.items()
        if isinstance(value, float) and not name.startswith("palette")
    )
    assert own["unchanged"] == 1.0


def test_only_tokens_are_asked_whether_the_base_is_unchanged(measured):
    asked = {
        name
        for concept in measured.concepts
        for name, made in measured.of(concept).items()
        if any(p.task == "unchanged" for p in made)
    }
    assert asked == {"short", "wrong_concept"}


def test_what_is_there_is_neither_learned_nor_asked_again(measured, base, settings, monkeypatch):
    again = Benchmark(settings, base, {"short": METHOD})
    monkeypatch.setattr("unictoken.measure.benchmark.method_of", None)
    monkeypatch.setattr("unictoken.measure.benchmark.make_ready", None)
    again.learn()
    again.measure()
    assert list(again.rows()) == list(measured.rows())


def test_measuring_that_was_stopped_within_a_concept_goes_on_there(
    measured, base, settings, tmp_path, monkeypatch
):
    moved = dataclasses.replace(settings, work=str(tmp_path))
    shutil.copytree(measured.folder / "concepts", tmp_path / measured.run / "concepts")
    shutil.copytree(measured.folder / "data", tmp_path / measured.run / "data")
    stopped, asked = Benchmark(moved, base, {"short": METHOD}), []
    whole = Trial.predictions
    monkeypatch.setattr(
        Trial,
        "predictions",
        lambda trial: asked.append(trial.method) or (whole(trial) if len(asked) < 3 else 1 / 0),
    )
    with pytest.raises(ZeroDivisionError):
        stopped.measure()
    assert asked == ["short", "none", "class_noun"]
    again = Benchmark(moved, base, {"short": METHOD})
    assert list(again.of(again.concepts[0])) == ["short", "none"]
    assert again.of(again.concepts[0])["none"] == measured.of(measured.concepts[0])["none"]


def test_what_cannot_be_gone_on_with_is_said_before_anything_is_learned(
    measured, base, settings, tmp_path, monkeypatch
):
    moved = dataclasses.replace(settings, work=str(tmp_path))
    (tmp_path / measured.run / "predictions").mkdir(parents=True)
    (tmp_path / measured.run / "predictions" / "none.jsonl").write_text("{}\n", encoding="utf-8")
    monkeypatch.setattr("unictoken.measure.benchmark.method_of", None)
    with pytest.raises(PredictionsError, match="not a prediction"):
        Benchmark(moved, base, {"short": METHOD}).learn()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"workers": 2, "endpoint": EndpointConfig(url="http://localhost", model="m")},
            "verdicts of an endpoint are kept in one file",
        ),
        ({"best_of": 3, "judge": None}, "needs a judge"),
    ],
    ids=["workers", "best_of"],
)
def test_settings_that_contradict_each_other_are_refused(settings, wrong, said):
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(settings, **wrong)


def test_another_method_is_learned_anew_and_the_controls_stay(measured, base, settings):
    wider, second = (
        dataclasses.replace(METHOD, tokens=Tokens(shared=3)),
        dataclasses.replace(METHOD, name="second"),
    )
    other = Benchmark(settings, base, {"short": wider, "second": second})
    assert other.run == measured.run
    assert set(other.of(other.concepts[0])) == set(CONTROLS) - {"wrong_concept"}


def test_another_seed_or_another_judge_is_another_run(measured, base, settings, tmp_path):
    torch.manual_seed(1)
    save_file(Judge().state_dict(), tmp_path / "judge.safetensors")
    others = [
        dataclasses.replace(settings, judge=str(tmp_path / "judge.safetensors")),
        dataclasses.replace(settings, judge=None),
    ]
    assert (
        len({Benchmark(other, base, {"short": METHOD}).run for other in (settings, *others)}) == 3
    )


def test_results_can_be_recounted(measured, settings):
    shown = write_results(measured, command="python eval/run.py")
    result = json.loads(
        (measured.folder.parents[1] / "out" / "table.json").read_text(encoding="utf-8")
    )
    assert (result["command"], result["commit"], result["seed"]) == ("python eval/run.py", "abc", 1)
    rows = [row for row in result["rows"] if row["method"] == "short"]
    assert result["mean"]["short"]["vqa"] == pytest.approx(
        sum(row["vqa"] for row in rows) / 2, abs=1e-4
    )
    kept = next((measured.folder / "predictions").glob("short-*.jsonl"))
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    vqa = [
        line["score"]
        for line in lines
        if (line["concept"], line["method"], line["task"]) == ("tom", "short", "vqa")
    ]
    assert rows[0]["vqa"] == pytest.approx(sum(vqa) / 24)
    html = (measured.folder.parents[1] / "out" / "report.html").read_text(encoding="utf-8")
    assert html.count("<figure>") == 2 * (5 + 8 * 3) and "text_prompt (control)" in html
    assert shown in (measured.folder.parents[1] / "out" / "table.md").read_text(encoding="utf-8")


def test_notes_are_seen_in_the_results_as_they_are(measured, settings, tmp_path, monkeypatch):
    noted = dataclasses.replace(
        settings, notes=("# <b> is *not* | bold",), out=str(tmp_path / "table.json"), page=None
    )
    monkeypatch.setattr(measured, "settings", noted)
    write_results(measured, command="python `eval`/run.py --set a_=1")
    html = (
        MarkdownIt("commonmark")
        .enable("table")
        .render((tmp_path / "table.md").read_text(encoding="utf-8"))
    )
    assert (
        "<p># &lt;b&gt; is *not* | bold</p>" in html
        and "<p>python `eval`/run.py --set a_=1 at abc" in html
    )


def test_no_concept_is_too_few():
    with pytest.raises(ConfigError, match="num_concepts: found 0, expected 1 to"):
        BenchmarkConfig(num_concepts=0)


def prediction(task: str, given: str, score: float) -> Prediction:
    return Prediction(
        concept="bo",
        method="m",
        task=task,
        question="q",
        expected="a red cap",
        given=given,
        score=score,
    )


def test_recognition_weighs_positives_and_each_kind_of_negatives():
    """By hand: positives 1 of 2; easy 1 of 1 and hard 0 of 1 right, so 1 of 2; near-duplicates 0 of 1."""
    said = [
        ("positive", "yes (0.9)", 1),
        ("positive", "no (0.4)", 0),
        ("negative_easy", "no (0.1)", 1),
        ("negative_hard", "yes (0.6)", 0),
    ]
    numbers = scores(
        [*(prediction(*row) for row in said), prediction("negative_near_duplicate", "yes (0.9)", 0)]
    )
    assert (
        numbers["recognition"],
        numbers["recognition_hard"],
        numbers["recognition_near_duplicates"],
    ) == (
        0.5,
        0.25,
        0.25,
    )


def test_always_yes_is_half_right_whatever_the_counts():
    always = [prediction("positive", "yes (1.0)", 1)] + [
        prediction("negative_easy", "yes (1.0)", 0)
    ] * 9
    assert scores(always)["recognition"] == 0.5


def test_knowledge_counts_whole_hats_only():
    assert (
        scores([prediction("knowledge", "", s) for s in (1.0, 0.5, 0.5, 0.0)])["knowledge"] == 0.25
    )


def test_names_are_precise_where_others_are_not_called_by_them():
    rows = [
        prediction("caption", "<bo> here", 1),
        prediction("caption", "a dog", 0),
        prediction("caption_other", "<bo>", 0),
    ]
    numbers = scores([*rows, *[prediction("caption_other", "a cat", 1)] * 3])
    assert (numbers["name_recall"], numbers["name_precision"]) == (0.5, 0.5)


def test_a_prediction_without_a_verdict_is_not_nought():
    rows = [prediction("identity", "?", None), prediction("identity", "", 0.8)]
    assert scores(rows)["identity"] == 0.8


def test_means_are_over_concepts():
    rows = [
        {"concept": c, "method": "joint", "vqa": v} for c, v in (("a", 0.5), ("b", 0.7), ("c", 0.9))
    ]
    found = over_concepts(rows)["joint"]["vqa"]
    assert (found.n, found.mean) == (3, pytest.approx(0.7)) and found.half_width == pytest.approx(
        0.4968, abs=1e-3
    )


def trial(base, conditioning, dataset, tmp_path, judge=None) -> Trial:
    subject = make_ready(base, read(dataset), "tom", toy_dataset.read_truth(dataset, "tom"))
    return Trial(
        method="m",
        conditioning=conditioning,
        subject=subject,
        judge=judge,
        drawings=tmp_path / "pictures",
        seed=0,
    )


def test_who_knows_every_answer_is_always_right(base, dataset, tmp_path):
    asked = trial(base, in_words(base, "tom", ""), dataset, tmp_path)
    answers = {
        (r.question, r.pictures): r.answer
        for r in asked.subject.records
        if r.split == "test" and r.task in ("vqa", "text_qa")
    }

    class Knowing:
        def ask(self, questions, images=None, *, max_ids):
            task = "vqa" if images is not None else "text_qa"
            records = read(dataset).select("tom", task, split="test")
            return [
                answers[q, r.pictures].upper() + "."
                for q, r in zip(questions, records, strict=True)
            ]

    knowing = dataclasses.replace(asked, conditioning=Knowing())
    numbers = scores([*knowing.answer("vqa"), *knowing.answer("text_qa")])
    assert (numbers["vqa"], numbers["text_qa"], numbers["facts"]) == (1.0, 1.0, 1.0)


def test_a_model_behind_an_endpoint_says_how_far_an_answer_is_what_was_expected(
    base, dataset, tmp_path, monkeypatch
):
    heard = []

    def compare(judge, question, expected, given):
        heard.append((question, expected, given))
        return Verdict(0.5, "half")

    monkeypatch.setattr(EndpointJudge, "compare", compare)
    judge = EndpointJudge(
        EndpointConfig(url="http://localhost", model="grader"), tmp_path / "verdicts.jsonl"
    )
    made = trial(base, in_words(base, "tom", ""), dataset, tmp_path, judge).answer("text_qa")
    free = [p for p in made if not p.task.endswith("_judged")]
    assert heard == [(p.question, p.expected, p.given) for p in free]
    assert (scores(made)["text_qa_judged"], scores(made)["facts_judged"]) == (0.5, 0.5)


def captioned(
    base, conditioning, dataset, tmp_path, monkeypatch, *, told: str, untold: str
) -> dict[str, float]:
    """Scores of captions where every picture gets one of these, by whether the base was told of the
    concept.
    """
    asked = trial(base, conditioning, dataset, tmp_path)
    plain = in_words(base, "tom", "")
    monkeypatch.setattr(
        Condition,
        "caption",
        lambda self, images: [untold if self == plain else told] * len(images),
    )
    return scores(asked.caption())


def test_tokens_name_a_concept_by_its_marker_and_words_by_its_word(
    base, dataset, make_concept, tmp_path, monkeypatch
):
    tokens, words = (
        with_tokens(base, make_concept("tom")),
        in_words(base, "tom", "{name} is a dog."),
    )
    for conditioning, told, recall in (
        (tokens, "<tom>, a dog", 1),
        (tokens, "tom, a dog", 0),
        (words, "tom, a dog", 1),
        (words, "a dog", 0),
    ):
        numbers = captioned(
            base,
            conditioning,
            dataset,
            tmp_path,
            monkeypatch,
            told=told,
            untold="a dog in the snow",
        )
        assert numbers["name_recall"] == recall and numbers.get("name_precision") == (
            0.25 if recall else None
        )


def test_a_name_that_is_a_word_of_the_base_is_not_counted_for_words(
    base, dataset, make_concept, tmp_path, monkeypatch
):
    words, tokens = (
        in_words(base, "tom", "{name} is a dog."),
        with_tokens(base, make_concept("tom")),
    )
    said = {"told": "a tom in the snow", "untold": "a man beating a tom tom"}
    assert (
        captioned(base, words, dataset, tmp_path, monkeypatch, **said)
        .keys()
        .isdisjoint({"name_recall", "name_precision"})
    )
    assert captioned(base, tokens, dataset, tmp_path, monkeypatch, **said)["name_recall"] == 0


def test_options_are_shuffled_and_the_right_one_is_found_again(base, dataset, tmp_path):
    asked = trial(base, in_words(base, "tom", ""), dataset, tmp_path)
    heard = []

    class Repeating:
        def ask(self, questions, images=None, *, max_ids):
            heard.extend(questions)
            records = read(dataset).select("tom", "choice", split="test")
            return [record.answer for record in records]

    made = dataclasses.replace(asked, conditioning=Repeating()).choose()
    assert [p.score for p in made] == [1.0, 1.0] and all(
        " A. " in question and " D. " in question for question in heard
    )
    heard.clear()
    made = dataclasses.replace(asked, conditioning=Repeating(), list_options=False).choose()
    assert [p.score for p in made] == [1.0, 1.0] and not any(
        " A. " in question for question in heard
    )


def test_who_was_never_told_of_the_concept_hears_its_class_noun():
    assert (
        without_name("a <bo> by <bo>, the <bo> of <bo2>", "bo", "dog")
        == "a dog by the dog, the dog of <bo2>"
    )
    assert (
        without_name("A photo of <bo>", "bo", "owl") == "A photo of the owl"
        and without_name("a <bo>", "bo", "owl") == "an owl"
    )


def test_a_drawing_is_judged_by_what_its_prompt_and_the_facts_say(base, dataset, tmp_path):
    claimed = []

    class Agreeing:
        name = "agreeing"

        def check(self, pictures, claims):
            claimed.extend(claims)
            return [Verdict(1.0, "so it is")] * len(claims)

    made = trial(
        base, in_words(base, "tom", "{name} is a dog."), dataset, tmp_path, Agreeing()
    ).draw()
    assert [p.task for p in made] == [
        "drawn",
        "identity",
        "drawn",
        "identity",
        "prompt",
        "drawn",
        "knowledge",
        "knowledge_recaption",
    ]
    own = concepts.toy_concept(1, 0)
    assert claimed[0].attributes == {
        name: getattr(own.truth.pet, name)
        for name in ("species", "fur", "second", "pattern", "collar")
    }
    assert claimed[3].attributes == {
        "accessory": own.truth.facts.hat,
        "accessory_colour": own.truth.facts.hat_colour,
    }
    assert all((tmp_path / p.picture).is_file() for p in made if p.picture)


def test_of_several_drawings_the_one_that_is_recognised_best_is_judged_beside_a_single_one(
    base, dataset, measured, tmp_path, monkeypatch
):
    class Counting:
        name = "counting"

        def check(self, pictures, claims):
            return [Verdict(1.0, "so it is")] * len(claims)

    conditioning = measured.conditionings(*measured.concepts)["short"]
    asked = dataclasses.replace(trial(base, conditioning, dataset, tmp_path, Counting()), best_of=2)
    recognised = []
    monkeypatch.setattr(
        Condition,
        "recognise",
        lambda self, ids_NK: recognised.append(len(ids_NK)) or [0.5] * len(ids_NK),
    )
    predictions = asked.draw()
    made = [p.task for p in predictions]
    assert recognised == [6]  # three prompts, two drawings of each
    assert [task for task in made if task.endswith("_best_of")] == [
        "identity_best_of",
        "identity_best_of",
        "prompt_best_of",
        "knowledge_best_of",
    ]
    assert all((tmp_path / p.picture).is_file() for p in predictions if p.task.endswith("_best_of"))
    in_words_alone = dataclasses.replace(
        asked, conditioning=in_words(base, "tom", "{name} is a dog.")
    )
    assert not any(p.task.endswith("_best_of") for p in in_words_alone.draw())


def test_words_are_told_the_facts_before_knowledge_driven_drawing_only(
    base, dataset, tmp_path, monkeypatch
):
    told = []
    picture = concepts.toy_concept(1, 0).pictures[0]
    monkeypatch.setattr(
        Condition,
        "draw",
        lambda self, prompts, how, **more: (
            told.append(self.prompts.generation) or [picture] * len(prompts)
        ),
    )
    trial(
        base,
        in_words(base, "tom", "{name} is a dog.", facts="{name} has a red cap."),
        dataset,
        tmp_path,
    ).draw()
    assert told == ["{name} is a dog.", "{name} is a dog. {name} has a red cap."]


def test_a_method_is_a_file_with_settings_on_top(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "method: {name: m, tokens: {shared: 4}, stages: [{steps: 5}, {steps: 6}]}", encoding="utf-8"
    )
    found = load_methods(
        [
            str(tmp_path / "m.yaml"),
            f"{tmp_path / 'm.yaml'} method.name=m-8 method.tokens.shared=8 method.stages.0.steps=0",
        ]
    )
    assert {name: (m.tokens.shared, [s.steps for s in m.stages]) for name, m in found.items()} == {
        "m": (4, [5, 6]),
        "m-8": (8, [0, 6]),
    }
    with pytest.raises(ConfigError, match="all different"):
        load_methods([str(tmp_path / "m.yaml")] * 2)


@pytest.mark.parametrize("name", ["toy", "unifybench-toy", "ablations"])
def test_the_shipped_benchmarks_can_be_read(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    settings = config.load(BenchmarkConfig, f"configs/eval/{name}.yaml")
    assert len(load_methods(settings.methods)) == len(settings.methods)


def test_differences_are_paired_over_concepts():
    scored = (("a", "x", 0.9), ("b", "x", 0.7), ("a", "y", 0.8), ("b", "y", 0.6), ("c", "y", 0.1))
    rows = [{"concept": c, "method": m, "vqa": v} for c, m, v in scored]
    found = differences(rows, "x", ["vqa", "palette"])
    assert (
        list(found) == ["x - y"]
        and found["x - y"]["vqa"].mean == pytest.approx(0.1)
        and found["x - y"]["vqa"].n == 2
    )


def test_without_a_judge_drawings_are_kept_and_shown(base, settings):
    silent = Benchmark(
        dataclasses.replace(settings, judge=None, similarity=("base_i",)), base, {"short": METHOD}
    )
    silent.learn()
    silent.measure()
    row = next(silent.rows())
    assert not {"identity", "drawn"} & set(row) and -1 <= row["similarity (base, pairwise)"] <= 1
    assert len(sheet(silent, silent.concepts[0]).drawn["short"]) == 3


def test_a_concept_that_cannot_be_learned_is_refused_before_any_is(base, settings, monkeypatch):
    benchmark = Benchmark(dataclasses.replace(settings, seed=5), base, {"short": METHOD})
    monkeypatch.setitem(
        benchmark.dataset.concepts,
        "mia",
        dataclasses.replace(benchmark.dataset.concepts["mia"], class_noun="woman"),
    )
    monkeypatch.setattr("unictoken.measure.benchmark.method_of", None)
    with pytest.raises(SourceError, match="'woman' is a person"):
        benchmark.learn()


def test_a_row_about_two_concepts_is_not_asked(base, dataset, tmp_path):
    asked = trial(base, in_words(base, "tom", ""), dataset, tmp_path)
    other = dataclasses.replace(
        read(dataset).select("tom", "vqa", split="test")[0],
        question="is <tom> with <mia>?",
        concepts=("tom", "mia"),
    )
    alone = dataclasses.replace(asked, subject=dataclasses.replace(asked.subject, records=(other,)))
    assert alone.answer("vqa") == []


def test_a_drawing_has_the_exact_shade_where_no_other_is_nearer():
    def drawn(task: str, given: str) -> Prediction:
        return Prediction(
            concept="bo",
            method="m",
            task=task,
            question="<bo>",
            expected="[120, 72, 41]",
            given=given,
            score=1.0,
        )

    made = [
        drawn("palette", "[118, 75, 40]"),
        drawn("palette", "[150, 96, 56]"),
        drawn("palette_best_of", "[121, 70, 45]"),
    ]
    numbers = scores(made)
    assert (numbers["shade"], numbers["shade_best_of"]) == (0.5, 1.0)
