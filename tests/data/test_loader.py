"""The DataLoader: batches, seeds, resuming, the prefetching thread."""

import copy
import gc
import json
import pickle
import threading
import time
import warnings
from itertools import chain

import numpy as np
import pytest

import autograd_nn
from autograd_nn.data import (
    MNIST,
    ArrayDataset,
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    WeightedRandomSampler,
    current_generator,
    get_worker_info,
    transforms,
)
from autograd_nn.tensor import Tensor

PREFETCH = [0, 1, 3]


def numbers(length=10):
    """Return a dataset of the numbers from 0."""
    return ArrayDataset(np.arange(length))


def epoch(loader):
    """Return the numbers of one epoch, batch by batch."""
    return [x.array.tolist() for x, in loader]


class Noise(Dataset):
    """Random samples without `batch`."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return current_generator().integers(0, 2**40)


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_batches(prefetch):
    loader = DataLoader(numbers(), batch_size=4, prefetch=prefetch)
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    loader = DataLoader(numbers(), batch_size=4, drop_last=True, prefetch=prefetch)
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(loader) == 2
    assert epoch(DataLoader(numbers(0), 4, shuffle=True, prefetch=prefetch)) == []
    assert epoch(DataLoader(numbers(3))) == [[0], [1], [2]]


def test_array_datasets_are_cut_once_per_batch(monkeypatch):
    monkeypatch.setattr(ArrayDataset, "__getitem__", lambda *_: pytest.fail("read sample by sample"))
    data = Subset(MNIST(train=False), range(100)) + MNIST(train=False)
    images, labels = next(iter(DataLoader(data, 64, shuffle=True, seed=0)))
    assert isinstance(images, Tensor)
    assert images.shape == (64, 1, 28, 28)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64


def test_a_batch_does_not_share_memory_with_the_dataset():
    base = np.zeros((4, 2), np.float32)
    x, = next(iter(DataLoader(ArrayDataset(base), 4)))
    x.array += 1
    assert base.sum() == 0


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_epochs_differ_and_runs_repeat(prefetch):
    def run(seed):
        loader = DataLoader(numbers(50), 7, shuffle=True, seed=seed, prefetch=prefetch)
        return [epoch(loader) for _ in range(3)]

    first = run(1)
    assert first == run(1)
    assert first != run(2)
    assert first[0] != first[1] != first[2]
    assert all(sorted(chain(*order)) == list(range(50)) for order in first)


def test_order_does_not_depend_on_prefetch():
    orders = [epoch(DataLoader(numbers(50), 7, shuffle=True, seed=1, prefetch=prefetch)) for prefetch in PREFETCH]
    assert orders[0] == orders[1] == orders[2]


def test_manual_seed_and_generators_set_the_seed():
    def order(**settings):
        return epoch(DataLoader(numbers(30), 30, shuffle=True, **settings))

    autograd_nn.manual_seed(5)
    first = order()
    autograd_nn.manual_seed(5)
    assert order() == first
    for make in (lambda: np.random.default_rng(1), lambda: autograd_nn.Generator(1), lambda: 1):
        assert order(generator=make()) == order(generator=make())


def test_global_numpy_generator_is_left_alone():
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    epoch(DataLoader(numbers(), 2, shuffle=True))
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_random_transforms_depend_on_seed_epoch_and_position_only(prefetch):
    def run(seed, **settings):
        data = MNIST(train=False, transform=transforms.Compose(
            [transforms.RandomCrop(28, padding=4), transforms.ToTensor()]))
        loader = DataLoader(Subset(data, range(20)), 8, seed=seed, **settings)
        return [[x.array.copy() for x, _ in loader] for _ in range(2)]

    first = run(1)
    np.testing.assert_equal(run(1, prefetch=prefetch), first)
    assert not np.array_equal(run(2)[0][0], first[0][0])
    assert not np.array_equal(first[0][0], first[1][0])


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_a_dataset_of_the_user_draws_from_the_generator_of_the_batch(prefetch):
    runs = [epoch(DataLoader(Noise(), 2, seed=3, prefetch=p, collate_fn=lambda s: (Tensor(np.array(s)),)))
            for p in (0, prefetch)]
    assert runs[0] == runs[1]
    assert len(set(chain(*runs[0]))) == 6
    assert isinstance(current_generator(), np.random.Generator)


@pytest.mark.parametrize("prefetch", PREFETCH)
@pytest.mark.parametrize("make", [
    lambda: DataLoader(numbers(23), 4, shuffle=True, seed=9),
    lambda: DataLoader(numbers(23), 4, sampler=RandomSampler(numbers(23), generator=3)),
    lambda: DataLoader(numbers(23), 4, sampler=WeightedRandomSampler(np.arange(1, 24), 23, generator=3)),
    lambda: DataLoader(numbers(23), batch_sampler=BatchSampler(RandomSampler(numbers(23), generator=3), 4)),
    lambda: DataLoader(numbers(23), 4),
    lambda: DataLoader(numbers(23), 4, sampler=list(range(22, -1, -1))),
    lambda: DataLoader(numbers(23), batch_sampler=[[1, 2], [3], [4, 5, 6]] * 2),
])
def test_resume_goes_on_exactly(make, prefetch):
    loader = make()
    reference = [batch for _ in range(3) for batch in epoch(loader)]
    per_epoch = len(reference) // 3
    for stop in (0, 1, per_epoch - 1, per_epoch, per_epoch + 2, 2 * per_epoch):
        first = make()
        first.prefetch = prefetch
        seen, state = [], first.state_dict()
        while len(seen) < stop:
            for x, in first:
                seen.append(x.array.tolist())
                if len(seen) == stop:
                    state = json.loads(json.dumps(first.state_dict()))
                    break
        resumed = make()
        resumed.prefetch = prefetch
        resumed.load_state_dict(state)
        assert resumed.state_dict() == state
        while len(seen) < len(reference):
            seen += epoch(resumed)
        assert seen == reference


def test_state_between_epochs_belongs_to_the_next():
    loader = DataLoader(numbers(), 4, shuffle=True, seed=1)
    first = epoch(loader)
    state = loader.state_dict()
    assert (state["epoch"], state["position"], state["started"]) == (1, 0, False)
    resumed = DataLoader(numbers(), 4, shuffle=True, seed=77)
    resumed.load_state_dict(state)
    second = epoch(resumed)
    assert len(second) == len(first)
    assert second == epoch(loader) != first


def test_state_inside_the_loop():
    loader = DataLoader(numbers(), 4, shuffle=True, seed=1)
    assert [loader.state_dict()["position"] for _ in loader] == [1, 2, 3]
    for _ in loader:
        break
    assert (loader.epoch, loader.position) == (1, 1)
    epoch(loader)
    assert (loader.epoch, loader.position) == (3, 0)


def test_two_loops_at_once_are_two_epochs():
    loader = DataLoader(numbers(), 5, shuffle=True, seed=1)
    reference = DataLoader(numbers(), 5, shuffle=True, seed=1)
    first, second = zip(*([x.array.tolist(), y.array.tolist()] for (x,), (y,) in zip(loader, loader, strict=True)),
                        strict=True)
    assert [list(first), list(second)] == [epoch(reference), epoch(reference)]


def test_state_of_another_setting_is_refused():
    loader = DataLoader(numbers(), 4, shuffle=True, seed=1)
    state = loader.state_dict()
    with pytest.raises(ValueError, match="saved with samples=10, this loader has samples=11"):
        DataLoader(numbers(11), 4).load_state_dict(state)
    with pytest.raises(ValueError, match="saved with batch_size=4, this loader has batch_size=5"):
        DataLoader(numbers(), 5).load_state_dict(state)
    with pytest.raises(ValueError, match=r"missing \['seed'\], unexpected \['extra'\]"):
        loader.load_state_dict({**{k: v for k, v in state.items() if k != "seed"}, "extra": 1})
    with pytest.raises(ValueError, match="position must be an integer from 0"):
        loader.load_state_dict({**state, "position": -1})
    with pytest.raises(ValueError, match="position must be at most 3"):
        loader.load_state_dict({**state, "position": 4, "started": True})
    assert loader.state_dict() == state


def prefetching_threads():
    """Return the prefetching threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


