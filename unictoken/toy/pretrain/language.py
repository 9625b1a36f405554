"""Training the tiny base's transformer on the sequences of the toy world."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import ChameleonConfig

from unictoken.core.config import one_or_more
from unictoken.core.disk import files_aside
from unictoken.core.errors import Stopped
from unictoken.data import templates
from unictoken.data.sequence import IGNORE, Batch, pad
from unictoken.model.chameleon import EarlyFusionModel
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.profile import save_profile
from unictoken.model.stock import processor_of
from unictoken.model.vocab import ChameleonVocab, Vocab
from unictoken.toy.pretrain.album import AlbumSettings, digest, encoder, make_album
from unictoken.toy.pretrain.optimise import Log, MuonAdamW, load_progress, save_progress
from unictoken.toy.pretrain.parts import LENGTH
from unictoken.toy.pretrain.published import named_for_everyone
from unictoken.toy.pretrain.sequences import MIXTURE, TrainingSequences
from unictoken.toy.profile import PROFILE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class LanguageSettings:
    """How the transformer of the tiny base is made."""

    width: int = 256
    layers: int = 8
    heads: int = 4
    ffn_width: int = 704
    album: AlbumSettings = field(default_factory=AlbumSettings)
    """Of the pictures, drawn and encoded once."""
    length: int = LENGTH
    """Ids of an example."""
    mixture: Mapping[str, float] = field(default_factory=lambda: dict(MIXTURE))
    """Of the sequences, by kind (sequences.py)."""
    batch: int = 96
    steps: int = 12_000
    workers: int | None = None
    """Processes that make the batches; null: 0 on a CPU, whose cores the training needs, and all
    cores but one on a GPU. The batches are the same.
    """
    muon_lr: float = 0.02
    adamw_lr: float = 3e-3
    image_weight: float = 0.5
    yes_no_weight: float = 3.0
    """What a picture code, and the word yes or no, weighs in the loss; other words weigh 1."""
    save_every: int = 100
    start_from: str | None = None
    """A folder of weights of the same shape to begin with, the optimiser fresh; null: from nothing.
    """

    def __post_init__(self):
        one_or_more(
            self,
            "width",
            "layers",
            "heads",
            "ffn_width",
            "length",
            "batch",
            "save_every",
        )


def build(
    settings: LanguageSettings, tokenizer: PreTrainedTokenizerFast, image_tokenizer: ImageTokenizer
) -> EarlyFusionModel:
    """An untrained base with the trained image tokenizer inside."""
    config = ChameleonConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=settings.ffn_width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        # More than the 400 ids of training: facts, or several pictures, make longer prompts.
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        # The end of a turn: `generate` of transformers stops there.
        eos_token_id=tokenizer.sep_token_id,
        vocabulary_map=tokenizer.get_vocab(),
        # Where it was made on whoever's machine is nobody's business.
        vq_config=image_tokenizer.config.to_dict() | {"_name_or_path": ""},
    )
    model = EarlyFusionModel(config)
    if settings.start_from:
        model.load_state_dict(EarlyFusionModel.from_pretrained(settings.start_from).state_dict())
    else:
        start_image_rows(
            model, ChameleonVocab(tokenizer).image_ids, image_tokenizer.quantize.embedding.weight
        )
    # Last: the weights in `start_from` include an image tokenizer, which may be older.
    model.model.vqmodel.load_state_dict(image_tokenizer.state_dict())
    model.model.vqmodel.requires_grad_(False)
    return model


@torch.no_grad()
def start_image_rows(
    model: EarlyFusionModel, image_ids_C: torch.Tensor, codebook_CE: torch.Tensor
) -> None:
    """Initialise the rows of image ids, input and head, by a random projection of their codes, so
    that similar patches begin with similar rows.

    Half-whitened first: raw distances between patches are mostly about brightness.
    """
    codebook_CE = codebook_CE.to(model.lm_head.weight.device)
    directions_CE, lengths_E, _ = torch.linalg.svd(
        codebook_CE - codebook_CE.mean(0), full_matrices=False
    )
    # U S V^T of the codebook: U would be white, U S the raw distances; U sqrt(S) is half-way.
    features_CE = directions_CE * lengths_E.sqrt()
    # From torch's global generator, which train/base.py seeds: one more draw before this line would
    # give another base.
    rows_CD = features_CE @ torch.randn(features_CE.shape[1], model.config.hidden_size)
    # The same standard deviation as the random rows of words beside them.
    rows_CD *= model.config.initializer_range / rows_CD.std()
    model.model.embed_tokens.weight[image_ids_C] = rows_CD
    model.lm_head.weight[image_ids_C] = rows_CD


def weights_of_ids(vocab: Vocab, settings: LanguageSettings) -> torch.Tensor:
    """Weight of each id in the loss, [V]: picture codes are many, words few, and yes/no the
    fewest.
    """
    weights = torch.ones(vocab.size)
    weights[vocab.image_ids] = settings.image_weight
    for word in (templates.YES, templates.NO):
        weights[vocab.encode(word)] = settings.yes_no_weight
    return weights


def supervised_loss(
    model: EarlyFusionModel, ids_BT: torch.Tensor, labels_BT: torch.Tensor, weights_V: torch.Tensor
) -> torch.Tensor:
    """Weighted mean next-token cross-entropy; only positions with a label go through the head.

    Args:
        model: The base.
        ids_BT: Sequences, padded to one length.
        labels_BT: The same ids where they are learned, `IGNORE` elsewhere; not shifted.
        weights_V: What each id weighs in the mean.
    """
    hidden_BTD = model.hidden(model.model.embed_tokens(ids_BT))
    counted = labels_BT[:, 1:] != IGNORE
    # The state at position t predicts the id at t + 1. [B, T - 1, D] to [N, D].
    logits = model.lm_head(hidden_BTD[:, :-1][counted])
    return torch.nn.functional.cross_entropy(
        logits.float(), labels_BT[:, 1:][counted], weight=weights_V
    )


def make_sequences(
    settings: LanguageSettings,
    vocab: Vocab,
    image_tokenizer: ImageTokenizer,
    *,
    seed: int,
    device: str,
    cache: Path,
) -> TrainingSequences:
    """TrainingSequences over an album of the seed.

    Args:
        settings: How large the album is, and the length and kinds of the sequences.
        vocab: The base's vocabulary.
        image_tokenizer: What encodes the pictures, on `device`.
        seed: Decides every subject and picture.
        device: Where pictures are encoded.
        cache: A folder for the album's image ids.
    """
    album = make_album(
        settings.album,
        encoder(image_tokenizer, vocab.image_ids, device),
        seed=seed,
        file=cache / f"album-{digest(settings.album, seed, image_tokenizer)}.npy",
    )
    return TrainingSequences(vocab, album, length=settings.length, mixture=settings.mixture)


class Batches(Dataset[Batch]):
    """The batch of each step, a function of the seed and the step's number alone: a resumed run sees
    those that it would have seen, and any number of processes makes the same.
    """

    def __init__(self, sequences: TrainingSequences, settings: LanguageSettings, seed: int):
        self.sequences, self.settings, self.seed = sequences, settings, seed

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        return pad(
            [self.sequences.example(rng) for _ in range(self.settings.batch)],
            self.sequences.vocab,
            length=self.settings.length,
        )

    def after(self, step: int, *, workers: int) -> Iterator[Batch]:
        """The batches of the steps from `step` on, in order."""
        # Without workers they are made here, between two steps. 'fork': the album would take long
        # to copy, and the workers touch no GPU.
        context = "fork" if workers else None
        steps = range(step, len(self))
        return iter(
            DataLoader(
                self,
                batch_size=None,
                sampler=steps,
                num_workers=workers,
                multiprocessing_context=context,
            )
        )


def without_image_tokenizer(model: EarlyFusionModel) -> dict[str, torch.Tensor]:
    """The tensors that this training changes. The image tokenizer has its own progress file, and
    may be trained further meanwhile.
    """
    return {name: tensor for name, tensor in model.state_dict().items() if ".vqmodel." not in name}


def train(
    model: EarlyFusionModel,
    settings: LanguageSettings,
    sequences: TrainingSequences,
    *,
    seed: int,
    device: str,
    progress: Path,
    log: Log,
    watch: Callable[[int, EarlyFusionModel], Mapping[str, float]],
    stop_asked: Callable[[], bool] = lambda: False,
) -> None:
    """Train the transformer, or resume its training.

    Raises `Stopped` after saving when `stop_asked()` says so.

    Args:
        model: The base; it is moved to `device` and changed in place.
        settings: Steps, batch, learning rates, weights of the loss.
        sequences: What the batches are made of.
        seed: Decides every batch, together with the step's number.
        device: 'cpu' or 'cuda'.
        progress: The file that a stopped run is resumed from; written at every save.
        log: Called with the mean loss and seconds per step since the last save, and `watch`'s
            numbers.
        watch: From the steps done and a copy of the model: more numbers to log, at every save.
        stop_asked: Asked after every step; True: save and stop.
    """
    model.to(device).train()
    # Copied before the layers are compiled: it runs on lengths that would be compiled anew.
    watched = copy.deepcopy(model)
    # All batches have the same shape, so that each layer is compiled once.
    for layer in model.model.layers:
        layer.compile(dynamic=False)
    optimiser = MuonAdamW(
        model.named_parameters(),
        muon_lr=settings.muon_lr,
        adamw_lr=settings.adamw_lr,
        steps=settings.steps,
        # Muon's authors advise AdamW for embedding and head. The weights of q_norm and k_norm are
        # 2-D, and still no matrices.
        by_adamw=("embed_tokens", "lm_head", "q_norm", "k_norm"),
    )
    first, saved = load_progress(progress)
    if saved:
        # the progress file has no image tokenizer
        model.load_state_dict({**model.state_dict(), **saved["model"]})
        optimiser.load_state(saved["optimiser"])
    weights_V = weights_of_ids(sequences.vocab, settings).to(device)
    workers = settings.workers
    if workers is None:
        workers = 0 if device == "cpu" else max(1, (os.cpu_count() or 1) - 1)
    batches = Batches(sequences, settings, seed).after(first, workers=workers)
    started, losses = time.time(), []
    for step in range(first, settings.steps):
        batch = next(batches)
        ids, labels = batch.ids_BT.to(device), batch.labels_BT.to(device)
        with torch.autocast(device, torch.bfloat16):
            loss = supervised_loss(model, ids, labels, weights_V)
        loss.backward()
        optimiser.step(step)
        # Not as a number: a GPU would wait for it in every step.
        losses.append(loss.detach())
        stopping = stop_asked()
        if stopping or (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            watched.load_state_dict(model.state_dict())
            # Not at a stop: `watch` takes long, and a launcher may kill a process that does not end
            # soon.
            numbers = {} if stopping else watch(step + 1, watched)
            log(
                step + 1,
                loss=torch.stack(losses).mean().item(),
                seconds_per_step=(time.time() - started) / len(losses),
                **numbers,
            )
            save_progress(
                progress,
                step + 1,
                model=without_image_tokenizer(model),
                optimiser=optimiser.state(),
            )
            if stopping:
                raise Stopped(step + 1, settings.steps)
            # From here, so that saving and watching are not part of a step's time.
            started, losses = time.time(), []
    model.eval()


def save(model: EarlyFusionModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Weights (the transformer in bf16, the image tokenizer in fp32), tokenizer and processor, as
    `transformers` loads them, and the profile.
    """
    # Put aside while the rest is rounded: a rounded image tokenizer finds other codes.
    exact = copy.deepcopy(model.model.vqmodel)
    model = copy.deepcopy(model).bfloat16()
    model.model.vqmodel = exact
    side = model.model.vqmodel.config.resolution
    processor = processor_of(tokenizer, side, model.model.vqmodel.codes_per_side**2)
    with files_aside(folder) as aside:
        model.save_pretrained(aside)
        # Again: it names its own class, which plain `transformers` does not have.
        named_for_everyone(model.config).save_pretrained(aside)
        processor.save_pretrained(aside)
        save_profile(PROFILE, aside)
