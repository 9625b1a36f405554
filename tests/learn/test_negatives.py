import dataclasses

import numpy as np
import pytest
import small_pipeline
import torch

from unictoken.core.config import ConfigError
from unictoken.data.source import SourceError
from unictoken.learn import negatives
from unictoken.learn.methods import Distractors, Method, Stage, Tokens
from unictoken.learn.negatives import by_likeness, drawn_distractors, gather
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.model.chameleon import Chameleon
from unictoken.model.diffusion import draw_prompts
from unictoken.model.encoders import BaseEncoder
from unictoken.model.profile import Profile
from unictoken.model.protocol import BaseError
from unictoken.tasks.teaching import SoftPositives
from unictoken.toy.hook import draw_others


@pytest.fixture
def alone(toy):
    """The concept without negatives of its own."""
    return dataclasses.replace(toy, negatives={})


@pytest.fixture
def soft(short_method) -> Method:
    return dataclasses.replace(short_method, soft_positives=SoftPositives(groups=3))


def counts(others) -> dict[str, int]:
    return {grade: len(ids) for grade, ids in others.by_grade.items()}


def test_the_owners_negatives_come_first(base, toy, short_method):
    others = gather(base, toy, short_method, Distractors(world=20), seed=0)
    assert counts(others) == {"easy": 24, "hard": 24, "near_duplicate": 24} and others.alike is None


def test_distractors_of_the_world_are_graded_by_likeness(base, alone, short_method):
    assert counts(gather(base, alone, short_method, Distractors(world=20), seed=0)) == {
        "hard": 3,
        "easy": 17,
    }


def test_distractors_fill_the_easy_grade_beside_hard_ones_of_the_owner(base, toy, short_method):
    hard = dataclasses.replace(toy, negatives={"hard": toy.negatives["hard"][:5]})
    assert counts(gather(base, hard, short_method, Distractors(world=20), seed=0)) == {
        "hard": 5,
        "easy": 17,
    }


def test_a_grade_without_pictures_is_left_out(base, alone, short_method):
    assert list(gather(base, alone, short_method, Distractors(world=1), seed=0).by_grade) == [
        "hard"
    ]


def test_the_base_can_draw_distractors_itself(base, alone, short_method):
    assert counts(gather(base, alone, short_method, Distractors(world=0, drawn=4), seed=0)) == {
        "hard": 1,
        "easy": 3,
    }
    first, again, other = (
        [p.tobytes() for p in drawn_distractors(base, "dog", 2, seed)] for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.slow
def test_a_pipeline_of_diffusers_draws_distractors_in_the_bases_place(
    base, alone, short_method, tmp_path, monkeypatch
):
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e .[test]")
    folder = small_pipeline.write(tmp_path)
    monkeypatch.setattr(negatives, "drawn_distractors", None)
    asked = []

    def draw(pipeline, prompts, *, seed):
        asked.extend(prompts)
        return draw_prompts(pipeline, prompts, seed=seed, steps=2)

    monkeypatch.setattr(negatives, "draw_prompts", draw)
    said = Distractors(world=0, drawn=8, pipeline=str(folder))
    found = [gather(base, alone, short_method, said, seed=seed).by_grade for seed in (0, 0, 1)]
    assert {grade: len(ids) for grade, ids in found[0].items()} == {"hard": 1, "easy": 7}
    assert asked == ["a photo of a fox."] * 24
    first, again, other = (ids["easy"] for ids in found)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_pipeline_that_draws_nothing_or_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="Say how many pictures it draws"):
        Distractors(pipeline=str(tmp_path))
    with pytest.raises(ConfigError, match="Name one that is there"):
        Distractors(drawn=3, pipeline=str(tmp_path / "sd")).check_places()


def test_a_pipeline_that_is_not_there_is_refused_before_a_base_is_read(tmp_path, toy_folder):
    concept = ConceptConfig(name="tom", pictures=[str(toy_folder)])
    asked = Distractors(drawn=3, pipeline=str(tmp_path / "sd"))
    settings = RunConfig(concept=concept, base="no such base", distractors=asked)
    with pytest.raises(ConfigError, match="Name one that is there"):
        concept_of(settings)


