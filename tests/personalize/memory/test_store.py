"""The store: what is remembered, found, forgotten, and refused."""

from __future__ import annotations

import sqlite3
import threading

import numpy as np
import pytest
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.personalize.memory import Memory, StoreError
from unictoken.personalize.memory import entry as limits
from unictoken.tokens import file as concept_file

RED, BLUE = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
BO = Concept(
    name="bo",
    class_noun="dog",
    pictures=(RED, BLUE),
    facts=("<bo> likes quixotic fish.", "<bo> has a hat."),
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "me.memory"


@pytest.fixture
def memory(file):
    with Memory.open(file) as opened:
        yield opened


def test_what_was_added_is_shown_again_by_another_process(memory, file):
    memory.add(BO, time=5.0, source="photos")
    memory.tell(Item(text="i live in the snow.", time=7.0, source="chat"))
    with Memory.open(file, new=False) as again:
        (entry,) = again.list()
        assert entry == again.show("bo") == memory.show("bo")
        assert (entry.name, entry.class_noun, entry.pictures, entry.tokens) == ("bo", "dog", 2, 0)
        said = [(r.item.text, r.item.time, r.item.source) for r in entry.facts]
        assert said == [(fact, 5.0, "photos") for fact in BO.facts]
        assert [r.item.text for r in again.user] == ["i live in the snow."]
        assert [p.tobytes() for p in again.pictures("bo")] == [RED.tobytes(), BLUE.tobytes()]
        assert len(again) == 1 and again.names == ("bo",)


def test_one_in_ram_writes_no_file(tmp_path):
    memory = Memory()
    memory.add(BO)
    assert memory.names == ("bo",) and not list(tmp_path.iterdir())


def test_another_process_sees_what_was_written(memory, file):
    with Memory.open(file) as other:
        before = other.version
        memory.add(BO)
        assert other.version != before and other.names == ("bo",)
        assert other.version == other.version


def test_tokens_are_kept_as_the_bytes_of_their_file(memory, bo, tmp_path):
    path = bo.save(tmp_path / "bo.safetensors")
    entry = memory.add(BO, tokens=path)
    assert memory.tokens("bo") == path.read_bytes() and entry.tokens == path.stat().st_size
    with pytest.raises(StoreError, match="the tokens of 'bo', expected those of 'mia'"):
        memory.add(Concept(name="mia", class_noun="fox"), tokens=path)
    (broken := tmp_path / "broken.safetensors").write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="broken"):
        memory.update("bo", tokens=broken)
    assert memory.names == ("bo",) and memory.tokens("bo") == path.read_bytes()


def test_words_find_names_class_nouns_facts_and_the_users_items(memory):
    memory.add(BO)
    memory.add(Concept(name="mia", class_noun="fox", facts=("<mia> eats grapes.",)))
    memory.tell(Item(text="i like grapes."))

    def found(text):
        return [(f.name, f.remembered and f.remembered.item.text) for f in memory.search(text)]

    assert found("who is Bo?") == [("bo", None), *((("bo", fact)) for fact in BO.facts)]
    assert found("a fox")[0] == ("mia", None)
    assert set(found("grape")) == {("mia", "<mia> eats grapes."), (None, "i like grapes.")}
    assert memory.search("NEAR( ' OR \" *") == () == memory.search("xylophone")
    scores = [f.score for f in memory.search("fox grapes fish")]
    assert scores == sorted(scores, reverse=True)


def test_a_concept_is_updated(memory):
    memory.add(BO)
    entry = memory.update("bo", class_noun="puppy", pictures=[RED], facts=["<bo> naps."])
    assert (entry.class_noun, entry.pictures, len(entry.facts)) == ("puppy", 3, 3)
    with pytest.raises(StoreError, match="'rex': not remembered. Expected one of bo"):
        memory.update("rex", facts=["<rex> naps."])


def test_what_was_forgotten_is_gone_from_every_byte_of_the_folder(memory, file, bo, tmp_path):
    tokens = bo.save(tmp_path / "bo.safetensors").read_bytes()
    memory.add(BO, tokens=tmp_path / "bo.safetensors")
    memory.keep_features({"e": {1: np.full(64, 3.125, np.float32)}})
    memory.add(Concept(name="mia", class_noun="fox", facts=("<mia> eats grapes.",)))
    png = sqlite3.connect(file).execute("SELECT png FROM pictures").fetchone()[0]
    feature = np.full(8, 3.125, np.float32).tobytes()
    secrets = [b"quixot", png[50:80], tokens[-200:-150], feature]
    assert all(secret in file.read_bytes() for secret in secrets)
    (tmp_path / "bo.safetensors").unlink()
    memory.forget("bo")
    whole = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert [secret for secret in secrets if secret in whole] == [] and b"grapes" in whole
    assert memory.names == ("mia",) and list(tmp_path.iterdir()) == [file]


