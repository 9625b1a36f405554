"""The vocabulary of an early-fusion model: text, image ids and reserved ids in one table.

Everything is looked up by name, as Chameleon's own mapping does; nothing here knows a number such
as 8197.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from unictoken.core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_DIGITS = str.maketrans("ABCDEFGHIJ", "0123456789")
_RESERVED = re.compile(r"<reserved\d+>")


class VocabError(UserError):
    """A tokenizer that lacks what an early-fusion model needs."""


class Vocab:
    """Ids of a tokenizer by what they mean.

    Attributes: `bos`, `pad`, `begin_image`, `end_image`, `end_turn` (ids), `ends` (after which an
    answer is over: a published Chameleon, pretrained on documents, ends with '</s>'), `no_text`
    (ids that no answer holds), `image_ids` (LongTensor [C], code -> id), `reserved` (free ids for
    concepts, in order), `words` (ids of text), `size`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer = tokenizer
        table = tokenizer.get_vocab()
        self.size = max(table.values()) + 1

        def find(name: str) -> int:
            if name not in table:
                raise VocabError(
                    f"tokenizer: no token '{name}'. Expected the vocabulary of a Chameleon-style"
                    " model."
                )
            return table[name]

        self.bos, self.pad = find("<s>"), find("<pad>")
        # Chameleon's names for the two ends of a picture.
        self.begin_image, self.end_image = find("<racm3:break>"), find("<eoss>")
        self.image = find("<image>")
        self.no_text = (self.bos, self.pad, self.begin_image, self.end_image, self.image)
        # Chameleon's processor ends turns with the sep_token; where a tokenizer names none, with
        # this id.
        self.end_turn = find(tokenizer.sep_token or "<reserved08706>")
        self.ends = tuple(dict.fromkeys([self.end_turn, table.get("</s>", self.end_turn)]))
        codes = {
            # 'IMGIMGBDZ' is the code 13: digits spelled A to J between 'IMGIMG' and 'Z'.
            int(name[6:-1].translate(_DIGITS)): i
            for name, i in table.items()
            if name.startswith("IMGIMG")
        }
        if sorted(codes) != list(range(len(codes))) or not codes:
            raise VocabError(
                f"tokenizer: found {len(codes)} image tokens 'IMGIMG...Z', expected codes 0, 1, 2,"
                " ... without a gap."
            )
        self.image_ids = torch.tensor([codes[c] for c in range(len(codes))])
        # -1: no image id.
        first = codes[0]
        follow = self.image_ids.equal(torch.arange(first, first + len(codes)))
        self.image_rows = slice(first, first + len(codes)) if follow else None
        self.code_of_id = torch.full((self.size,), -1).index_put(
            (self.image_ids,), torch.arange(len(codes))
        )
        reserved = {i for name, i in table.items() if _RESERVED.fullmatch(name)}
        # Chameleon's processor uses reserved ids up to <image>, which was one itself; the free ones
        # come after it.
        self.reserved = sorted(i for i in reserved if i > max(self.end_turn, self.image))
        special = {*self.no_text, self.end_turn, *tokenizer.all_special_ids}
        self.words = sorted(set(table.values()) - reserved - special - set(codes.values()))
        # Examples repeat the same few templates. One cache per object: a cache on the method would
        # keep every Vocab alive.
        self._text_ids = lru_cache(maxsize=65536)(self._tokenize)

    def _tokenize(self, text: str) -> tuple[int, ...]:
        return tuple(
            # split_special_tokens: '<s>' or '<image>' in a user's text is text, never a special id.
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        )

    def encode(self, text: str, slots: Mapping[str, Sequence[int]] | None = None) -> list[int]:
        """Ids of a text in which each marker that `slots` names (such as '{name}' or '<bo>')
        becomes the ids given for it.
        """
        slots = slots or {}
        pieces = (
            re.split("(" + "|".join(re.escape(marker) for marker in slots) + ")", text)
            if slots
            else [text]
        )
        ids: list[int] = []
        for piece in pieces:
            if piece in slots:
                ids += slots[piece]
            elif words := piece.strip():
                # A word after a marker keeps its space: most tokenizers tell ' is' from 'is'.
                ids += self._text_ids(f" {words}" if ids and piece[0].isspace() else words)
        return ids

    def inside(self, words: str) -> list[int]:
        """Ids of words as they stand in the middle of a sentence, after a space."""
        return list(self._text_ids(f" {words.strip()}"))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; image ids and special ids are left out."""
        left_out = {*self.no_text, self.end_turn}
        kept = [int(i) for i in ids if int(i) not in left_out and self.code_of_id[int(i)] < 0]
        return self.tokenizer.decode(kept, skip_special_tokens=True).strip()

    def picture(self, image_ids: Sequence[int]) -> list[int]:
        """A whole picture as it stands in a sequence: begin_image, K image ids, end_image."""
        return [self.begin_image, *(int(i) for i in image_ids), self.end_image]


def image_token_name(code: int) -> str:
    """Chameleon's name of an image token: digits spelled A to J."""
    return "IMGIMG" + "".join(chr(ord("A") + int(d)) for d in str(code)) + "Z"
