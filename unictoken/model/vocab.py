"""The vocabulary of an early-fusion model: text, image ids and reserved ids in one table, and how
messages and pictures stand in a sequence.
"""

from __future__ import annotations

import re
import sys
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
    """Ids of a tokenizer by what they mean, and how sequences are framed. A family finds the ids by
    the names that its tokenizer gives them.

    Attributes: those of the arguments, `size`, and `code_of_id` (LongTensor [size], -1: no image
    id).

    Args:
        tokenizer: Of `transformers`.
        bos: Begins every sequence.
        pad: Fills what is shorter than its batch.
        begin_image: Stands before a picture's ids.
        end_image: Stands after them.
        end_turn: Ends every message.
        image_ids: Code -> id; becomes a LongTensor [C].
        ends: After which an answer is over; (): after end_turn. A published Chameleon, pretrained
            on documents, ends with '</s>'.
        no_text: Other ids that no answer holds.
        reserved: Free ids for concepts, in order; a concept's further rows get virtual ids.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        bos: int,
        pad: int,
        begin_image: int,
        end_image: int,
        end_turn: int,
        image_ids: Sequence[int],
        ends: Sequence[int] = (),
        no_text: Sequence[int] = (),
        reserved: Sequence[int] = (),
    ):
        self.tokenizer = tokenizer
        # Of a file, where anything may stand; how long prompts may be, the base's positions say.
        tokenizer.model_max_length = sys.maxsize
        self.bos, self.pad = bos, pad
        self.begin_image, self.end_image, self.end_turn = begin_image, end_image, end_turn
        self.ends = tuple(dict.fromkeys(ends or [end_turn]))
        # Sampling never says them, and texts leave them out.
        self.no_text = (bos, pad, begin_image, end_image, *no_text)
        # A family without any has virtual ids only (`tokens/bank.py`).
        self.reserved = list(reserved)

        table = tokenizer.get_vocab()
        self.size = max(table.values()) + 1
        self.image_ids = torch.tensor(image_ids)
        codes = torch.arange(len(image_ids))
        # Where ids follow each other, their rows of a head are one slice.
        follow = self.image_ids.equal(image_ids[0] + codes)
        self.image_rows = slice(image_ids[0], image_ids[0] + len(image_ids)) if follow else None
        self.code_of_id = torch.full((self.size,), -1).index_put((self.image_ids,), codes)
        special = {*self.no_text, end_turn, *tokenizer.all_special_ids}
        # Ids of text.
        self.words = sorted(
            set(table.values()) - self._reserved_in(table) - special - set(image_ids)
        )
        # Examples repeat the same few templates. One cache per object: a cache on the method would
        # keep every Vocab alive.
        self._text_ids = lru_cache(maxsize=65536)(self._tokenize)

    def _reserved_in(self, table: Mapping[str, int]) -> set[int]:
        """Ids that were kept free, those that are in use since then too."""
        return set(self.reserved)

    # ---- frames ----------------------------------------------------------------------------------

    @property
    def begin(self) -> list[int]:
        """What every sequence begins with."""
        return [self.bos]

    def turn(self, ids: Sequence[int]) -> list[int]:
        """A message as it stands in a sequence."""
        return [*ids, self.end_turn]

    def picture(self, image_ids: Sequence[int]) -> list[int]:
        """A whole picture as it stands in a sequence: begin_image, K image ids, end_image."""
        return [self.begin_image, *(int(i) for i in image_ids), self.end_image]

    def picture_length(self, codes: int) -> int:
        """Ids of a whole picture of so many codes."""
        # Counted on a picture, so that a family that frames it otherwise says so once.
        return len(self.picture([0] * codes))

    def to_draw(self, prompt: Sequence[int]) -> list[int]:
        """A prompt after which a picture's first image id comes next."""
        return [*prompt, self.begin_image]

    @property
    def blind_prompt(self) -> list[int]:
        """The prompt of a picture of whatever it may be, for guidance."""
        return self.to_draw(self.begin)

    # ---- text ------------------------------------------------------------------------------------

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
        text: str = self.tokenizer.decode(kept, skip_special_tokens=True)
        return text.strip()

    def decode_marked(self, ids: Sequence[int], marker_of: Mapping[int, str]) -> str:
        """Text of ids in which those of `marker_of` are read as their markers ('': as nothing)."""
        pieces: list[str] = []
        words: list[int] = []
        for i in ids:
            if i in marker_of:
                pieces += [self.decode(words), marker_of[i]]
                words = []
            else:
                words.append(i)
        pieces.append(self.decode(words))
        # Pieces are joined by spaces, and none stands before a comma or at a sentence's end.
        return re.sub(r" (?=[,.?])", "", " ".join(piece for piece in pieces if piece))


class ChameleonVocab(Vocab):
    """Ids by Chameleon's names. Everything is looked up by name, as its own mapping does; nothing
    here knows a number such as 8197.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        table: dict[str, int] = tokenizer.get_vocab()

        def find(name: str) -> int:
            if name not in table:
                raise VocabError(
                    f"tokenizer: no token '{name}'. Expected the vocabulary of a Chameleon-style"
                    " model."
                )
            return table[name]

        bos, pad = find("<s>"), find("<pad>")
        # Chameleon's names for the two ends of a picture.
        begin_image, end_image = find("<racm3:break>"), find("<eoss>")
        self.image = find("<image>")
        # Chameleon's processor ends turns with the sep_token; where a tokenizer names none, with
        # this id.
        end_turn = find(tokenizer.sep_token or "<reserved08706>")
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
        super().__init__(
            tokenizer,
            bos=bos,
            pad=pad,
            begin_image=begin_image,
            end_image=end_image,
            end_turn=end_turn,
            image_ids=[codes[code] for code in range(len(codes))],
            ends=[end_turn, table.get("</s>", end_turn)],
            no_text=[self.image],
            # Its processor uses reserved ids up to <image>, which was one itself; the free ones come
            # after it.
            reserved=sorted(i for i in self._reserved_in(table) if i > max(end_turn, self.image)),
        )

    def _reserved_in(self, table: Mapping[str, int]) -> set[int]:
        return {i for name, i in table.items() if _RESERVED.fullmatch(name)}


def image_token_name(code: int) -> str:
    """Chameleon's name of an image token: digits spelled A to J."""
    return "IMGIMG" + "".join(chr(ord("A") + int(d)) for d in str(code)) + "Z"
