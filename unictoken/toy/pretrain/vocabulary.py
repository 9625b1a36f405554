"""The tiny base's own tokenizer, in the exact layout of Chameleon's at a small size.

0..3 special, then the image tokens by name, `<eoss>`, `<racm3:break>`, `<reservedNNNNN>` with id =
NNNNN + 4 (one of them ends turns, one is `<image>`), then lower-cased text: a byte-level BPE, so
that no text is unknown.
"""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from unictoken.data import templates
from unictoken.model.vocab import image_token_name
from unictoken.toy.world import language
from unictoken.toy.world.things import sample_pet, sample_scene

TEXT_TOKENS = 640
RESERVED_TOKENS = 256


def build(num_codes: int) -> PreTrainedTokenizerFast:
    """The tokenizer for `num_codes` image tokens; deterministic."""
    # 4 special tokens, the codes, <eoss> and <racm3:break>.
    first_reserved = num_codes + 6
    names = [
        f"<reserved{i - 4:05d}>" for i in range(first_reserved, first_reserved + RESERVED_TOKENS)
    ]
    # As in Chameleon: <reserved08706> ends turns, and <image> has the place of the next one.
    end_turn, names[1] = names[0], "<image>"
    special = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *map(image_token_name, range(num_codes)),
        "<eoss>",
        "<racm3:break>",
        *names,
    ]
    tokenizer = Tokenizer(models.BPE())
    # Lower case: users write 'What' and 'Bo', the corpus has neither.
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    # With the prefix, 'dog' at the beginning is the same token as ' dog' inside a sentence.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + TEXT_TOKENS,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        sep_token=end_turn,
        extra_special_tokens={
            "image_token": "<image>",
            "boi_token": "<racm3:break>",
            "eoi_token": "<eoss>",
        },
        clean_up_tokenization_spaces=False,
    )


def _corpus() -> list[str]:
    """Every sentence form of the world, so that its words become single tokens."""
    # always the same seed: the ids of words must not depend on a config
    rng = np.random.default_rng(0)
    lines = [language.caption(sample_pet(rng), sample_scene(rng)) for _ in range(3000)]
    for questions in (language.PET_QUESTIONS, language.SCENE_QUESTIONS):
        lines += [
            q.format(it=it)
            for forms in questions.values()
            for q in forms
            for it in ("it", "the animal")
        ] * 20
    for _ in range(200):
        facts = language.sample_facts(rng)
        lines += [
            language.fact_sentence(key, facts).format(name="") for key in language.FACT_SENTENCES
        ]
        lines += [language.FACT_QUESTIONS[key].format(name="") for key in language.FACT_SENTENCES]
        lines += [language.fact_answer(key, facts) for key in language.FACT_SENTENCES]
    forms = (
        *templates.RECOGNISE,
        *templates.CAPTION,
        *templates.GENERATE,
        templates.YES,
        templates.NO,
    )
    # Repeated: merges go to frequent pairs first, and TEXT_TOKENS leaves no room for rare words.
    lines += [form.format(name="", scene="") for form in forms] * 200
    # names stand in no sentence above: without these lines they would be split
    return lines + [f"{name} is" for name in language.NAMES] * 20
