"""A memory before queries: who is found, what stands there, and that nothing of it is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import unictoken
from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.data.sequence import user_turn
from unictoken.model.sampling import next_logits
from unictoken.personalize.memory import Memory
from unictoken.personalize.memory.gate import Gate
from unictoken.personalize.memory.presets import PRESETS, Preset
from unictoken.personalize.memory.recall import Recall, remembering
from unictoken.personalize.query import queries_of
from unictoken.personalize.session import NOBODY
from unictoken.toy.concepts import toy_concept

ROOT = Path(__file__).parents[3]
BO = [ROOT / "data" / "bo" / f"{i}.png" for i in range(5)]
MIA = ROOT / "checkpoints" / "tiny-chameleon" / "mia.safetensors"
LOOKS = "<bo> is a patched brown and white dog with floppy ears, dark eyes and a red collar."


@pytest.fixture(scope="module")
def tiny():
    return unictoken.load("tiny", device="cpu")


def remembered(path=None) -> Memory:
    """<bo> in pictures and words, <mia> as tokens."""
    memory = Memory.open(path) if path else Memory()
    facts = (LOOKS, "<bo> likes to eat fish.", "<bo> lives in the snow.")
    memory.add(Concept(name="bo", class_noun="dog", pictures=tuple(BO[:4]), facts=facts))
    memory.add(Concept(name="mia", class_noun="fox"), tokens=MIA)
    return memory


@pytest.fixture(scope="module")
def memory() -> Memory:
    return remembered()


@pytest.fixture(scope="module")
def stranger():
    return toy_concept(3, 5, kind="object").pictures[0]


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_finds_who_is_there_and_nobody_else(tiny, memory, preset, stranger):
    chat = tiny.with_memory(memory, preset)
    assert chat.ask("who is in the photo?", [BO[4], stranger]) == ["<bo>", NOBODY]
    assert chat.names == ("bo", "mia")


@pytest.mark.slow
def test_tokens_stand_where_there_are_some_else_pictures_else_words(tiny, memory):
    recall = Recall(tiny, memory)
    (mia,) = recall.conditions(queries_of(["what animal is <mia>?"]))
    (bo,) = recall.conditions(queries_of(["what animal is <bo>?"]))
    assert [c.name for c in mia.concepts] == ["mia"] and not mia.shown
    picture = tiny.vocab.picture(tiny.encode([Image.open(BO[0])])[0].tolist())
    assert not bo.concepts and list(bo.shown[2:-1]) == picture
    words = Recall(tiny, memory, Preset(shows=("words",)))
    (told,) = words.conditions(queries_of(["what animal is <bo>?"]))
    assert not told.shown and told.prompts.understanding.startswith("{name} is a patched brown")
    chat = tiny.with_memory(memory)
    assert chat.ask(["what animal is <mia>?", "what animal is <bo>?"]) == ["a fox", "a dog"]
    assert chat.ask("what does <bo> like to eat?") == "fish"


@pytest.mark.slow
def test_facts_behind_tokens_do_not_take_the_name_out_of_a_caption(tiny):
    concept = toy_concept(7, 0, "mia")
    memory = Memory()
    looks = "<mia> is a plain orange fox with pricked ears, green eyes and no collar."
    memory.add(replace(concept, facts=(looks, "<mia> likes to eat fish.")), tokens=MIA)
    chat = tiny.with_memory(memory)
    photos = concept.pictures[:3]
    assert all(said.startswith("<mia>,") for said in chat.caption(list(photos)))
    assert chat.ask("what does <mia> like to eat?", photos[0]) == "fish"


def test_pictures_and_facts_that_do_not_fit_are_left_out(tiny, memory):
    room = {
        ids: len(
            Recall(tiny, memory, Preset(shows=("pictures", "words"), ids=ids)).introductions.of(
                ["bo", "mia"]
            )
        )
        for ids in (200, 400)
    }
    assert room == {200: 1, 400: 2}


@pytest.mark.parametrize("name", ["kit", "tom17"])
def test_a_name_that_the_base_would_spell_in_pieces_is_one_id_and_is_read_as_its_marker(tiny, name):
    memory = Memory()
    memory.add(Concept(name=name, class_noun="dog", pictures=tuple(BO[:4])))
    chat = tiny.with_memory(memory, "rap")
    assert chat.ask("who is in the photo?", BO[4]) == f"<{name}>"
    assert chat.caption(BO[4]).startswith(f"<{name}>,")
    assert chat.ask(f"what animal is <{name}>?") == "a dog"


def logits_of(base, personalization, text, picture=None):
    ids_NK = (
        base.encode([Image.open(picture)])
        if isinstance(picture, Path)
        else (base.encode([picture]) if picture else None)
    )
    (query,) = queries_of([text], ids_NK)
    (found,) = personalization.conditions([query])
    return next_logits(found.speaker, [found.question(query.text, query.image_ids)])


def base_logits(base, text, picture=None):
    seen = base.vocab.picture(base.encode([picture])[0].tolist()) if picture else []
    return next_logits(base, [user_turn([*seen, *base.vocab.encode(text)], base.vocab)])


@pytest.mark.parametrize("preset", ["tokens", "rap", "r2p", "pekit", "ego"])
def test_below_its_gate_the_logits_are_the_bases_own_bit_for_bit(tiny, memory, preset, stranger):
    recall = Recall(tiny, memory, preset, gate=Gate(threshold=1.0))
    assert recall.candidates(queries_of(["what is it?"], tiny.encode([stranger]))) == [[]]
    text = "what colour is it?"
    assert torch.equal(logits_of(tiny, recall, text, stranger), base_logits(tiny, text, stranger))


def test_an_open_gate_changes_nothing(tiny, memory):
    chat = tiny.with_memory(memory, gate=Gate(threshold=0.0))
    assert chat.ask("who is in the photo?", BO[4]) == "<bo>"


def test_after_forget_logits_are_those_of_a_base_that_was_never_told(tiny):
    memory = remembered()
    chat = tiny.with_memory(memory)
    text, picture = "what colour is it?", Image.open(BO[4]).convert("RGB")
    own = base_logits(tiny, text, picture)
    assert not torch.equal(logits_of(tiny, chat.recall, text, picture), own)
    chat.forget("bo")
    assert torch.equal(logits_of(tiny, chat.recall, text, picture), own)
    chat.forget("mia")
    question = "what does it like to eat?"
    assert torch.equal(logits_of(tiny, chat.recall, question), base_logits(tiny, question))
    assert chat.names == ()


def test_after_one_fact_is_forgotten_answers_are_as_if_it_was_never_said(tiny):
    memory = remembered()
    chat = tiny.with_memory(memory)
    before = logits_of(tiny, chat.recall, "where does <bo> live?")
    kept = chat.memory.tell(chat.propose("bo lives in the city now").item, "bo")
    assert chat.ask("where does <bo> live?") == "in the city"
    chat.forget(kept.number)
    assert torch.equal(logits_of(tiny, chat.recall, "where does <bo> live?"), before)


# ---- the controls --------------------------------------------------------------------------------


def test_what_is_remembered_is_shown_first_and_the_newest_holds(tiny, tmp_path):
    chat = tiny.with_memory(remembered(tmp_path / "m"))
    proposal = chat.propose("remember that bo lives on the beach now")
    assert (proposal.name, proposal.kind, proposal.item.text) == (
        "bo",
        "lives",
        "<bo> lives on the beach now.",
    )
    assert [one.item.text for one in proposal.replaces] == ["<bo> lives in the snow."]
    assert chat.ask("where does <bo> live?") == "in the snow"
    chat.keep(proposal)
    assert chat.ask("where does <bo> live?") == "on the beach"
    own = chat.remember("i like to eat cheese", source="chat 1")
    assert own.name is None and own.item.source == "chat 1" and own.item.time > 1e9
    assert chat.ask("what do i like to eat?") == "cheese"
    assert "cheese" in chat.known() and "on the beach" in chat.known("bo")
    assert chat.ask("what do you know about <bo>?") == chat.known("bo")


def test_off_answers_without_the_memory_and_on_with_it(tiny, memory):
    chat = tiny.with_memory(memory)
    chat.off()
    assert chat.names == () and chat.ask("who is in the photo?", BO[4]) == NOBODY
    with pytest.raises(UserError, match="'<bo>' is not a concept that is loaded"):
        chat.ask("what animal is <bo>?")
    chat.on()
    assert chat.ask("who is in the photo?", BO[4]) == "<bo>"


def test_a_temporary_session_reads_and_writes_nothing(tiny, tmp_path):
    remembered(tmp_path / "m").close()
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    chat = tiny.with_memory(tmp_path / "m", temporary=True)
    picture = Image.open(BO[4]).convert("RGB")
    text = "what colour is it?"
    assert torch.equal(
        logits_of(tiny, chat.personalization, text, picture), base_logits(tiny, text, picture)
    )
    assert chat.ask("who is in the photo?", BO[4]) == NOBODY
    for use in (lambda: chat.remember("i nap"), chat.known, lambda: chat.forget("bo"), chat.on):
        with pytest.raises(UserError, match="a temporary session, in which nothing is"):
            use()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_name_that_nobody_introduced_is_declined_by_pvit_and_refused_by_others(tiny, memory):
    chat = tiny.with_memory(memory, "pvit")
    assert chat.ask("what is <zoe> wearing?", BO[4]) == "i do not know zoe."
    with pytest.raises(UserError, match="'<zoe>' is not a concept that is loaded"):
        tiny.with_memory(memory).ask("what is <zoe> wearing?", BO[4])


def test_pekit_says_where(tiny, memory):
    recall = Recall(tiny, memory, "pekit")
    ids_NK = tiny.encode([Image.open(BO[4])])
    (seen,) = recall.see(queries_of(["what is it?"], ids_NK))
    side = seen.where["bo"].side
    (condition,) = recall.conditions(queries_of(["what is it doing?"], ids_NK))
    assert f"{{name}} is {'in the' if side == 'middle' else 'on the'} {side}." in (
        condition.prompts.understanding
    )


def test_a_memory_is_seen_by_a_session_as_it_changes_in_another_process(tiny, tmp_path):
    remembered(tmp_path / "m").close()
    chat = tiny.with_memory(tmp_path / "m")
    assert chat.ask("where does <bo> live?") == "in the snow"
    with Memory.open(tmp_path / "m") as other:
        other.update("bo", facts=["<bo> lives in the city now."])
    assert chat.ask("where does <bo> live?") == "in the city"


def test_tokens_of_another_base_are_passed_over(base, tiny, tmp_path):
    memory = remembered()
    recall = Recall(base, memory)
    assert recall.introductions.tokens("mia") is None
    assert Recall(tiny, memory).introductions.tokens("mia").name == "mia"


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: PRESETS.find("raps"), "preset: found 'raps', expected one of tokens, rap"),
        (lambda: Preset(most=-1), "most"),
        (lambda: Preset(shows=("rows",)), "shows: found 'rows'"),
        (lambda: replace(PRESETS["rap"], decides="guess"), "decides: found 'guess'"),
        (lambda: Gate(threshold=2.0), "threshold"),
    ],
)
def test_a_preset_that_says_something_else_is_refused(made, match):
    with pytest.raises(ConfigError, match=match):
        made()


def test_a_benchmark_measures_a_memory_of_all_its_concepts(base, toy):
    recall = remembering(base, [toy], "rap")
    assert recall.names == (toy.name,) and recall.preset is PRESETS["rap"]
    assert recall.conditions(queries_of([f"what is {toy.marker}?"]))[0].names == (toy.name,)