def test_a_run_without_a_pipeline_keeps_the_digest_that_it_had(tmp_path):
    plain = Distractors(drawn=3).decisive()
    assert plain == {"world": None, "drawn": 3, "likeness": "base", "weights": None}
    with_one = Distractors(drawn=3, pipeline=str(tmp_path)).decisive()
    assert with_one == plain | {"pipeline": str(tmp_path)}


def test_a_base_that_cannot_draw_says_so(model, tokenizer, alone, short_method):
    blind = Chameleon(model, tokenizer, "no-decoder", can_draw=False)
    with pytest.raises(BaseError, match="no decoder"):
        gather(blind, alone, short_method, Distractors(world=0, drawn=4), seed=0)


def test_recognition_is_not_learned_without_anybody_to_tell_apart(base, alone, short_method):
    with pytest.raises(
        SourceError,
        match="task 'recognise' needs pictures of others, and there are none. Put pictures",
    ):
        gather(base, alone, short_method, Distractors(world=0), seed=0)
    drawing = Method(tokens=Tokens(shared=4), stages=(Stage(tasks={"generate": 1}),))
    assert counts(gather(base, alone, drawing, Distractors(world=0), seed=0)) == {}


def test_soft_positives_are_the_owners_hard_negatives_or_the_most_alike_distractors(
    base, toy, alone, soft
):
    # three groups of ten
    assert [
        len(gather(base, alone, soft, Distractors(world=n), seed=0).alike) for n in (20, 40)
    ] == [
        20,
        30,
    ]
    two_groups = dataclasses.replace(soft, soft_positives=SoftPositives(groups=2))
    own = gather(base, toy, two_groups, Distractors(world=20), seed=0)
    assert len(own.alike) == 24 and {tuple(i) for i in own.alike.tolist()} == {
        tuple(i) for i in own.by_grade["hard"].tolist()
    }
    with pytest.raises(SourceError, match="soft positives need look-alikes"):
        gather(base, alone, soft, Distractors(world=0), seed=0)


def test_distractors_join_the_owners_hard_negatives_where_these_are_few_for_the_groups(
    base, toy, soft
):
    # three groups of ten, and 24
    others = gather(base, toy, soft, Distractors(world=20), seed=0)
    assert len(others.alike) == 30 and counts(others) == {
        "easy": 24,
        "hard": 24,
        "near_duplicate": 24,
    }
    assert {tuple(i) for i in others.by_grade["hard"].tolist()} < {
        tuple(i) for i in others.alike.tolist()
    }


def test_distractors_are_a_function_of_their_seed():
    first, again, other = ([p.tobytes() for p in draw_others(3, seed)] for seed in (0, 0, 1))
    assert first == again != other


def test_the_most_alike_come_first(base, toy):
    others = [*draw_others(6, 0), toy.pictures[0]]
    assert by_likeness(BaseEncoder(base), toy.pictures[:1], others)[0] == 6


def test_likeness_is_the_cosine_with_the_mean_of_the_pictures():
    class Given:
        def pictures(self, pictures):
            return np.array(pictures, np.float32)

    assert by_likeness(Given(), [(2, 0), (0, 1)], [(1, -1), (0, 5), (3, 3)]) == [2, 1, 0]


def test_fewer_than_none_are_refused():
    with pytest.raises(ConfigError, match="distractors: world: found -1"):
        Distractors(world=-1)


def test_a_base_of_photographs_is_given_no_pixel_art(base, alone, short_method, monkeypatch):
    monkeypatch.setattr("unictoken.toy.hook.distractors", 10)
    assert counts(gather(base, alone, short_method, Distractors(), seed=0)) == {
        "hard": 1,
        "easy": 9,
    }
    monkeypatch.setattr(base, "profile", Profile())
    with pytest.raises(SourceError, match="'recognise' needs pictures of others"):
        gather(base, alone, short_method, Distractors(), seed=0)
