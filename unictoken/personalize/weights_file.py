"""Small networks in files: one `.safetensors` of half precision, with a JSON header of its own key.

As with concept files, the header's sha256 is that of the tensors and of everything else in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from unictoken.core.disk import quoted, write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import parse_json, read_safetensors_header
from unictoken.core.shapes import Fields, check
from unictoken.tokens.file import digest_with_header


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """One kind of such files: what its header holds, and what is said of one that is none."""

    key: str
    """Of the header among the file's metadata."""
    header: Fields
    what: str
    """Who holds the weights, for messages: 'the encoder'."""
    expected: str
    """What a file should have been."""
    maker: str
    """What writes one."""
    again: str
    """What to do with one that is broken."""
    refusal: type[UserError]
    most: int
    """Bytes of a file."""

    def write(
        self, path: Path, header: Mapping[str, Any], weights: Mapping[str, torch.Tensor]
    ) -> Path:
        """Write a file; the same header and weights give the same bytes.

        Args:
            path: Where.
            header: Without its sha256.
            weights: By name; they are kept in half precision.
        """
        tensors = {
            name: np.ascontiguousarray(tensor.detach().cpu().half().numpy())
            for name, tensor in weights.items()
        }
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise self.refusal(
                f"{path}: {self.what} holds values that are not finite, or too large for half"
                " precision. Nothing was written. Use a smaller rate."
            )
        signed = {**header, "sha256": digest_with_header(header, tensors)}
        write_aside(
            path, to_bytes(tensors, metadata={self.key: json.dumps(signed, sort_keys=True)})
        )
        return path

    def read(self, path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The header, and the weights by name, whole and as they were written."""
        stored = read_safetensors_header(path, self.refusal, self.expected, most=self.most)
        if self.key not in stored.metadata:
            raise self.refusal(
                f"{path}: a safetensors file without a '{self.key}' header. Expected"
                f" {self.expected}, which {self.maker} writes."
            )
        for key, tensor in stored.tensors.items():
            if tensor.dtype != "F16":
                raise self.refusal(
                    f"{path}: {quoted(key)} is of type {tensor.dtype}, expected F16. {self.again}"
                )
        try:
            header = parse_json(stored.metadata[self.key])
        except ValueError as error:
            raise self.refusal(
                f"{path}: its header is not JSON with every key once ({error}). {self.again}"
            ) from None
        check(header, self.header, f"{path}: header", self.refusal, advice=self.again)
        try:
            with safe_open(path, "np") as file:
                tensors = {key: file.get_tensor(key) for key in stored.tensors}
        except (SafetensorError, OSError) as error:
            raise self.refusal(
                f"{path}: not a whole safetensors file ({error}). Expected {self.expected}."
                f" {self.again}"
            ) from None
        if digest_with_header(header, tensors) != header["sha256"]:
            raise self.refusal(
                f"{path}: its weights or its header do not match the sha256 in its header."
                f" {self.again}"
            )
        return header, tensors

    def check_shapes(
        self,
        path: Path,
        tensors: Mapping[str, np.ndarray],
        expected: Mapping[str, tuple[int, ...]],
    ) -> None:
        """Refuse weights that are not those which the header describes.

        Args:
            path: Of the file, for the message.
            tensors: As they were read.
            expected: Shapes by name.
        """
        found = {name: tensor.shape for name, tensor in tensors.items()}
        if found != expected:
            names = sorted(expected.keys() | found.keys())
            wrong = next(name for name in names if found.get(name) != expected.get(name))
            raise self.refusal(
                f"{path}: {quoted(wrong)} has shape {found.get(wrong, 'none')}, expected"
                f" {expected.get(wrong, 'none')}. {self.again}"
            )
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise self.refusal(f"{path}: holds values that are not finite. {self.again}")
