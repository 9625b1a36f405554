import json

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.models.chameleon.modeling_chameleon import ChameleonImageVocabularyMapping

from unictoken.model.vocab import ChameleonVocab, Vocab, VocabError, image_token_name

# Image tokens out of order, among other ids: code 0 has id 9, code 1 id 4, code 2 id 7.
SHUFFLED = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "IMGIMGBZ",
    "<reserved00009>",
    "<eoss>",
    "IMGIMGCZ",
    "<image>",
    "IMGIMGAZ",
    "<racm3:break>",
    "<reserved00003>",
    "<reserved00005>",
    "a",
    "dog",
    "is",
    ".",
]


def small_vocab(names: list[str]) -> Vocab:
    words = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return ChameleonVocab(
        PreTrainedTokenizerFast(tokenizer_object=words, sep_token="<reserved00009>")
    )


@pytest.fixture
def vocab() -> Vocab:
    return small_vocab(SHUFFLED)


def test_image_ids_are_found_by_name_and_not_by_number(vocab):
    assert vocab.image_ids.tolist() == [9, 4, 7]
    assert vocab.code_of_id[vocab.image_ids].tolist() == [0, 1, 2]
    assert (vocab.code_of_id >= 0).sum() == 3


def test_a_length_that_is_no_number_disturbs_nobody():
    names = Tokenizer(models.WordLevel({n: i for i, n in enumerate(SHUFFLED)}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=names, sep_token="<reserved00009>", model_max_length="long"
    )
    assert ChameleonVocab(tokenizer).encode("dog") == [SHUFFLED.index("dog")]


def test_special_ids_are_found_by_name(vocab):
    assert (
        vocab.bos,
        vocab.pad,
        vocab.begin_image,
        vocab.end_image,
        vocab.image,
        vocab.end_turn,
        vocab.size,
    ) == (0, 1, 10, 6, 8, 5, 17)


def test_reserved_ids_are_free_ones_only(vocab):
    assert vocab.reserved == [11, 12]


def test_image_tokens_are_named_with_digits_as_letters():
    assert [image_token_name(code) for code in (0, 19, 8191)] == [
        "IMGIMGAZ",
        "IMGIMGBJZ",
        "IMGIMGIBJBZ",
    ]


@pytest.mark.parametrize("lost", ["<s>", "<pad>", "<racm3:break>", "<eoss>", "<image>"])
def test_a_tokenizer_without_a_special_token_is_refused(lost):
    with pytest.raises(VocabError, match=f"no token '{lost}'"):
        small_vocab([name for name in SHUFFLED if name != lost])


@pytest.mark.parametrize("lost", [["IMGIMGBZ"], ["IMGIMGAZ", "IMGIMGBZ", "IMGIMGCZ"]])
def test_image_tokens_with_a_gap_are_refused(lost):
    with pytest.raises(VocabError, match="image tokens 'IMGIMG...Z'"):
        small_vocab([name for name in SHUFFLED if name not in lost])


def test_slots_become_the_ids_given_for_them(vocab):
    slots = {"{name}": [11], "{shared}": [11, 12]}
    assert vocab.encode("{name} is {shared}.", slots) == [11, 15, 11, 12, 16]


def test_a_concept_marker_inside_text_becomes_the_concept(vocab):
    assert vocab.encode("is <bo> a dog.", {"<bo>": [12]}) == [15, 12, 13, 14, 16]
    assert vocab.encode("dog<bo>dog", {"<bo>": [12]}) == [14, 12, 14]


def test_nothing_is_encoded_as_nothing(vocab):
    assert vocab.encode("") == vocab.encode("  ") == vocab.encode("", {"{name}": [11]}) == []


def test_a_picture_stands_between_its_two_marks(vocab):
    assert vocab.picture(torch.tensor([9, 7])) == [10, 9, 7, 6]


def test_text_comes_back_without_special_and_image_ids(base):
    vocab = base.vocab
    words = vocab.encode("a dog on the beach.")
    assert (
        vocab.decode([vocab.bos, *vocab.picture(vocab.image_ids[:4]), *words, vocab.end_turn])
        == "a dog on the beach."
    )


def test_no_text_is_unknown(base):
    assert base.vocab.decode(base.vocab.encode("Grüße, 世界!")) == "grüße, 世界!"


def test_the_tiny_vocabulary_is_laid_out_as_chameleon_lays_it_out(base):
    vocab, table = base.vocab, base.vocab.tokenizer.get_vocab()
    assert vocab.image_ids.tolist() == list(range(4, 68))
    assert (
        vocab.bos,
        vocab.pad,
        vocab.end_image,
        vocab.begin_image,
        vocab.end_turn,
        vocab.image,
    ) == (0, 1, 68, 69, 70, 71)
    assert all(table[f"<reserved{i - 4:05d}>"] == i for i in vocab.reserved)


# The published layout: ids in this order, 65,536 of them. What stands between 8198 and 8709 we do
# not know; it must not matter.
LAST_RESERVED = 16383


def published_names(unknown: str) -> list[str]:
    # so that only the name tells the code
    codes = torch.randperm(8192, generator=torch.Generator().manual_seed(0)).tolist()
    names = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *map(image_token_name, codes),
        "<eoss>",
        "<racm3:break>",
    ]
    names += [unknown.format(i - 4) for i in range(8198, 8710)]
    names += [f"<reserved{i - 4:05d}>" for i in range(8710, LAST_RESERVED + 1)]
    names[8711] = "<image>"  # as the converter renames <reserved08707>
    names += [*sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġi", "Ġis", "is"]
    return names + [f"word{i}" for i in range(65536 - len(names))]


@pytest.fixture(scope="module", params=["<sentinel:{}>", "<reserved{:05d}>"])
def published(request, tmp_path_factory) -> tuple[Vocab, dict[str, int]]:
    """A byte-level BPE of the published layout, saved as it was and loaded as a base loads it; and
    its vocabulary map.
    """
    table = {name: i for i, name in enumerate(published_names(request.param))}
    made = Tokenizer(models.BPE(vocab=table, merges=[("Ġ", "i"), ("Ġi", "s"), ("i", "s")]))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(
        ["<s>", "<pad>", "</s>", "<unk>", "<eoss>", "<racm3:break>", "<reserved08706>", "<image>"]
    )
    folder = tmp_path_factory.mktemp("published")
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "LlamaTokenizerFast",
        "bos_token": "<s>",
        "pad_token": "<pad>",
        "sep_token": "<reserved08706>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return ChameleonVocab(PreTrainedTokenizerFast.from_pretrained(folder)), table


@pytest.mark.real
def test_special_ids_of_the_published_layout(published):
    vocab, _ = published
    assert (
        vocab.bos,
        vocab.pad,
        vocab.end_image,
        vocab.begin_image,
        vocab.end_turn,
        vocab.image,
    ) == (0, 1, 8196, 8197, 8710, 8711)
    assert vocab.size == 65536


@pytest.mark.real
def test_codes_of_the_published_layout_are_the_ones_that_transformers_maps(published):
    vocab, table = published
    mapping = ChameleonImageVocabularyMapping(table)
    assert vocab.image_ids.tolist() == [mapping.img2bpe[code] for code in range(8192)]
    assert sorted(vocab.image_ids.tolist()) == list(
        range(4, 8196)
    ) and vocab.image_ids.tolist() != list(range(4, 8196))
    assert torch.equal(vocab.code_of_id[vocab.image_ids], torch.arange(8192))


@pytest.mark.real
def test_concepts_take_the_reserved_ids_after_image(published):
    vocab, table = published
    assert vocab.reserved == list(range(8712, LAST_RESERVED + 1)) and len(vocab.reserved) == 7672
    assert table["<reserved16200>"] == 16204 and 16204 in vocab.reserved


@pytest.mark.real
def test_words_of_the_published_layout_are_text_only(published):
    vocab, table = published
    assert vocab.words[-1] == 65535 and table["is"] in vocab.words
    assert not {vocab.end_turn, vocab.begin_image, vocab.image, 4, 8195, 8712} & set(vocab.words)


@pytest.mark.real
def test_a_word_after_a_concept_keeps_its_space(published):
    vocab, table = published
    concept = vocab.reserved[0]
    assert vocab.encode("{name} is.", {"{name}": [concept]}) == [concept, table["Ġis"], table["."]]
    assert vocab.encode("is {name}.", {"{name}": [concept]}) == [table["is"], concept, table["."]]
    assert vocab.decode([concept, *vocab.encode("is"), table["Ġis"], vocab.end_turn]).endswith(
        "is is"
    )


def test_a_space_makes_no_difference_to_the_tiny_vocabulary(base):
    """Its tokenizer puts one before every text."""
    for text in ("is a dog.", ".", "wearing a hat"):
        assert base.vocab.encode("{name} " + text, {"{name}": [300]}) == [
            300,
            *base.vocab.encode(text),
        ]