class Broken(Dataset):
    """Raises at one sample."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index == 5:
            raise RuntimeError("sample 5 is broken")
        return index


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_errors_reach_the_consumer_after_the_batches_before(prefetch):
    seen = []
    with pytest.raises(RuntimeError, match="sample 5 is broken"):
        for x in DataLoader(Broken(), 2, prefetch=prefetch):
            seen.append(x.array.tolist())
    assert seen == [[0, 1], [2, 3]]
    assert prefetching_threads() == []


@pytest.mark.parametrize("prefetch", [1, 2, 5])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_early_break_leaves_no_thread(prefetch, after):
    gc.disable()
    try:
        for position, _ in enumerate(DataLoader(numbers(1000), 1, prefetch=prefetch)):
            if position == after:
                assert len(prefetching_threads()) == 1
                break
        assert prefetching_threads() == []
        iterator = iter(DataLoader(numbers(1000), 1, prefetch=prefetch))
        next(iterator)
        iterator.close()
        assert prefetching_threads() == []
    finally:
        gc.enable()


def test_error_in_the_loop_body_leaves_no_thread():
    with pytest.raises(KeyError):
        for _ in DataLoader(numbers(1000), 1, prefetch=2):
            raise KeyError
    gc.collect()
    assert prefetching_threads() == []


def test_thread_stays_within_its_bound():
    made = []

    class Counting(Dataset):
        def __len__(self):
            return 100

        def __getitem__(self, index):
            made.append(index)
            return index

    iterator = iter(DataLoader(Counting(), 1, prefetch=3))
    next(iterator)
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5  # one handed out, three in the queue, one waiting to be put there
    iterator.close()


def test_endless_sampler():
    class Endless:
        def __iter__(self):
            index = 0
            while True:
                yield index % 10
                index += 1

    loader = DataLoader(numbers(), 4, sampler=Endless())
    iterator = iter(loader)
    assert [next(iterator)[0].array.tolist() for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    state = loader.state_dict()
    resumed = DataLoader(numbers(), 4, sampler=Endless())
    resumed.load_state_dict(state)
    assert next(iter(resumed))[0].array.tolist() == [2, 3, 4, 5]


def test_samplers_of_the_user():
    assert epoch(DataLoader(numbers(), 3, sampler=[9, 1, 4, 4])) == [[9, 1, 4], [4]]
    loader = DataLoader(numbers(), batch_sampler=[[0, 9], [1]])
    assert epoch(loader) == [[0, 9], [1]]
    assert len(loader) == 2

    class Backwards(SequentialSampler):
        def __iter__(self):
            return iter(range(len(self) - 1, -1, -1))

    assert epoch(DataLoader(numbers(4), 3, sampler=Backwards(range(4)))) == [[3, 2, 1], [0]]

    class Twice(BatchSampler):
        def __iter__(self):
            for batch in super().__iter__():
                yield batch
                yield batch

    assert epoch(DataLoader(numbers(2), batch_sampler=Twice(range(2), 2))) == [[0, 1], [0, 1]]
    with pytest.raises(IndexError, match=r"indices must be in \[-10, 10\), got 3 to 12"):
        epoch(DataLoader(numbers(), 2, sampler=[3, 12]))
    with pytest.raises(TypeError, match="must yield integers"):
        epoch(DataLoader(numbers(), 2, sampler=["a", "b"]))


def test_without_batches():
    samples = list(DataLoader(MNIST(train=False), batch_size=None, sampler=[5, 2]))
    assert len(samples) == 2
    image, label = samples[0]
    assert image.shape == (1, 28, 28)
    assert label == MNIST(train=False).labels[5]
    assert len(DataLoader(numbers(), batch_size=None)) == 10


def test_collate_fn_gets_samples():
    loader = DataLoader(numbers(5), 2, collate_fn=lambda samples: [int(x) for x, in samples])
    assert list(loader) == [[0, 1], [2, 3], [4]]


def test_getitems_of_the_user():
    class Many:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            raise AssertionError

        def __getitems__(self, indices):
            return [index * 10 for index in indices]

    assert [x.array.tolist() for x in DataLoader(Many(), 2)] == [[0, 10], [20, 30]]


def test_names_of_pytorch_that_mean_nothing_here_are_accepted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loader = DataLoader(numbers(), 4, pin_memory=True, multiprocessing_context="spawn", pin_memory_device="cpu",
                            in_order=True, num_workers=2, prefetch_factor=3, timeout=60)
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(("settings", "match"), [
    ({"batch_size": 0}, r"batch_size must be an integer from 1 \(got 0\)"),
    ({"batch_size": 2.0}, r"batch_size must be an integer from 1 \(got 2.0\)"),
    ({"batch_size": True}, "batch_size must be an integer"),
    ({"shuffle": True, "sampler": [1]}, "sampler and shuffle=True exclude each other"),
    ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler excludes"),
    ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler excludes"),
    ({"batch_size": None, "drop_last": True}, "drop_last has no meaning"),
    ({"num_workers": -1}, "num_workers must be an integer from 0"),
    ({"prefetch": -1}, "prefetch must be an integer from 0"),
    ({"seed": -1}, "seed must be an integer from 0"),
    ({"seed": 1, "generator": 1}, "generator and seed exclude each other"),
    ({"timeout": -1}, "timeout must be a number of seconds from 0"),
    ({"timeout": 3}, "timeout needs num_workers above 0"),
    ({"prefetch_factor": 2}, "prefetch_factor needs num_workers above 0"),
    ({"persistent_workers": True}, "persistent_workers needs num_workers above 0"),
    ({"num_workers": 2, "prefetch_factor": 0}, "prefetch_factor must be an integer from 1"),
])
def test_refuses(settings, match):
    with pytest.raises(ValueError, match=match):
        DataLoader(numbers(), **settings)


def test_refuses_what_is_no_dataset():
    X, y = np.zeros((5, 2)), np.zeros(5)
    for wrong, match in ((3, "got int"), (None, "got NoneType"), ({"x": X, "y": y}, r"StackDataset\(\*\*data\)"),
                         ((X, y), r"got tuple of arrays \(5, 2\), \(5,\); use TensorDataset"),
                         ("folder", r"ImageFolder\(path\)"), ((i for i in range(3)), "make it a list"),
                         ({1, 2}, "make it a list"), (DataLoader(numbers()), r"DataLoader\(loader.dataset\)"),
                         (Noise, "the class Noise; make one"), (np.float32(3) * np.ones(()), "without axes|got float")):
        with pytest.raises(TypeError, match=match):
            DataLoader(wrong)
    for name in ("collate_fn", "worker_init_fn"):
        with pytest.raises(TypeError, match=f"{name} must be a function or None, got str"):
            DataLoader(numbers(), num_workers=1, **{name: "x"})
    with pytest.raises(TypeError, match="generator must be a Generator"):
        DataLoader(numbers(), generator="seed")
    assert epoch(DataLoader([(1,), (2,)], 2)) == [[1, 2]]
    assert next(iter(DataLoader(X, 2))).shape == (2, 2)


@pytest.mark.data
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_refuses_a_table_and_says_what_to_pass(library):
    table = pytest.importorskip(library).DataFrame({"a": [1.0, 2.0], "y": [0, 1]})
    with pytest.raises(TypeError, match="got DataFrame; use TableDataset"):
        DataLoader(table)
    with pytest.raises(TypeError, match="got Series; use TableDataset"):
        DataLoader(table["a"])


# ------------------------------------------------------------------------------ workers

class Slow(Dataset):
    """Samples that take the longer, the earlier they come."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        time.sleep(0.003 * (12 - index))
        return index, current_generator().integers(0, 2**40), threading.current_thread().name


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_workers_keep_the_order_and_the_random_numbers(workers):
    def run(**settings):
        loader = DataLoader(Slow(), 2, shuffle=True, seed=4, **settings)
        return [[(x.data.tolist(), r.data.tolist()) for x, r, _ in loader] for _ in range(2)]

    assert run(num_workers=workers) == run()


