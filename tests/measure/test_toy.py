import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unictoken.conditioning import Conditioning, in_words
from unictoken.measure import toy as benchmark
from unictoken.measure.judge import Judge
from unictoken.world import language
from unictoken.world.things import held_out


@pytest.fixture(scope="module")
def judge() -> Judge:
    torch.manual_seed(0)
    return Judge().eval()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(benchmark, "TEST_PICTURES", 2)
    monkeypatch.setattr(benchmark, "DRAWINGS", 1)


def test_a_seed_and_a_number_give_the_same_concept(toy):
    again, other = benchmark.toy_concept(0, 0), benchmark.toy_concept(0, 1)
    assert (again.pet, again.facts, again.source.facts) == (toy.pet, toy.facts, toy.source.facts)
    assert [p.tobytes() for p in again.source.pictures] == [p.tobytes() for p in toy.source.pictures]
    assert (other.pet, other.source.name) != (toy.pet, toy.source.name)


def test_concepts_are_of_combinations_that_the_base_never_saw():
    assert all(held_out(benchmark.toy_concept(1, i).pet) for i in range(4))


def test_a_concept_has_five_pictures_its_facts_and_their_questions(toy):
    assert len(toy.source.pictures) == 5
    assert dict(toy.source.questions)[language.FACT_QUESTIONS["food"]] == toy.facts.food
    assert all("{name}" in fact for fact in toy.source.facts)


def test_test_pictures_are_not_the_training_pictures(base, toy, small):
    test = benchmark.make_test_set(base, toy.pet, toy.seed)
    own = {tuple(ids) for ids in base.encode(toy.source.pictures).tolist()}
    assert test.positives.shape == (2, 64) and {grade: len(ids) for grade, ids in test.negatives.items()} == {"easy": 2, "hard": 2, "twin": 2}
    assert not own & {tuple(ids) for ids in test.positives.tolist()}


def test_controls_stand_beside_the_concept(base, toy, bo):
    compared = benchmark.conditionings(base, toy.source, bo, bo)
    assert list(compared) == ["joint", "none", "class_noun", "text_prompt", "wrong_concept"]
    described = f"{{name}} is {language.describe(toy.pet)}."
    assert compared["text_prompt"].prompts.understanding == " ".join([described, *toy.source.facts])
    assert compared["text_prompt"].prompts.generation == described


def test_measuring_gives_every_metric_within_its_range(base, toy, judge, small):
    test = benchmark.make_test_set(base, toy.pet, toy.seed)
    numbers, pictures = benchmark.measure(in_words(base, "toy0", ""), judge, toy.pet, toy.facts, test, seed=0)
    assert set(benchmark.METRICS) <= set(numbers) and len(pictures) == 1
    assert all(0 <= value <= 1 for name, value in numbers.items() if name != "palette") and 0 <= numbers["palette"] <= 442
    assert (numbers["recognition_twins"]) == pytest.approx((numbers["positive"] + numbers["negative_twin"]) / 2)


def test_who_knows_every_answer_scores_one(base, toy, small):
    truth = {form.replace("{it}", "{name}"): attribute for attribute, (form, *_) in {**language.PET_QUESTIONS, **language.SCENE_QUESTIONS}.items()}
    test = benchmark.make_test_set(base, toy.pet, toy.seed)
    facts = {question: language.fact_answer(key, toy.facts) for key, question in language.FACT_QUESTIONS.items()}

    class Knowing:
        def ask(self, questions, images=None, *, max_ids):
            scenes = test.scenes if images is not None else [None] * len(questions)
            return [facts.get(q) or language.answer(truth[q], toy.pet, s) for q, s in zip(questions, scenes, strict=False)]

    assert benchmark._answers(Knowing(), toy.pet, toy.facts, test) == {"vqa": 1.0, "text_qa": 1.0, "facts": 1.0}


def test_knowledge_counts_drawings_with_both_the_hat_and_the_colour_of_the_facts(toy):
    hat, colour = toy.facts.hat, toy.facts.hat_colour
    seen = [(hat, colour), (hat, "another"), ("another", colour), (hat, colour)]
    wishes = [("cap", "red", place) for place in ("snow", "city", "beach", "snow")]
    asked = []
    drawing = SimpleNamespace(draw=lambda prompts, how: asked.extend(prompts))
    drawing.knowing = lambda: drawing
    readings = [SimpleNamespace(values={"accessory": a, "accessory_colour": c}) for a, c in seen]
    judge = SimpleNamespace(read=lambda pictures: readings)
    assert benchmark.knowledge(drawing, judge, toy.facts, SimpleNamespace(wishes=wishes), seed=0) == 0.5
    assert asked[0] == "{name} wearing its hat in the snow" and not any(hat in prompt or colour in prompt for prompt in asked)


def test_words_are_told_the_facts_before_knowledge_driven_drawing(base, toy, judge, small, monkeypatch):
    test, seen = benchmark.make_test_set(base, toy.pet, toy.seed), []
    monkeypatch.setattr(Conditioning, "draw", lambda self, prompts, how: seen.append(self.prompts.generation) or toy.source.pictures[:1])
    benchmark.knowledge(in_words(base, "toy0", "{name} is a dog.", facts="{name} has a red cap."), judge, toy.facts, test, seed=0)
    assert seen == ["{name} is a dog. {name} has a red cap."]


def test_a_table_has_a_row_for_each_conditioning():
    rows = {"joint": {"vqa": 0.5, "palette": 12.34}, "none": {"vqa": 1}}
    assert benchmark.table(rows, ["vqa", "palette"]) == "| | vqa | palette |\n|---|---|---|\n| joint | 0.500 | 12.3 |\n| none | 1.000 | - |"


def test_the_judge_reads_every_attribute(judge, toy):
    readings = judge.read(toy.source.pictures)
    names = {f.name for f in dataclasses.fields(toy.pet)} | {"place", "time", "pose", "position", "accessory", "accessory_colour"}
    assert len(readings) == 5 and all(set(r.values) <= names and len(r.fur_rgb) == len(r.second_rgb) == 3 for r in readings)
    assert np.isfinite([r.fur_rgb for r in readings]).all()
