"""How processes share out work: here threads that meet at one store."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch

from unictoken.core.launch import Launch, free_port
from unictoken.model.processes import MARK, Processes, ProcessesError, is_lost_connection


def together(count: int, work: Callable[[Processes], object]) -> list[object]:
    """What the work gives in so many processes of one launch, by rank."""
    port, found = free_port(), [None] * count

    def one(rank: int) -> None:
        place = {"address": "127.0.0.1", "port": port}
        try:
            found[rank] = work(Processes(Launch(rank, count, rank, count, **place)))
        except ProcessesError as error:
            found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return found


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A test's launch leaves its variables behind."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_every_item_is_taken_once_and_the_first_process_s_list_counts():
    todo = [(str(number),) for number in range(20)]

    def take(processes: Processes) -> list[tuple[str, ...]]:
        taken = list(processes.share_out(todo if processes.first else [], "working"))
        processes.wait_for_all()
        taken += processes.share_out(todo[:3], "again")
        processes.leave()
        return taken

    found = [item for taken in together(3, take) for item in taken]
    assert sorted(found) == sorted(todo + todo[:3])


def test_who_is_alone_takes_everything_and_waits_for_nobody(tmp_path):
    alone = Processes()
    assert list(alone.share_out([("a", "b"), ("c", "d")], "working")) == [("a", "b"), ("c", "d")]
    with alone.first_goes_ahead():
        alone.wait_for_all()
    alone.check_shared(tmp_path)
    alone.leave()
    assert not list(tmp_path.iterdir())


def test_the_first_process_goes_ahead_and_nobody_leaves_before_all_have_come():
    order, lock = [], threading.Lock()

    def note(what: str) -> None:
        with lock:
            order.append(what)

    def work(processes: Processes) -> None:
        with processes.first_goes_ahead():
            note(f"in {processes.rank}")
        note(f"done {processes.rank}")
        processes.wait_for_all()
        note("after")
        processes.leave()

    together(3, work)
    assert order[0] == "in 0" and order[-3:] == ["after"] * 3 and len(order) == 9


def test_a_folder_that_is_another_one_on_another_machine_is_refused(tmp_path):
    def same(processes: Processes) -> str:
        processes.check_shared(tmp_path)
        processes.leave()
        return "shared"

    assert together(2, same) == ["shared", "shared"] and not (tmp_path / MARK).exists()


def test_a_process_that_sees_another_folder_is_refused(tmp_path):
    def work(processes: Processes) -> str:
        said = ""
        try:
            processes.check_shared(tmp_path / ("here" if processes.first else "elsewhere"))
        except ProcessesError as error:
            said = str(error)
            processes.wait_for_all()  # else the first process would; a launcher ends it
        processes.leave()
        return said

    first, second = together(2, work)
    assert not first and "elsewhere: found another folder than the first process's" in second


def test_a_process_whose_first_one_is_gone_says_so():
    def work(processes: Processes) -> None:
        if not processes.first:
            processes.wait_for_all()

    first, second = together(2, work)
    assert first is None and "the first process is gone" in str(second)


GLOO = "[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:50339. This is typically caused by a remote worker crashing."


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError(GLOO), True),
        (RuntimeError("[gloo/transport/tcp/unbound_buffer.cc] Timed out waiting 1800000ms"), True),
        (torch.distributed.DistNetworkError("the server socket has failed to listen"), True),
        (
            torch.distributed.DistBackendError("NCCL error: remote process exited or there was"),
            True,
        ),
        (torch.distributed.DistBackendError("NCCL error: unhandled cuda error"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_lost_connection_is_told_from_other_errors(error, lost):
    assert is_lost_connection(error) is lost
