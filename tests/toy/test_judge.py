"""The judge's words for what its network sees; a network whose output is set by hand stands for a
trained one.
"""

from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from unictoken.core.errors import UserError
from unictoken.scoring.verdict import Claim
from unictoken.toy import judge as judging
from unictoken.toy.judge import (
    MEMBER_CLASSES,
    PICTURE_LABELS,
    Judge,
    MemberReading,
    Reading,
    WorldJudge,
    load_judge,
)
from unictoken.toy.pretrain.pictures import sample_groups
from unictoken.toy.world.attributes import NONE, POSITIONS
from unictoken.toy.world.groups import Group
from unictoken.toy.world.labels import LABELS, labels, palette

PICTURE = Image.new("RGB", (32, 32))


def member(position: str = "left", there: float = 1.0, **values: str) -> MemberReading:
    return MemberReading(
        position=position,
        kind="animal",
        values={"accessory": NONE, **values},
        main_rgb=(1.0, 2.0, 3.0),
        second_rgb=(4.0, 5.0, 6.0),
        there=there,
    )


def picture_of(*members: MemberReading) -> Reading:
    return Reading(place="beach", time="day", members=members, likeliest=members[0])


def judge_of(*readings: Reading) -> WorldJudge:
    return WorldJudge(SimpleNamespace(read=lambda pictures: readings))


