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
from unictoken.toy.pretrain.pictures import sample_any, sample_groups
from unictoken.toy.world import group_language, language, story_language
from unictoken.toy.world.stories import possible_actions, sample_story

TEXT_TOKENS = 1280
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
    # Always the same seed: the ids of words must not depend on a config.
    rng = np.random.default_rng(0)
    lines: list[str] = []
    for group in sample_groups(3000, seed=0, taught_only=False):
        lines.append(group_language.caption(group))
        lines.append(group_language.prompt(group, rng))
        for asked in group_language.questions(group, rng):
            lines += [asked.question, asked.answer]
    for _ in range(1200):
        subjects = [sample_any(rng, unseen=None) for _ in range(int(rng.integers(1, 3)))]
        if possible_actions(subjects):
            told = sample_story(subjects, rng)
            lines.append(story_language.caption(told))
            for asked in story_language.questions(told, rng):
                lines += [asked.question, asked.answer]
    for _ in range(200):
        facts = language.sample_facts(rng)
        for key in language.FACT_SENTENCES:
            lines += [
                language.fact_sentence(key, facts, now=True).format(name=""),
                language.FACT_QUESTIONS[key].format(name=""),
                language.fact_answer(key, facts),
                language.own_sentence(key, facts),
                language.OWN_QUESTIONS[key],
            ]
    # Merges go to frequent pairs first: what stands in a few forms only is repeated.
    lines += [form.format(**_NO_SLOTS) for form in (*FORMS, *language.NEVER_TOLD)] * 200
    # Names stand in no sentence above: without these lines they would be split.
    return lines + [f"{name} is" for name in language.NAMES] * 200


# Sentences without a subject of the world, and with none in their slots.
FORMS = (
    *templates.RECOGNISE,
    *templates.CAPTION,
    *templates.GENERATE,
    *templates.WHO,
    *templates.WHICH,
    templates.YES,
    templates.NO,
    templates.NOBODY,
    templates.UNSURE,
    templates.UNKNOWN,
    templates.NEITHER,
    "what happens in the photos?",
    language.WHERE_IT_LIVES,
    "{name} likes {seen}. would {name} like this?",
    "what does {name} like?",
    "a. b. c. d.",
    *story_language.ORDINALS,
)
_NO_SLOTS = {"name": "", "scene": "", "seen": ""}
