"""What answers queries: a personalization of one's own, several, and different ones in one batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import unictoken
from unictoken.data.sequence import user_turn
from unictoken.learn.method import Run
from unictoken.learn.optimize import OptimizeRows
from unictoken.model.base import with_methods
from unictoken.model.chameleon import Chameleon
from unictoken.model.draw import Draw
from unictoken.model.sampling import next_logits
from unictoken.personalize import condition as conditions
from unictoken.personalize.album import of_each
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.condition import Condition, answer_each, together
from unictoken.personalize.query import Personalization, Query, queries_of
from unictoken.personalize.session import NOBODY, Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import learned, with_tokens
from unictoken.personalize.words import in_words
from unictoken.toy.profile import PROFILE

BO = [Path(__file__).parents[2] / "data" / "bo" / f"{i}.png" for i in range(5)]
WORDS = (
    "{name} is a patched brown and white dog with floppy ears, dark eyes and a red collar."
    " {name} likes to eat apples."
)


@pytest.fixture(scope="module")
def tiny() -> PersonalBase:
    return unictoken.load("tiny", device="cpu")


# ---- a memory, which opens no file of unictoken -------------------------------------------------


class Memory:
    """Remembers concepts, each with a picture. A query finds those that its text names, else the
    one whose picture is nearly the query's.
    """

    def __init__(self, base: PersonalBase):
        self.base = base
        self.entries: dict[str, tuple[Condition, torch.Tensor]] = {}

    def remember(self, concept: Condition, picture: Path) -> None:
        self.entries[concept.name] = concept, self.base.encode([Image.open(picture)])[0]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.entries)

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        found = (query.named(self.names) or self.seen_in(query) for query in queries)
        return [together(self.base, [self.entries[n][0] for n in names]) for names in found]

    def seen_in(self, query: Query) -> tuple[str, ...]:
        same = {
            name: (torch.tensor(query.image_ids) == codes_K).float().mean().item()
            for name, (_, codes_K) in self.entries.items()
            if query.image_ids
        }
        return tuple(sorted(same, key=same.get)[-1:]) if max(same.values(), default=0) > 0.9 else ()


@pytest.fixture(scope="module")
def memory(tiny) -> Memory:
    memory = Memory(tiny)
    memory.remember(in_words(tiny, "bo", WORDS), BO[0])
    memory.remember(learned(tiny, "mia"), BO[3])
    return memory


@pytest.fixture(scope="module")
def chat(tiny, memory) -> Session:
    return tiny.with_concepts(memory)


@pytest.mark.slow
def test_a_memory_answers_about_what_it_finds_by_name(chat):
    assert isinstance(chat.personalization, Several) and chat.names == ("bo", "mia")
    questions = ["what animal is <bo>?", "what animal is <mia>?", "what does <bo> like to eat?"]
    assert chat.ask(questions) == ["a dog", "a fox", "apples"]
    assert repr(chat) == "<Session on 'tiny' with <bo>, <mia>>"


@pytest.mark.slow
def test_a_memory_answers_about_what_it_finds_by_sight(chat):
    assert chat.ask("who is in the photo?", BO[:4]) == ["<bo>", NOBODY, NOBODY, "<mia>"]
    assert chat.ask("what does it like to eat?", BO[0]) == "apples"
    assert chat.recognise(BO[0], "bo") > 0.5


@pytest.mark.parametrize("picture", [None, BO[1]])
def test_where_a_memory_finds_nothing_logits_are_the_bases_own(tiny, memory, picture):
    text = "what animal is it?"
    seen_NK = tiny.encode([Image.open(picture)]) if picture else None
    (query,) = queries_of([text], seen_NK)
    (found,) = memory.conditions([query])
    vocab = tiny.vocab
    shown = vocab.picture(seen_NK[0]) if picture else []
    alone = user_turn([*shown, *vocab.encode(text)], vocab)
    asked = found.question(query.text, query.image_ids)
    assert asked == alone
    assert torch.equal(next_logits(found.speaker, [asked]), next_logits(tiny, [alone]))


@pytest.mark.slow
def test_where_a_memory_finds_nothing_the_base_draws_as_ever(tiny, chat):
    prompt, likeliest = "a dog in the snow", Draw(temperature=0)
    (drawn,) = in_words(tiny, "rex", "").draw([prompt], likeliest)
    assert chat.draw(prompt, temperature=0, best_of=2).original.tobytes() == drawn.tobytes()


def test_a_memory_stands_beside_a_concept(tiny):
    memory = Memory(tiny)
    memory.remember(in_words(tiny, "bo", WORDS), BO[0])
    chat = tiny.with_concepts("mia", memory)
    assert chat.names == ("mia", "bo")
    assert chat.ask(["what animal is <bo>?", "what animal is <mia>?"]) == ["a dog", "a fox"]
    assert chat.ask("who is in the photo?", BO[0]) == "<bo>"


@pytest.mark.parametrize(
    "given",
    [
        BO[0],
        str(BO[0]),
        Image.open(BO[0]),
        np.asarray(Image.open(BO[0]).convert("RGB")),
        [BO[0]],
    ],
    ids=["path", "text", "picture", "array", "list"],
)
def test_a_query_carries_the_picture_itself(tiny, given):
    """For a memory with an encoder of its own: not only the ids that this base sees."""
    looked = []

    class Looking:
        names = ("bo",)

        def conditions(self, queries):
            looked.extend(query.look() for query in queries)
            return [together(tiny, ())] * len(queries)

    chat = tiny.with_concepts(Looking())
    chat.ask("is it night?", given, max_ids=1)
    chat.recognise(given)
    chat.ask(
        ["is it night?", "is it day?"], given if not isinstance(given, list) else BO[0], max_ids=1
    )
    list(of_each(tiny, BO[:1], chat.caption))
    pixels = Image.open(BO[0]).convert("RGB").tobytes()
    assert [picture.tobytes() for picture in looked] == [pixels] * 5
    looked.clear()
    assert chat.recognise(tiny.encode([Image.open(BO[0])])) == [0.0]  # nobody is introduced
    assert looked == [None]  # of ids alone there is no picture


# ---- who is introduced --------------------------------------------------------------------------


@pytest.fixture
def several(base, bo, make_concept, monkeypatch) -> Several:
    """<bo> and <mia>, of which <bo> is seen in the picture 1, and <mia> in 2."""
    seen = {"bo": 1, "mia": 2}
    monkeypatch.setattr(
        Condition,
        "recognise",
        lambda self, images_NK: (images_NK[:, 0] == seen[self.name]).float().tolist(),
    )
    return Several(base, [learned(base, bo), learned(base, make_concept("mia", shared=2))])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (Query("is <mia> like <bo>?"), ("bo", "mia")),
        (Query("is it <mia>?", (1,)), ("mia",)),
        (Query("is it night?", (1,)), ("bo",)),
        (Query("is it night?", (3,)), ()),
        (Query("is it night?"), ("bo", "mia")),
        (Query("who is it?", (2,), "names"), ("mia",)),
        (Query("who is it?", (3,), "names"), ()),
        (Query("<bo> in the snow", None, "picture"), ("bo",)),
        (Query("a dog in the snow", None, "picture"), ()),
        (Query("<mia>", (1,), "probability"), ("mia",)),
    ],
)
def test_of_several_those_are_introduced_that_are_named_or_seen(several, query, names):
    assert several.conditions([query])[0].names == names


def test_one_is_introduced_always_and_named_only_where_it_is_seen(several):
    alone = Several(several.base, several.members[:1])
    for query in (
        Query("is it night?"),
        Query("is it night?", (2,)),
        Query("a dog", None, "picture"),
    ):
        assert alone.conditions([query])[0].names == ("bo",)
    asked = queries_of(["who is it?"] * 2, torch.tensor([[1], [2]]), "names")
    assert [condition.names for condition in alone.conditions(asked)] == [("bo",), ()]


def test_pictures_are_looked_at_once_by_each_member(several, monkeypatch):
    looked = []
    monkeypatch.setattr(
        Condition, "recognise", lambda self, ids: looked.append(len(ids)) or [0.0] * len(ids)
    )
    several.conditions(queries_of(["is it night?"] * 3, torch.tensor([[1], [2], [1]])))
    assert looked == [2, 2]


@pytest.mark.slow
def test_what_was_learned_is_put_on_its_base_as_it_is(model, tokenizer, toy, short_method):
    base = with_methods(Chameleon, PersonalBase)(model, tokenizer, "tiny", profile=PROFILE)
    found = OptimizeRows(short_method).fit(base, [toy], run=Run())
    assert isinstance(found, Personalization)
    chat = base.with_concepts(found)
    (name,) = chat.names
    expected = learned(base, found.tokens)
    question = f"what is <{name}>?"
    assert chat.personalization.conditions([Query(question)]) == [expected]
    assert chat.ask([question]) == expected.ask([question])


# ---- one batch ----------------------------------------------------------------------------------


@pytest.fixture
def batches(monkeypatch) -> list[int]:
    """How many prompts each batch of answers has."""
    sizes, sample = [], conditions.sample_text

    def counted(speaker, prompts, **more):
        sizes.append(len(prompts))
        return sample(speaker, prompts, **more)

    monkeypatch.setattr(conditions, "sample_text", counted)
    return sizes


def test_different_concepts_are_answered_in_one_batch_as_each_alone(tiny, batches):
    mia = learned(tiny, "mia")
    kit = with_tokens(tiny, dataclasses.replace(mia.tokens, name="kit"))
    rex, nobody = in_words(tiny, "rex", WORDS), together(tiny, ())
    asked = [
        (Query("what colour is <mia>?"), mia),
        (Query("what colour is <rex>?"), rex),
        (Query("what animal is <kit>?"), kit),
        (Query("is <kit> like <rex>?"), together(tiny, [kit, rex])),
        (Query("what animal is <mia>?"), mia),
        (Query("is it day or night?", tuple(tiny.encode([Image.open(BO[0])])[0].tolist())), nobody),
    ]
    mixed = answer_each(asked, max_ids=6)
    assert batches == [6]
    assert mixed == [answer_each([pair], max_ids=6)[0] for pair in asked]
    assert mixed[:3] == ["cream", "brown", "a fox"]


def test_a_session_answers_in_one_batch_and_in_order(tiny, batches):
    chat = tiny.with_concepts("mia", in_words(tiny, "bo", WORDS))
    questions = ["what animal is <bo>?", "what animal is <mia>?", "what colour is <bo>?"] * 2
    assert chat.ask(questions) == ["a dog", "a fox", "brown"] * 2
    assert batches == [6]


def test_in_one_batch_each_condition_says_its_own_markers_only(base, bo, make_concept):
    """The ids of another's rows are read as they are with the condition alone."""
    mia = with_tokens(base, make_concept("mia", shared=2))
    asked = conditions._in_one_batch([with_tokens(base, bo), mia, together(base, ())])
    ids = [asked[0].speaker.ids[name][0] for name in ("bo", "mia")]
    assert len({id(condition.speaker) for condition in asked}) == 1
    assert ["<bo>" in c.read(ids) for c in asked] == [True, False, False]
    assert ["<mia>" in c.read(ids) for c in asked] == [False, True, False]


def test_equal_conditions_are_those_that_put_the_same_before_a_prompt(base, bo):
    told = in_words(base, "bo", "{name} is a dog.")
    assert told == in_words(base, "bo", "{name} is a dog.") != in_words(base, "bo", "")
    assert (
        with_tokens(base, bo) == with_tokens(base, bo) != with_tokens(base, dataclasses.replace(bo))
    )
    assert len({together(base, [told, with_tokens(base, bo)]) for _ in range(2)}) == 1


def test_words_that_the_base_was_never_taught_are_named(tiny):
    chat = tiny.with_concepts("mia")
    assert chat.untaught("a photo of <mia> wearing a red scarf in the Snow, flying") == (
        "scarf",
        "flying",
    )
    assert chat.untaught("<mia> by the color gray") == ()
