import dataclasses

import pytest
import torch

from unictoken.data.sequence import IGNORE
from unictoken.learn.method import Run
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.objective import batch_of
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.prepare import prepare
from unictoken.learn.stages import learn, learning_rate
from unictoken.tokens.tokens import Prompts

IN_TURNS = Method(
    tokens=Tokens(shared=2, generation=3),
    prompts=Prompts(generation="{name} is {shared}{generation}."),
    stages=(
        Stage(name="first", steps=2, batch=3, trainable=("name", "shared"), weight_decay=0.1),
        Stage(
            name="second",
            steps=2,
            batch=3,
            trainable=("generation",),
            weight_decay=0.1,
            tasks={"generate": 1.0},
        ),
    ),
)


@pytest.fixture
def prepared(base, toy, short_method):
    return prepare(base, toy, short_method, seed=0)


def test_a_batch_is_a_function_of_seed_and_step(prepared, short_method):
    stage = short_method.stages[0]

    def ids(seed: int, step: int) -> list:
        return batch_of(prepared.examples, stage, seed, step, slice(None)).ids_BT.tolist()

    assert ids(1, 2) == ids(1, 2)
    assert len({str(ids(*at)) for at in ((1, 2), (1, 3), (2, 2))}) == 3


def test_shares_of_a_batch_make_the_whole_batch(prepared, short_method):
    stage = short_method.stages[0]
    whole, halves = (
        batch_of(prepared.examples, stage, 0, 5, share)
        for share in (slice(None), slice(1, None, 2))
    )
    length = halves.ids_BT.shape[1]
    assert torch.equal(whole.ids_BT[1::2, :length], halves.ids_BT)


@pytest.mark.parametrize("count", [2, 4])
def test_the_loss_of_a_batch_is_the_mean_over_its_shares(prepared, count):
    stage = Stage(batch=8, generation_weight=0.3)
    whole, *shares = (
        prepared.learner(batch.ids_BT, batch.labels_BT, batch.weights_B).item()
        for batch in (
            batch_of(prepared.examples, stage, 0, 0, share)
            for share in (slice(None), *(slice(rank, None, count) for rank in range(count)))
        )
    )
    assert sum(shares) / count == pytest.approx(whole, rel=1e-5)


def test_an_example_counts_once_however_long_it_is(prepared, base):
    """By hand: the mean over examples of the mean over their labelled positions."""
    batch = batch_of(prepared.examples, Stage(batch=4), 0, 1, slice(None))
    weights = torch.tensor([1.0, 2.0, 0.0, 0.5])
    by_hand = []
    for ids, labels in zip(batch.ids_BT, batch.labels_BT, strict=True):
        rows_in, rows_out = prepared.learner.current()
        embeds = base.embed(ids[None]).clone()
        concept_ids = prepared.learner.id_of_row
        for i, concept_id in enumerate(concept_ids):
            embeds[0, ids == concept_id] = rows_in[i].detach()
        logits = base.logits(base.hidden(embeds))[0]
        logits[:, concept_ids] = base.hidden(embeds)[0] @ rows_out.detach().T
        by_hand.append(
            torch.nn.functional.cross_entropy(logits[:-1], labels[1:], ignore_index=IGNORE)
        )
    expected = (torch.stack(by_hand) * weights).mean()
    assert prepared.learner(batch.ids_BT, batch.labels_BT, weights).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_an_example_that_names_no_concept_has_the_bases_own_loss(prepared, base):
    ids = torch.tensor([[base.vocab.bos, *base.vocab.encode("a photo of a dog on the beach.")]])
    logits = base.logits(base.hidden(base.embed(ids)))[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
    assert prepared.learner(ids, ids, torch.ones(1)).item() == pytest.approx(
        expected.item(), rel=1e-6
    )


def test_the_learning_rate_falls_to_a_tenth():
    stage = Stage(steps=4, lr=1.0)
    assert [round(learning_rate(stage, step), 6) for step in range(4)] == [1.0, 0.7, 0.4, 0.1]
    assert learning_rate(Stage(steps=1, lr=1.0), 0) == 1.0


@pytest.mark.slow
def test_learning_moves_the_concept_and_nothing_else(base, toy, short_method):
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    start = prepare(base, toy, short_method, seed=0).learner.current().detach()
    learned = OptimizeRows(short_method).fit(base, [toy], run=Run()).tokens
    after = base.model.state_dict()
    assert before.keys() == after.keys() and all(
        torch.equal(tensor, after[name]) for name, tensor in before.items()
    )
    assert (torch.stack([learned.rows_in, learned.rows_out]) != start).any(-1).all()
    assert not any(p.requires_grad for p in base.model.parameters())


@pytest.mark.slow
def test_learning_is_a_function_of_its_seed(base, toy, short_method):
    first, again, other = (
        OptimizeRows(short_method).fit(base, [toy], run=Run(seed=seed)).tokens for seed in (0, 0, 1)
    )
    assert torch.equal(first.rows_in, again.rows_in) and torch.equal(first.rows_out, again.rows_out)
    assert not torch.equal(first.rows_in, other.rows_in)


def test_learning_lowers_the_loss(base, toy, monkeypatch):
    """By what the rows themselves can do on an untrained base: an answer is the concept's name."""
    monkeypatch.setattr("unictoken.tasks.text_qa.OWNERS", 1.0)
    told = dataclasses.replace(toy, facts=(), questions=(("who sings?", "<tom> <tom> <tom>"),))
    method = Method(
        tokens=Tokens(shared=0, understanding=4),
        prompts=Prompts(understanding="{name} is {understanding}.", generation="{name}"),
        stages=(Stage(steps=25, batch=4, lr=0.1, tasks={"text_qa": 1.0}),),
    )
    losses = []
    run = Run(show=lambda progress: losses.append(progress.loss))
    OptimizeRows(method).fit(base, [told], run=run)
    assert len(losses) == 25 and sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_only_the_concepts_rows_are_trained(prepared):
    assert [name for name, p in prepared.learner.named_parameters() if p.requires_grad] == ["rows"]


def test_rows_of_roles_that_a_stage_does_not_move_stay(base, toy):
    prepared = prepare(base, toy, IN_TURNS, seed=0)
    snapshots = [prepared.learner.current().detach()]
    for progress in learn(prepared.learner, IN_TURNS, prepared.objective):
        if progress.step % 2 == 0:
            snapshots.append(prepared.learner.current().detach())
    start, first, second = snapshots
    assert torch.equal(first[:, 3:], start[:, 3:]) and not torch.equal(first[:, :3], start[:, :3])
    assert torch.equal(second[:, :3], first[:, :3]) and not torch.equal(second[:, 3:], first[:, 3:])


def test_stages_follow_each_other_and_begin_once(base, toy):
    prepared = prepare(base, toy, IN_TURNS, seed=0)
    begun = []
    steps = list(
        learn(
            prepared.learner,
            IN_TURNS,
            prepared.objective,
            on_stage=lambda stage, learner: begun.append(stage.name),
        )
    )
    assert [(p.step, p.stage) for p in steps] == [
        (1, "first"),
        (2, "first"),
        (3, "second"),
        (4, "second"),
    ]
    assert begun == ["first", "second"]
