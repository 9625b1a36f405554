"""A pickle makes tensors, of a bounded size, and nothing else."""

import io
import os
import pickle
import resource
import zipfile

import pytest
import torch

from unictoken.core.errors import UserError
from unictoken.model.pickles import load_pickle

MIB = 2**20


class Calls:
    """What unpickling would call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def zipped(path, pickled: bytes, **others: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
        for name, data in others.items():
            archive.writestr(f"archive/{name}", data)
    return path


def refused(path, said: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=f"{path.name}: .*{said}") as error:
        load_pickle(path, UserError, "some tensors", most=MIB)
    assert str(error.value).isprintable() and "etch it again" in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_tensors_come_back(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.nn.Parameter(torch.ones(2).half())}
    torch.save({"state_dict": tensors}, tmp_path / "it.ckpt")
    found = load_pickle(tmp_path / "it.ckpt", UserError, "some tensors", most=MIB)
    assert torch.equal(found["state_dict"]["a"], tensors["a"]) and found["state_dict"][
        "b"
    ].shape == (2,)


@pytest.mark.parametrize(
    "call",
    [Calls(os.system, "touch evil"), Calls(bytearray, 10**12), Calls(complex, 1), Calls(set, [1]), Calls(torch.Tensor, 10**11), Calls(eval, "1")],
    ids=lambda call: call.function.__name__ if isinstance(call, Calls) else "",
)  # fmt: skip
def test_a_pickle_that_names_anything_but_parts_of_tensors_is_not_read(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(
        zipped(tmp_path / "it.pt", pickle.dumps(call, protocol=2)),
        "its pickle names '.*', no part of a tensor",
    )
    assert not (tmp_path / "evil").exists()


@pytest.mark.slow
def test_a_small_zip_of_gigabytes_is_not_unpacked(tmp_path):
    path = zipped(tmp_path / "it.pt", pickle.dumps(1), data=bytes(500 * MIB))
    assert path.stat().st_size < MIB
    refused(path, "524,288,.* bytes of it, expected at most 1,048,576")


def test_a_zip_of_a_million_names_is_not_listed(tmp_path):
    entry = b"PK\x01\x02" + bytes(42)
    (tmp_path / "it.pt").write_bytes(b"PK\x03\x04" + entry * 20_000)
    refused(tmp_path / "it.pt", "more than 10,000 entries")


def test_a_file_of_three_gigabytes_is_not_read(tmp_path):
    with open(tmp_path / "it.pt", "wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(3 * 2**30)
    with pytest.raises(
        UserError, match="found 3,221,225,472 bytes, expected some tensors of at most 1,048,576"
    ):
        load_pickle(tmp_path / "it.pt", UserError, "some tensors", most=MIB)


def test_a_bare_pickle_is_not_read(tmp_path):
    (tmp_path / "it.pt").write_bytes(pickle.dumps([1.0]))
    refused(tmp_path / "it.pt", "does not begin as a zip")
    written = io.BytesIO()
    torch.save(torch.zeros(3), written, _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(written.getvalue())
    refused(tmp_path / "old.pt", "does not begin as a zip")
