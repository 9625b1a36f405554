"""Training sequences: every answer is true of the picture and of what was said before it."""

from collections import Counter
from functools import partial

import numpy as np
import pytest

from unictoken.core.errors import UserError
from unictoken.data import templates
from unictoken.data.sequence import IGNORE
from unictoken.toy.exam import encoded
from unictoken.toy.pretrain import one, several, words
from unictoken.toy.pretrain.album import SHOTS, AlbumSettings, Maker, make_album
from unictoken.toy.pretrain.parts import Parts, nameable
from unictoken.toy.pretrain.sequences import KINDS, MIXTURE, TrainingSequences
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import FUR_SHADES, PAINT_SHADES
from unictoken.toy.world.group_language import Asked
from unictoken.toy.world.subjects import hard_negative, held_out, sample_subject

LENGTH = 400
SETTINGS = AlbumSettings(families=12, couples=10, tales=8)


@pytest.fixture(scope="module")
def album(base):
    return make_album(SETTINGS, partial(encoded, base), seed=0)


@pytest.fixture(scope="module")
def parts(base, album) -> Parts:
    return Parts(base.vocab, album, length=LENGTH)


def test_a_family_is_a_subject_its_near_duplicate_and_a_hard_negative(album):
    for family in album.families:
        subject, near_duplicate, hard = family.subjects
        assert not any(map(held_out, family.subjects))
        assert near_duplicate != subject and near_duplicate.nameable == subject.nameable
        differ = [k for k, v in subject.nameable.items() if hard.nameable[k] != v]
        assert len(differ) == 1
        assert [len(shots) for shots in family.shots] == [SHOTS] * 3


def test_an_album_to_examine_on_has_subjects_that_training_never_shows():
    taught, unseen = Maker(3, 50), Maker(3, 50, unseen=True)
    for number in range(20):
        assert not any(map(held_out, taught.subjects(number)))
        assert all(map(held_out, unseen.subjects(number)[:2]))


def test_every_shot_has_the_ids_of_its_own_picture(base, album):
    from unictoken.toy.world.drawing import draw_group

    shots = [
        album.families[5].shots[1][2],
        album.couples[3].shots[1],
        album.tales[2].shots[-1],
    ]
    ids_NK = base.encode([draw_group(shot.group) for shot in shots])
    assert [shot.ids.tolist() for shot in shots] == ids_NK.tolist()
    assert set(album.couples[3].shots[1].subjects) == {
        album.subject(who) for who in album.couples[3].who
    }


def test_image_ids_are_kept_in_a_file_and_read_from_it(base, album, tmp_path):
    made = make_album(SETTINGS, partial(encoded, base), seed=0, file=tmp_path / "album.npy")

    def never(pixels):
        raise AssertionError("encoded again")

    again = make_album(SETTINGS, never, seed=0, file=tmp_path / "album.npy")
    for kept in (made, again):
        assert np.array_equal(kept.couples[9].shots[0].ids, album.couples[9].shots[0].ids)
        assert kept.tales[7].story == album.tales[7].story


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sequence_has_something_to_learn_and_fits(base, album, kind):
    sequences = TrainingSequences(base.vocab, album, length=LENGTH)
    for seed in range(20):
        example = sequences.of_kind(kind, np.random.default_rng(seed))
        again = sequences.of_kind(kind, np.random.default_rng(seed))
        learned = [label for label in example.labels if label != IGNORE]
        assert example == again and learned and len(example.ids) <= LENGTH
        pairs = zip(example.ids, example.labels, strict=True)
        assert all(label in (IGNORE, i) for i, label in pairs)


def test_kinds_of_sequences_have_a_share_each_and_an_unknown_one_is_refused(base, album):
    assert set(MIXTURE) == set(KINDS) and all(share > 0 for share in MIXTURE.values())
    with pytest.raises(UserError, match="found 'sing', expected kinds of training sequences: look"):
        TrainingSequences(base.vocab, album, length=LENGTH, mixture={"sing": 1.0})


def test_a_statement_is_true_or_off_by_its_one_attribute(parts, album):
    rng = np.random.default_rng(0)
    for family in album.families:
        subject = family.subjects[0]
        own = {descriptions.describe_one(subject, name) for name in nameable(subject)}
        for _ in range(20):
            assert parts.statement(subject, True, rng) in own
            assert parts.statement(subject, False, rng) not in own


def test_a_wrong_description_is_of_nobody_who_looks_so(parts, album):
    rng = np.random.default_rng(1)
    subject = album.families[0].subjects[0]
    true = {descriptions.describe(subject)} | {
        descriptions.describe_briefly(subject, np.random.default_rng(i)) for i in range(300)
    }
    assert not true & {parts.wrong_description(subject, rng) for _ in range(100)}


