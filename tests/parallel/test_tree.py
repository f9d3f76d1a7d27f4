"""Sums along the tree have the same bits for any number of ranks; ranks here are generators, and no MPI is there."""

import numpy as np
import pytest

from autograd_nn.parallel.norm import chan
from autograd_nn.parallel.tree import Tree, add, gathered, push, reduced, root


def carried(protocols):
    """Run the protocols of all ranks side by side, carry their arrays, and return what each returns."""
    mail, results, waiting = {}, {}, dict(enumerate(protocols))
    asked = {}
    while waiting:
        moved = False
        for rank, protocol in list(waiting.items()):
            exchange = asked.get(rank)
            if exchange is not None:
                if not all(mail.get((source, rank)) for source in exchange.receives):
                    continue
                for source, array in exchange.receives.items():
                    array[...] = mail[source, rank].pop(0)
            try:
                asked[rank] = exchange = next(protocol)
            except StopIteration as end:
                results[rank] = end.value
                del waiting[rank]
            else:
                for target, array in exchange.sends.items():
                    mail.setdefault((rank, target), []).append(array.copy())
            moved = True
        assert moved, "all ranks wait for messages that nobody sends"
    assert not any(mail.values()), "a message was sent that nobody received"
    return [results[rank] for rank in range(len(results))]


def own_nodes(tree, rank, leaves):
    nodes = {}
    for shard in tree.held(rank):
        push(nodes, (0, shard), leaves[shard].copy(), add)
    return nodes


def by_recursion(leaves):
    """Return the sum along the tree, as it is defined: of both halves."""
    if len(leaves) == 1:
        return leaves[0]
    middle = len(leaves) // 2
    return by_recursion(leaves[:middle]) + by_recursion(leaves[middle:])


@pytest.mark.parametrize("ranks", range(1, 17))
@pytest.mark.parametrize("length", [0, 1, 7, 100])
def test_a_sum_has_the_bits_of_the_tree_for_any_number_of_ranks(ranks, length):
    leaves = np.random.default_rng(length).standard_normal((16, length)).astype(np.float32)
    tree = Tree(16, ranks)
    totals = carried([reduced(tree, r, own_nodes(tree, r, leaves)) for r in range(ranks)])
    expected = by_recursion(list(leaves))
    for total in totals:
        np.testing.assert_array_equal(total, expected)
    if length == 100:
        assert (expected != leaves.sum(axis=0, dtype=np.float32)).any(), "the order of a sum should be seen in its bits"


@pytest.mark.parametrize("ranks", range(1, 17))
def test_each_rank_gets_what_all_have(ranks):
    own = [np.full((2, 3), r) for r in range(ranks)]
    for everything in carried([gathered(array, r, ranks) for r, array in enumerate(own)]):
        np.testing.assert_array_equal(everything, np.stack(own))


@pytest.mark.parametrize("ranks", range(1, 9))
@pytest.mark.parametrize("shards", [8, 16])
def test_ranks_hold_all_shards_once_in_subtrees_that_are_complete(ranks, shards):
    tree = Tree(shards, ranks)
    assert [shard for r in range(ranks) for shard in tree.held(r)] == list(range(shards))
    for r in range(ranks):
        covered = [leaf for level, index in tree.owned[r] for leaf in range(index << level, (index + 1) << level)]
        assert sorted(covered) == list(tree.held(r))
        if ranks & (ranks - 1) == 0:
            assert len(tree.owned[r]) == 1


@pytest.mark.parametrize("samples", [0, 1, 3, 8, 101])
def test_shards_divide_a_batch(samples):
    tree = Tree(8, 3)
    parts = [np.arange(samples)[tree.part(shard, samples)] for shard in range(8)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(samples))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_pushing_in_any_order_merges_left_with_right():
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        nodes = {}
        for leaf in order:
            push(nodes, (0, leaf), "abcd"[leaf], lambda left, right: f"({left}{right})")
        assert nodes == {(2, 0): "((ab)(cd))"}


def test_what_is_no_power_of_two_is_merged_from_the_left():
    nodes = {}
    for leaf in range(5):
        push(nodes, (0, leaf), "abcde"[leaf], lambda left, right: f"({left}{right})")
    assert root(nodes, lambda left, right: f"({left}{right})") == "(((ab)(cd))e)"


def test_merged_statistics_are_those_of_the_union():
    rng = np.random.default_rng(0)
    parts = [rng.normal(5, 2, (n, 3)) for n in (4, 0, 1, 9)]

    def statistics(x):
        mean = x.mean(0) if len(x) else np.zeros(3)
        return np.concatenate([[len(x)], mean, ((x - mean) ** 2).sum(0)])

    nodes = {}
    for i, part in enumerate(parts):
        push(nodes, (0, i), statistics(part), chan)
    np.testing.assert_allclose(root(nodes, chan), statistics(np.concatenate(parts)), rtol=1e-12)