def test_one_fact_or_item_is_forgotten_by_its_number(memory, file):
    memory.add(BO)
    item = memory.tell(Item(text="i like zirconium."))
    memory.forget_item(memory.show("bo").facts[0].number)
    memory.forget_item(item.number)
    assert [r.item.text for r in memory.show("bo").facts] == ["<bo> has a hat."]
    assert memory.user == () and memory.search("fish zirconium") == ()
    assert b"quixot" not in file.read_bytes() and b"zirconium" not in file.read_bytes()
    with pytest.raises(StoreError, match=f"item {item.number}: not remembered"):
        memory.forget_item(item.number)
    assert memory.tell(Item(text="i nap.")).number > item.number
    memory.forget_all()
    assert len(memory) == 0 and memory.user == ()


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("rex", "<rex> naps.", "'rex': not remembered"),
        ("bo", " ", "empty text"),
        ("bo", "<bo has a hat.", "one bracket"),
        ("bo", "{shared} naps.", "slot"),
        (None, "x" * 3000, "3,000 letters"),
    ],
)
def test_what_no_prompt_could_hold_is_refused(memory, name, text, match):
    memory.add(BO)
    with pytest.raises(StoreError, match=match):
        memory.tell(Item(text=text), name)
    assert len(memory.show("bo").facts) == 2 and memory.user == ()


def test_people_are_remembered_with_consent_only_and_a_name_once(memory):
    with pytest.raises(UserError, match="is a person"):
        memory.add(Concept(name="ann", class_noun="woman"))
    memory.add(Concept(name="ann", class_noun="woman", consent=True))
    assert memory.show("ann").consent
    with pytest.raises(StoreError, match="'ann': remembered already"):
        memory.add(Concept(name="ann", class_noun="dog"))


def test_more_than_a_memory_holds_is_refused_and_nothing_is_half_written(memory, monkeypatch):
    monkeypatch.setattr(limits, "MOST_FACTS", 2)
    memory.add(BO)
    with pytest.raises(StoreError, match="'bo': facts: found 3, expected at most 2"):
        memory.update("bo", pictures=[RED], facts=["<bo> naps."])
    monkeypatch.setattr(limits, "MOST_PICTURES", 2)
    with pytest.raises(StoreError, match="'mia': pictures: found 3"):
        memory.add(Concept(name="mia", class_noun="fox", pictures=(RED, BLUE, RED)))
    assert memory.names == ("bo",) and memory.show("bo").pictures == 2


def _with(sql):
    def change(file):
        connection = sqlite3.connect(file)
        connection.executescript(sql)
        connection.close()

    return change


def _with_bytes_that_are_no_text(file):
    """In a declaration that SQLite cannot read, which it quotes."""
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"CREATE INDEX nouns ON", b"CREATE \xd4NDEX nouns ON"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_with_bytes_that_are_no_text, "not text where it should be"),
        (lambda file: file.write_text("hello " * 1000, encoding="utf-8"), "not a memory"),
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), "memory: .*|not those"),
        (_with("PRAGMA user_version = 2"), "version 2, this unictoken reads 1. Update unictoken"),
        (_with("PRAGMA application_id = 7"), "of another program"),
        (_with("DROP TABLE items"), "not those of a memory"),
        (
            _with("CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM concepts; END"),
            "not those of a memory",
        ),
    ],
)
def test_what_is_no_memory_or_a_newer_one_is_refused_in_one_line(memory, file, change, match):
    memory.add(BO)
    memory.close()
    change(file)
    with pytest.raises(StoreError, match=match) as refused:
        Memory.open(file).list()
    assert str(file) in str(refused.value) and "\n" not in str(refused.value)


def test_a_name_that_somebody_else_wrote_into_the_file_is_checked(memory, file):
    memory.add(BO)
    memory.close()
    _with("UPDATE concepts SET name = '../x'")(file)
    with pytest.raises(UserError, match="concept name '../x'"):
        Memory.open(file).list()


def test_a_picture_that_is_no_png_is_refused(memory, file):
    memory.add(BO)
    memory.close()
    _with("UPDATE pictures SET png = CAST('%!PS-Adobe' AS BLOB)")(file)
    with pytest.raises(StoreError, match="picture 1 is no PNG"):
        Memory.open(file).pictures("bo")


def test_a_copy_is_whole_and_never_over_itself(memory, tmp_path):
    memory.add(BO)
    memory.save(tmp_path / "copy")
    with Memory.open(tmp_path / "copy") as copy:
        assert copy.list() == memory.list()
    with pytest.raises(StoreError, match="is this memory itself"):
        memory.save(memory.path)
    kept = Memory()
    kept.add(BO)
    kept.save(tmp_path / "from-ram")
    assert Memory.open(tmp_path / "from-ram").names == ("bo",)


def test_no_file_is_made_where_one_was_expected(tmp_path):
    with pytest.raises(StoreError, match="no such file. Expected a memory"):
        Memory.open(tmp_path / "none", new=False)
    assert not list(tmp_path.iterdir())


def test_features_belong_to_an_encoder_and_to_a_picture(memory):
    memory.add(BO)
    assert [number for number, _ in memory.without_features("e", most=9)] == [1, 2]
    memory.keep_features({"e": {1: np.arange(3), 77: np.arange(3)}})
    names, owners, features = memory.features("e")
    assert (names, owners.tolist(), features.tolist()) == (("bo",), [0], [[0, 1, 2]])
    assert [number for number, _ in memory.without_features("e", most=9)] == [2]
    assert memory.features("other")[0] == ()


def test_threads_and_connections_write_one_after_the_other(memory, file):
    memory.add(BO)
    others = [Memory.open(file) for _ in range(2)]

    def tell(store, word):
        for i in range(10):
            store.tell(Item(text=f"{word} {i}."))

    threads = [
        threading.Thread(target=tell, args=(store, f"t{i}"))
        for i, store in enumerate([memory, memory, *others])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.user) == 40 == len(others[0].user)


def test_a_concept_file_is_not_larger_than_sqlite_is_told():
    assert limits.MOST_TOKENS == concept_file.MOST_BYTES
