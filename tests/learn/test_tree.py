"""A tree of attributes, and what the base draws from it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import small_pipeline
import torch

from unictoken.core.config import ConfigError
from unictoken.data.interviews import GENERAL
from unictoken.learn import from_tree
from unictoken.learn.examples import Examples
from unictoken.learn.folder import RunFolder
from unictoken.learn.from_tree import OWN, concept_scores, draw_from_tree
from unictoken.learn.methods import Distractors, Method, Stage, Tokens, Tree
from unictoken.learn.negatives import gather
from unictoken.learn.prepare import prepare
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.learn.tree import AttributeTree, Branch, grow
from unictoken.model.diffusion import PipelineError, draw_prompts
from unictoken.model.profile import Profile
from unictoken.toy.concepts import held_out_of, toy_concept
from unictoken.toy.dataset import _prompts
from unictoken.toy.interview import PERSON, TOY, toy_interview

SMALL = Tree(positives=3, negatives=2)


@pytest.fixture(scope="module")
def pictures_NK(base, toy):
    return base.encode(toy.pictures[:2])


@pytest.fixture(scope="module")
def tree(base, pictures_NK):
    return grow(base, pictures_NK, "dog", seed=0)


@pytest.fixture(scope="module")
def drawn(base, pictures_NK):
    return draw_from_tree(base, pictures_NK, "dog", SMALL, seed=0)


@pytest.fixture
def alone(toy):
    return dataclasses.replace(toy, negatives={})


def sure(**others):
    """A tree of sure branches, by their answers."""
    form = dataclasses.replace(TOY.tree, subject=lambda answers, noun: " ".join(answers))
    branches = tuple(
        Branch(question=q, answer="own", confidence=0.9, others=("x", "y")) for q in form.questions
    )
    return AttributeTree(class_noun="dog", branches=branches, form=form)


def test_every_question_of_the_interview_is_a_branch_with_the_bases_likeliest_answer(tree):
    assert tuple(branch.question for branch in tree.branches) == TOY.tree.questions
    for branch in tree.branches:
        known = TOY.tree.answers[branch.question]
        # An untaught base may have said anything else itself; that is nobody's attribute.
        assert set(branch.others) == set(known) - {branch.answer}
        assert 0 < branch.confidence <= 1
    assert tree.branches[tree.class_branch].question == "what animal is {it}?"


def test_the_same_pictures_give_the_same_tree(base, pictures_NK, tree):
    assert grow(base, pictures_NK, "dog", seed=0) == tree


def test_few_altered_is_one_attribute_and_never_the_class():
    tree, rng = sure(), np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        (changed,) = tree.few_altered(rng).items()
        assert changed[0] != tree.class_branch and changed[1] in ("x", "y")
        seen.add(changed[0])
    assert len(seen) == len(tree.branches) - 1


def test_many_altered_are_more_than_half_and_the_class():
    tree, rng = sure(), np.random.default_rng(0)
    for _ in range(10):
        altered = tree.many_altered(rng)
        assert tree.class_branch in altered and len(altered) == (len(tree.branches) - 1) // 2 + 2
        assert tree.subject(altered).split().count("own") == len(tree.branches) - len(altered)


def test_an_attribute_that_the_base_does_not_know_is_not_altered():
    tree = sure()
    first = dataclasses.replace(tree.branches[1], confidence=0.3)
    unsure = dataclasses.replace(tree, branches=(tree.branches[0], first, *tree.branches[2:]))
    assert 1 not in unsure.alterable() and 2 in unsure.alterable()
    # Where it knows none, all may be.
    nothing = [dataclasses.replace(b, confidence=0.1) for b in tree.branches]
    assert dataclasses.replace(tree, branches=tuple(nothing)).alterable() == tree.alterable()


@pytest.mark.parametrize("kind", ["animal", "object", "person"])
def test_no_context_is_what_a_prompt_of_the_benchmark_asks_for(kind):
    for seed in range(3):
        concept = toy_concept(seed, 0, kind=kind)
        form = toy_interview(concept.class_noun).tree
        shown = held_out_of(concept, (seed, 0))
        asked = [p for wished in _prompts(shown, "<bo>", knows=True).values() for p in wished]
        for context in form.contexts:
            assert not any(prompt.rstrip(".").endswith(f"<bo> {context}") for prompt in asked)


def test_a_thing_and_a_person_have_a_tree_of_their_own():
    mug = toy_interview("mug").tree
    assert (
        mug.subject(["red", "none", "plain", "green"], "mug")
        == "a plain red mug with a green handle"
    )
    assert not mug.class_question and not PERSON.tree.class_question
    assert "what colour is the handle of {it}?" in mug.answers
    assert not any("wearing" in context for context in mug.contexts)


def test_any_other_base_is_asked_general_questions_and_its_own_drawings_for_other_answers(
    base, pictures_NK, monkeypatch
):
    monkeypatch.setattr(base, "profile", Profile())
    monkeypatch.setattr("unictoken.learn.tree.OF_THE_NOUN", 2)
    short = dataclasses.replace(GENERAL, max_ids=4)
    monkeypatch.setattr("unictoken.learn.observe.GENERAL", short)
    tree = grow(base, pictures_NK[:1], "dog", seed=0)
    assert tuple(branch.question for branch in tree.branches) == GENERAL.tree.questions
    assert tree.subject().startswith("a dog") and tree.class_branch is None
    assert all(branch.answer not in branch.others for branch in tree.branches)


@pytest.mark.slow
def test_so_many_of_each_kind_are_kept_and_as_many_again_left_out(drawn):
    assert {kind: len(ids) for kind, ids in drawn.by_kind.items()} == {
        OWN: 3,
        "easy": 2,
        "hard": 2,
        "near_duplicate": 2,
    }
    assert len(drawn.positives) == 3 and list(drawn.negatives) == ["easy", "hard", "near_duplicate"]
    assert len(drawn.samples) == 2 * 9 and sum(sample.kept for sample in drawn.samples) == 9


def test_the_positives_with_most_of_the_concept_are_kept_and_the_others_with_least(drawn):
    for kind in drawn.by_kind:
        kept, out = (
            [s.score for s in drawn.samples if s.kind == kind and s.kept == keeps]
            for keeps in (True, False)
        )
        assert min(kept) >= max(out) if kind == OWN else max(kept) <= min(out)


def test_a_score_is_how_much_likelier_a_reference_makes_a_picture_than_the_noun(
    base, pictures_NK, drawn
):
    ids_MK = drawn.by_kind[OWN]
    scores = concept_scores(base, pictures_NK, ids_MK, "dog", word="tom")
    kept = sorted((s.score for s in drawn.samples if s.kind == OWN and s.kept), reverse=True)
    assert torch.allclose(scores, torch.tensor(kept), atol=1e-5)
    each = [concept_scores(base, one[None], ids_MK, "dog", word="tom") for one in pictures_NK]
    assert torch.allclose(scores, torch.stack(each).mean(0), atol=1e-5)


def test_prompts_keep_the_attributes_or_alter_some(drawn):
    own = drawn.tree.subject()
    prompts = {kind: [s.prompt for s in drawn.samples if s.kind == kind] for kind in drawn.by_kind}
    assert all(prompt.startswith("a photo of <tom> ") for prompt in prompts[OWN])
    assert all(own in prompt for prompt in prompts["near_duplicate"])
    assert not any(own in prompt for prompt in prompts["easy"] + prompts["hard"])


def test_where_nothing_can_be_altered_others_only_fit_the_words(
    base, pictures_NK, tree, monkeypatch
):
    alone = tuple(dataclasses.replace(branch, others=()) for branch in tree.branches)
    bare = dataclasses.replace(tree, branches=alone)
    monkeypatch.setattr("unictoken.learn.from_tree.grow", lambda *given, **more: bare)
    one_each = Tree(positives=1, negatives=1, drawn=1)
    found = draw_from_tree(base, pictures_NK[:1], "dog", one_each, seed=0)
    assert list(found.by_kind) == [OWN, "near_duplicate"]


@pytest.mark.slow
def test_the_same_seed_draws_the_same(base, pictures_NK, drawn):
    again = draw_from_tree(base, pictures_NK, "dog", SMALL, seed=0)
    assert again.samples == drawn.samples
    assert all(torch.equal(again.by_kind[kind], ids) for kind, ids in drawn.by_kind.items())


@pytest.mark.slow
def test_a_pipeline_draws_the_tree_in_words_and_the_base_encodes_and_filters(
    base, pictures_NK, tmp_path, monkeypatch
):
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e .[test]")
    asked, pictures = [], []

    def draw(pipeline, prompts, *, seed):
        found = draw_prompts(pipeline, prompts, seed=seed, steps=2)
        asked.extend(prompts)
        pictures.extend(found)
        return found

    monkeypatch.setattr(from_tree, "draw_prompts", draw)
    few = Tree(positives=2, negatives=1, pipeline=str(small_pipeline.write(tmp_path)))
    found = draw_from_tree(base, pictures_NK, "dog", few, seed=0)
    assert [sample.prompt for sample in found.samples] == asked and len(asked) == 2 * 5
    own = found.tree.subject()
    prompts = {kind: [s.prompt for s in found.samples if s.kind == kind] for kind in found.by_kind}
    assert all(own in prompt for prompt in prompts[OWN] + prompts["near_duplicate"])
    assert not any(own in prompt for prompt in prompts["easy"] + prompts["hard"])
    assert len(set(prompts[OWN])) == 4 and not any("<" in prompt for prompt in asked)
    # Of the first four, which are of the concept, the two that the reference makes likeliest.
    ids_MK = base.encode(pictures[:4])
    scores = concept_scores(base, pictures_NK, ids_MK, "dog", word="tom")
    assert torch.equal(found.by_kind[OWN], ids_MK[scores.argsort(descending=True)[:2]])
    said = {kind: len(ids) for kind, ids in found.negatives.items()}
    assert said == {"easy": 1, "hard": 1, "near_duplicate": 1}
    assert len(found.positives) == 2 and found.shown(base).size[0] > 0


def test_negatives_of_a_tree_join_by_grade_and_the_world_draws_none(
    base, toy, alone, short_method, drawn
):
    others = gather(base, alone, short_method, Distractors(), seed=0, drawn=drawn.negatives)
    assert {grade: len(ids) for grade, ids in others.by_grade.items()} == {
        "easy": 2,
        "hard": 2,
        "near_duplicate": 2,
    }
    joined = gather(base, toy, short_method, Distractors(), seed=0, drawn=drawn.negatives)
    assert {grade: len(ids) for grade, ids in joined.by_grade.items()} == {
        "easy": 26,
        "hard": 26,
        "near_duplicate": 26,
    }
    asked = gather(base, alone, short_method, Distractors(world=20), seed=0, drawn=drawn.negatives)
    assert {grade: len(ids) for grade, ids in asked.by_grade.items()} == {
        "hard": 5,
        "easy": 19,
        "near_duplicate": 2,
    }


@pytest.mark.slow
def test_recognition_and_captions_show_drawn_pictures_and_the_owners_own(base, alone):
    method = Method(
        tokens=Tokens(shared=4),
        tree=SMALL,
        stages=(Stage(steps=2, batch=4, tasks={"recognise": 0.5, "caption": 0.5}),),
    )
    one = dataclasses.replace(alone, pictures=alone.pictures[:1])
    prepared = prepare(base, one, method, seed=0)
    assert prepared.drawn and len(prepared.material.drawn_positives) == 3
    # The generate task draws the owner's own only: what it must not learn are copies.
    assert len(prepared.material.pictures_NK) == 1
    examples: Examples = prepared.examples
    drawn = {tuple(ids.tolist()) for _, ids in prepared.material.drawn_positives}
    own = {tuple(ids.tolist()) for ids in prepared.material.pictures_NK}
    rng = np.random.default_rng(0)
    for task in ("recognise", "caption"):
        shown = {
            found
            for _ in range(60)
            for found in [_picture_of(base, examples.make(task, rng).ids)]
            if found in drawn | own
        }
        assert shown & drawn and shown & own


def _picture_of(base, ids):
    images = set(base.vocab.image_ids.tolist())
    return tuple(i for i in list(ids) if i in images)[: base.codes_per_picture]


def test_a_method_without_a_tree_keeps_its_digest():
    assert "tree" not in Method().decisive()
    said = {"positives": 3, "negatives": 2, "drawn": 2}
    assert Method(tree=SMALL).decisive()["tree"] == said
    other = dataclasses.replace(SMALL, pipeline="sd15")
    assert Method(tree=other).decisive()["tree"] == said | {"pipeline": "sd15"}


@pytest.mark.slow
def test_a_run_keeps_its_tree_for_people_to_read(base, alone, tmp_path):
    method = Method(tokens=Tokens(shared=4), tree=SMALL, stages=(Stage(steps=1, batch=2),))
    concept = ConceptConfig(name=alone.name, pictures=("x.png",), class_noun="dog")
    settings = RunConfig(concept=concept, method=method, out=str(tmp_path / "run"), board="none")
    folder = RunFolder(settings)
    prepared = prepare(base, alone, method, seed=0)
    folder.find(base, alone)
    folder.check(base, alone, prepared)
    folder.begin(0)
    said = json.loads((tmp_path / "run" / "tree.json").read_text(encoding="utf-8"))
    assert said["class_noun"] == "fox" and len(said["branches"]) == len(TOY.tree.questions)
    assert sum(one["kept"] for one in said["drawn"]) == 9
    assert (tmp_path / "run" / "tree.png").read_bytes().startswith(b"\x89PNG")


def test_what_no_tree_can_be_asked_for_is_refused_in_one_line():
    with pytest.raises(ConfigError, match="tree: positives: found -1"):
        Tree(positives=-1)
    with pytest.raises(ConfigError, match="tree: drawn: found 0"):
        Tree(drawn=0)
    with pytest.raises(ConfigError, match="tree: pipeline: found 'sd15', and neither positives"):
        Tree(pipeline="sd15")
    opinion = Stage(steps=1, tasks={"opinion": 1})
    with pytest.raises(ConfigError, match="labels, and a tree .* Leave `tree` out"):
        Method(tokens=Tokens(shared=4), tree=SMALL, stages=(opinion,))


def test_a_pipeline_of_a_tree_that_is_not_there_is_refused_before_a_base_is_read(
    tmp_path, toy_folder
):
    concept = ConceptConfig(name="tom", pictures=[str(toy_folder)])
    method = Method(tree=Tree(positives=1, pipeline=str(tmp_path / "sd")))
    settings = RunConfig(concept=concept, base="no such base", method=method)
    with pytest.raises(ConfigError, match="tree: pipeline: found '.*sd', .*Name one that is there"):
        concept_of(settings)


def test_a_folder_that_is_no_pipeline_is_refused_before_the_base_is_asked(
    base, pictures_NK, tmp_path, monkeypatch
):
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e .[test]")
    monkeypatch.setattr(from_tree, "grow", None)
    with pytest.raises(PipelineError, match="no model_index.json in it"):
        draw_from_tree(base, pictures_NK, "dog", Tree(negatives=1, pipeline=str(tmp_path)), seed=0)