def scores_of(groups: list[Group]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """What a network without a mistake gives."""
    said = [labels(group) for group in groups]

    def scores(name: str) -> torch.Tensor:
        found = torch.tensor([LABELS[name].index(one[name]) for one in said])
        return 20.0 * torch.nn.functional.one_hot(found, len(LABELS[name]))

    made = {name: scores(name) for name in PICTURE_LABELS}
    for name in MEMBER_CLASSES:
        made[name] = torch.stack([scores(f"{position} {name}") for position in POSITIONS], 1)
    exact = torch.stack([torch.from_numpy(palette(group)) for group in groups])
    return made, exact.nan_to_num() / 127.5 - 1


def test_a_network_without_a_mistake_is_read_without_one():
    groups = sample_groups(200, seed=5, taught_only=False)
    assert {len(group.members) for group in groups} == {0, 1, 2}
    for group, reading in zip(groups, judging._readings(*scores_of(groups)), strict=True):
        assert (reading.place, reading.time) == (group.place, group.time)
        assert [m.position for m in reading.members] == [m.position for m in group.members]
        for seen, true in zip(reading.members, group.members, strict=True):
            shown = ("pose", "accessory", "accessory_colour")
            assert seen.values == true.subject.nameable | {n: getattr(true, n) for n in shown}
            exact = getattr(true.subject, "fur_rgb", None) or true.subject.main_rgb
            assert seen.main_rgb == pytest.approx(exact, abs=1e-3)


def test_a_member_is_never_said_to_have_what_its_kind_cannot():
    torch.manual_seed(0)
    scores, colours = Judge()(torch.rand(64, 3, 32, 32))
    scores = {name: torch.randn_like(s) for name, s in scores.items()}
    for reading in judging._readings(scores, colours):
        for seen in reading.members:
            allowed = judging._ATTRIBUTES_BY_CLASS[seen.kind]
            assert all(value in allowed[name] for name, value in seen.values.items())
            assert seen.values.keys() == allowed.keys()


def test_a_picture_of_nobody_has_no_members_and_still_a_likeliest_one():
    scores, colours = scores_of([g for g in sample_groups(600, seed=5) if not g.members][:1])
    scores["kind"][0, 1, 3] = 10.0  # below 'none'
    (reading,) = judging._readings(scores, colours)
    assert reading.members == () and reading.likeliest.position == "middle"
    assert reading.values["species"] == MEMBER_CLASSES["kind"][3]
    assert reading.values["kind"] == NONE  # of a thing


def test_what_is_learned_at_one_position_is_known_at_all():
    """Features that are moved by two places are the same member one position further."""
    torch.manual_seed(0)
    judge = Judge().eval()
    row = torch.randn(1, 128, 8, 4)

    def at(place: int) -> torch.Tensor:
        features = torch.zeros(1, 128, 8, 8)
        features[..., 2 * place : 2 * place + 4] = row
        judge.features = lambda pixels: features
        scores, _ = judge(torch.zeros(1, 3, 32, 32))
        return scores["kind"][0, place]

    judge.__dict__["_modules"].pop("features")
    assert torch.allclose(at(0), at(1)) and torch.allclose(at(1), at(2))


def test_a_claim_is_about_the_member_that_fits_it_best():
    bo = member("left", species="dog", fur="brown", accessory="cap", accessory_colour="red")
    mia = member("right", species="cat", fur="black", accessory="bow", accessory_colour="blue")
    world = judge_of(picture_of(bo, mia))

    def score(**sought: str) -> float | None:
        return world.check([PICTURE], [Claim(text="", attributes=sought)])[0].score

    assert score(species="cat", fur="black") == score(species="dog", fur="brown") == 1
    assert score(species="cat", fur="brown") == 0.5
    # the hat of the other does not count
    assert score(species="cat", fur="black", accessory="cap") == pytest.approx(2 / 3)
    assert score(species="cat", fur="black", accessory="bow", place="beach", time="night") == 0.8
    assert score(accessory="cap", accessory_colour="red") == 1
    assert score(position="right", species="cat") == 1 and score(style="short") == 0
    assert score() is None


def test_the_colour_is_that_of_the_member_most_like_the_pet(toy):
    other = member("right", 0.9, **toy.truth.subject.nameable)
    likeliest = member("left", 1.0, species="nobody")
    object.__setattr__(other, "main_rgb", (9.0, 9.0, 9.0))
    colour = judge_of(picture_of(likeliest, other)).read_colour(PICTURE, toy.truth)
    assert (colour.seen, colour.exact) == ((9, 9, 9), toy.truth.subject.fur_rgb)


def test_weights_of_the_judge_before_this_one_are_refused_in_one_line(tmp_path):
    weights = Judge().state_dict()
    weights.pop("member.0.weight")
    save_file(weights, tmp_path / "old.safetensors")
    with pytest.raises(UserError, match="not the judge's weights") as caught:
        load_judge(tmp_path / "old.safetensors")
    assert "\n" not in str(caught.value)


def test_what_somebody_wears_is_read_off_the_one_whom_the_claim_is_about():
    bo = member("left", species="dog", fur="brown", accessory="cap", accessory_colour="red")
    mia = member("right", species="cat", fur="black", accessory="bow", accessory_colour="red")
    claim = Claim(text="", attributes={"accessory": "cap"}, who={"species": "cat", "fur": "black"})
    assert judge_of(picture_of(bo, mia)).check([PICTURE], [claim])[0].score == 0


BO, MIA = {"species": "dog", "fur": "brown"}, {"species": "dog", "fur": "black"}


def test_no_member_stands_for_two_concepts():
    left, right = member("left", **BO), member("right", species="pig", fur="black")
    picture = picture_of(left, right)
    assert judging.match_members(picture, [BO, MIA]) == [left, right]
    assert judging.match_members(picture, [MIA, BO]) == [right, left]
    assert judging.match_members(picture_of(left), [MIA, BO]) == [None, left]


def test_a_picture_of_two_shows_each_as_it_was_asked_for():
    left, right = member("left", accessory="cap", **BO), member("right", **MIA)
    picture = picture_of(left, right)
    asked = [{"position": "left", "accessory": "cap"}, {"position": "right"}]
    found = judging.check_together(picture, [BO, MIA], asked, "beach")
    assert found.identity == (1, 1) and found.all_there and found.wishes == 1
    # names that were swapped: everybody is there, on the other side
    found = judging.check_together(picture, [MIA, BO], asked, "snow")
    assert found.all_there and found.wishes == 0
    found = judging.check_together(picture_of(left), [BO, MIA], [{}, {}])
    assert found.identity == (1, 0) and not found.all_there and found.wishes is None