def test_workers_share_the_work():
    names = {name for *_, threads in DataLoader(Slow(), 1, num_workers=3) for name in threads}
    assert names == {f"DataLoader worker {worker}" for worker in range(3)}
    assert worker_threads() == []


def worker_threads():
    """Return the workers that are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader worker")]


def test_workers_resume():
    def make():
        return DataLoader(numbers(23), 4, sampler=RandomSampler(numbers(23), generator=3), num_workers=3)

    loader = make()
    reference = epoch(loader) + epoch(loader)
    first = make()
    seen = []
    for x, in first:
        seen.append(x.data.tolist())
        if len(seen) == 3:
            state = first.state_dict()
            break
    resumed = make()
    resumed.load_state_dict(state)
    assert seen + epoch(resumed) + epoch(resumed) == reference


@pytest.mark.parametrize("after", [0, 2])
def test_early_break_ends_the_workers(after):
    gc.disable()
    try:
        for position, _ in enumerate(DataLoader(numbers(1000), 1, num_workers=3)):
            if position == after:
                assert len(worker_threads()) == 3
                break
        assert worker_threads() == []
        iterator = iter(DataLoader(numbers(1000), 1, num_workers=2))
        next(iterator)
        iterator.close()
        assert worker_threads() == []
        iter(DataLoader(numbers(1000), 1, num_workers=2))
        assert worker_threads() == []
    finally:
        gc.enable()


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("collate", [None, lambda samples: Tensor(np.array(samples))])
def test_errors_in_workers_name_the_sample_and_the_worker(workers, collate):
    seen = []
    with pytest.raises(RuntimeError, match="sample 5 is broken") as caught:
        for x in DataLoader(Broken(), 2, num_workers=workers, collate_fn=collate):
            seen.append(x.data.tolist())
    assert seen == [[0, 1], [2, 3]]
    notes = "; ".join(caught.value.__notes__)
    assert "at sample 5 of a Broken" in notes
    assert ("in worker" in notes) == (workers > 0)
    del caught
    assert worker_threads() == []


def test_errors_of_the_sampler_and_of_worker_init_fn():
    def broken():
        yield from (1, 2, 3)
        raise KeyError("no more")

    class Sampler:
        def __iter__(self):
            return broken()

    seen = []
    with pytest.raises(KeyError, match="no more"):
        for x, in DataLoader(numbers(), 1, sampler=Sampler(), num_workers=2):
            seen.append(x.item())
    assert seen == [1, 2, 3]

    def init(worker):
        raise OSError(f"worker {worker} has no disk")

    with pytest.raises(OSError, match="has no disk"):
        list(DataLoader(numbers(), 1, num_workers=2, worker_init_fn=init))
    assert worker_threads() == []


def test_worker_init_fn_and_get_worker_info():
    assert get_worker_info() is None

    class Own(Dataset):
        place = None

        def __len__(self):
            return 40

        def __getitem__(self, index):
            time.sleep(0.001)
            info = get_worker_info()
            return info.id, info.num_workers, info.seed, info.dataset.place

    dataset = Own()

    def init(worker):
        get_worker_info().dataset.place = worker * 10

    rows = {tuple(part.item() for part in batch)
            for batch in DataLoader(dataset, 1, num_workers=2, seed=5, worker_init_fn=init)}
    assert rows == {(0, 2, 5, 0), (1, 2, 6, 10)}
    assert dataset.place is None
    assert get_worker_info() is None


def test_persistent_workers():
    loader = DataLoader(numbers(6), 2, num_workers=2, persistent_workers=True)
    expected = [[0, 1], [2, 3], [4, 5]]
    assert epoch(loader) == expected
    first = worker_threads()
    assert len(first) == 2
    for _ in loader:
        break
    both = [[x.data.tolist(), y.data.tolist()] for (x,), (y,) in zip(loader, loader, strict=True)]
    assert both == [[batch, batch] for batch in expected]
    assert epoch(loader) == expected
    assert worker_threads() == first
    copied = copy.deepcopy(loader)
    assert epoch(copied) == expected
    del loader, copied
    gc.collect()
    assert worker_threads() == []


def test_timeout():
    class Stuck(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            time.sleep(0.5)
            return index

    with pytest.raises(RuntimeError, match=r"timed out after 0.05 seconds"):
        list(DataLoader(Stuck(), 1, num_workers=1, timeout=0.05))


def test_workers_stay_within_their_bound():
    made = []

    class Counting(Dataset):
        def __len__(self):
            return 100

        def __getitem__(self, index):
            made.append(index)
            return index

    iterator = iter(DataLoader(Counting(), 1, num_workers=2, prefetch_factor=3))
    next(iterator)
    deadline = time.monotonic() + 5
    while len(made) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 6
    iterator.close()


# ------------------------------------------------------------------------------ iterable datasets

class Stream(IterableDataset):
    """The numbers below `length`, divided among the workers if `divided`."""

    def __init__(self, length, divided=True):
        self.length = length
        self.divided = divided

    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info is not None and self.divided else (0, 1)
        for index in range(first, self.length, step):
            yield index, current_generator().integers(0, 2**40)


def stream(loader):
    """Return the numbers of one epoch."""
    return [batch[0].data.tolist() for batch in loader]


def test_iterable_datasets():
    assert stream(DataLoader(Stream(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert stream(DataLoader(Stream(7), 3, prefetch=2)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert stream(DataLoader(Stream(7), 3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]
    assert stream(DataLoader(Stream(11), 2, num_workers=2)) == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]
    assert stream(DataLoader(Stream(3, False), 2, num_workers=2)) == [[0, 1], [0, 1], [2], [2]]
    assert stream(DataLoader(Stream(2), 2, num_workers=4)) == [[0], [1]]
    assert stream(DataLoader(Stream(0), 2, num_workers=2)) == []
    assert [x for x, _ in DataLoader(Stream(3), None)] == [0, 1, 2]
    assert stream(DataLoader(Stream(2) + Stream(1), 2)) == [[0, 1], [0]]
    assert worker_threads() == []
    with pytest.raises(TypeError, match="no samples by index"):
        Stream(3)[0]
    with pytest.raises(TypeError):
        len(DataLoader(Stream(3), 2))
    with pytest.raises(ValueError, match="has its own order"):
        DataLoader(Stream(3), shuffle=True)
    with pytest.raises(TypeError, match="use ChainDataset"):
        ConcatDataset([Stream(3)])


@pytest.mark.parametrize("workers", [0, 2])
def test_iterable_datasets_repeat_and_resume(workers):
    def make():
        return DataLoader(Stream(11), 2, num_workers=workers, seed=3)

    def run(loader):
        return [(x.data.tolist(), r.data.tolist()) for x, r in loader]

    loader = make()
    reference = run(loader) + run(loader)
    assert reference[0][1] != reference[6][1]
    loader = make()
    assert run(loader) + run(loader) == reference
    first = make()
    for count, _ in enumerate(first, 1):
        if count == 4:
            state = json.loads(json.dumps(first.state_dict()))
            break
    resumed = make()
    resumed.load_state_dict(state)
    assert run(resumed) + run(resumed) == reference[4:]


def test_what_can_only_be_iterated_is_a_stream():
    class Lines:
        def __iter__(self):
            return iter(["a", "b", "c"])

    assert list(DataLoader(Lines(), 2)) == [["a", "b"], ["c"]]
    assert list(DataLoader(Lines(), 2)) == [["a", "b"], ["c"]]


# ------------------------------------------------------------------------------ copies

def double(samples):
    """Collate."""
    return Tensor(np.array([x for x, in samples]) * 2)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
@pytest.mark.parametrize("settings", [
    {"generator": autograd_nn.Generator(3)}, {"generator": np.random.default_rng(3)}, {"seed": 2}, {},
    {"num_workers": 2, "persistent_workers": True, "generator": autograd_nn.Generator(3)}, {"collate_fn": double}])
def test_loaders_are_copied_and_pickled(again, settings):
    settings = copy.deepcopy(settings)
    loader = DataLoader(numbers(20), 3, shuffle=True, **settings)
    copied = again(loader)
    autograd_nn.manual_seed(0)
    expected = [[x[0].data.tolist() if isinstance(x, tuple) else x.data.tolist() for x in loader] for _ in range(2)]
    autograd_nn.manual_seed(0)
    got = [[x[0].data.tolist() if isinstance(x, tuple) else x.data.tolist() for x in copied] for _ in range(2)]
    assert got == expected
    later = again(loader)
    assert later.state_dict() == loader.state_dict()


def test_generators_are_copied_and_pickled():
    generator = autograd_nn.Generator(7)
    generator.random((3,))
    copies = [copy.deepcopy(generator), copy.copy(generator), pickle.loads(pickle.dumps(generator))]
    state = generator.get_state()
    assert [one.get_state() == state for one in copies] == [True] * 3
    np.testing.assert_array_equal(copies[0].random((4,)), copies[2].random((4,)))
    assert generator.get_state() == state
    sampler = copy.deepcopy(RandomSampler(range(9), generator=generator))
    assert sorted(sampler) == list(range(9))


def test_repr_of_loaders_and_datasets():
    text = repr(DataLoader(numbers(4), 2, shuffle=True, num_workers=1))
    assert text == "DataLoader(ArrayDataset(4 samples: int64 (4,)), batch_size=2, shuffle=True, num_workers=1)"


def test_a_sampler_need_not_call_init_of_its_base():
    class Evens(Sampler):
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data) // 2

        def __iter__(self):
            return iter(range(0, len(self.data), 2))

    loader = DataLoader(list(range(8)), batch_size=2, sampler=Evens(range(8)))
    assert [batch.tolist() for batch in loader] == [[0, 2], [4, 6]]