def test_codes_of_a_subject_are_of_its_side_and_not_of_the_place(parts, album, monkeypatch):
    monkeypatch.setattr("unictoken.toy.pretrain.parts.WITH_PLACE", 0.0)
    shot = album.couples[0].shots[0]
    left = next(m.subject for m in shot.group.members if m.position == "left")
    codes = parts.codes_on(shot, left, np.random.default_rng(0))
    half = shot.ids.reshape(8, 8)[:, :4]
    empty = album.empty[shot.group.place, shot.group.time, shot.group.detail].reshape(8, 8)[:, :4]
    assert sorted(codes) == sorted(half[half != empty].tolist()) and codes


def test_recognition_says_yes_and_no_alike(base, parts):
    said = Counter()
    for seed in range(120):
        rng = np.random.default_rng(seed)
        known = one.introduced(parts, one.pick(parts, rng), rng, "codes")
        said[known.shown] += 1
    assert 0.35 < said[True] / 120 < 0.65


def test_who_is_there_is_named_from_left_to_right(base, parts, album):
    shot = album.couples[1].shots[0]
    known = several.named(parts, album.couples[1].who, np.random.default_rng(2), "codes")
    name_of = {k.subject: base.vocab.decode(k.name) for k in known}
    for seed in range(12):
        turns = several._who_is_it(parts, shot, known, np.random.default_rng(seed))
        for asked, answered in zip(turns[::2], turns[1::2], strict=True):
            if base.vocab.decode(asked.ids) in templates.WHO:
                said = " and ".join(name_of[subject] for subject in shot.subjects)
                assert base.vocab.decode(answered.ids).split() == said.split()


def test_whom_nobody_introduced_is_not_known(base, parts):
    rng = np.random.default_rng(0)
    asked, answered = several._stranger(parts, [], rng)
    assert base.vocab.decode(answered.ids).startswith("i do not know")
    assert not asked.learned and answered.learned


def test_what_is_said_last_of_a_fact_is_the_answer(base, parts):
    rng = np.random.default_rng(0)
    facts: dict[str, language.Facts] = {}
    name = base.vocab.encode("tom")
    words._told(parts, name, facts, "food", rng)
    first = facts["food"]
    words._told(parts, name, facts, "food", rng, now=True)
    asked, answered = words._fact_question(parts, name, "food", facts)
    assert base.vocab.decode(answered.ids) == facts["food"].food and first is not facts["food"]
    _, unsaid = words._fact_question(parts, name, "toy", facts)
    assert base.vocab.decode(unsaid.ids) == templates.UNSURE
    assert base.vocab.decode(asked.ids) == "what does tom like to eat?"


def test_options_hold_the_answer_once_at_the_letter_that_is_learned(base, parts):
    places = Counter()
    for seed in range(60):
        turns = words.options(parts, np.random.default_rng(seed))
        for asked, answered in zip(turns[::2], turns[1::2], strict=True):
            letter = base.vocab.decode(answered.ids)
            text = base.vocab.decode(asked.ids)
            assert letter in words.LETTERS and f" {letter}. " in text
            places[letter] += 1
    assert min(places.values()) > 20 and len(places) == 4


def test_wrong_answers_are_the_same_in_every_process():
    """Of two kinds that both have such an attribute the second one's, never a set's last."""
    rng = np.random.default_rng(0)
    pet, thing = (sample_subject(rng, kind=k, unseen=False) for k in ("animal", "object"))
    asked = Asked("second", "what is the second colour of it?", "none")
    for both, values in (((pet, thing), PAINT_SHADES), ((thing, pet), FUR_SHADES)):
        assert set(words.wrong_answers(asked, both, rng)) == set(values)


def test_a_claim_about_a_picture_is_right_half_of_the_time(base, parts):
    said = Counter()
    for seed in range(40):
        for turn in words.verify(parts, np.random.default_rng(seed))[1::2]:
            said[base.vocab.decode(turn.ids)] += 1
    assert set(said) == {"yes", "no"} and 0.4 < said["yes"] / sum(said.values()) < 0.6


def test_a_taste_is_for_what_the_liked_pictures_share(base, parts):
    said = Counter()
    for seed in range(30):
        turns = words.taste(parts, np.random.default_rng(seed))
        said[base.vocab.decode(turns[1].ids)] += 1
        assert base.vocab.decode(turns[3].ids) != ""
    assert min(said["yes"], said["no"]) > 8


def test_a_near_duplicate_is_not_told_apart_by_words(parts, album):
    family = album.families[2]
    rng = np.random.default_rng(0)
    assert descriptions.describe(family.subjects[0]) == descriptions.describe(family.subjects[1])
    other = hard_negative(family.subjects[0], rng)
    assert descriptions.describe(other) != descriptions.describe(family.subjects[0])
