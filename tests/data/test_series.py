"""Windows of series."""

import numpy as np
import pytest

from autograd_nn.data import DataLoader, WindowDataset
from autograd_nn.tensor import Tensor


@pytest.mark.parametrize("settings", [
    {"window": 4}, {"window": 4, "horizon": 3}, {"window": 3, "stride": 2}, {"window": 5, "gap": 2, "horizon": 2},
    {"window": 4, "gap": -3, "horizon": 4, "stride": 4}, {"window": 19, "horizon": 1}])
@pytest.mark.parametrize("features", [None, 2])
def test_windows_are_those_cut_by_hand(settings, features):
    series = np.arange(20, dtype=np.float32) if features is None else np.arange(40, dtype=np.float32).reshape(20, 2)
    window, horizon, stride, gap = (settings.get(name, default) for name, default in (
        ("window", 0), ("horizon", 1), ("stride", 1), ("gap", 0)))
    expected = []
    for start in range(0, 20, stride):
        after = start + window + gap
        if max(start + window, after + horizon) <= 20:
            expected.append((series[start:start + window], series[after:after + horizon]))
    data = WindowDataset(series, **settings)
    assert len(data) == len(expected)
    for (x, y), (wanted_x, wanted_y) in zip(data, expected, strict=True):
        np.testing.assert_array_equal(x.data, wanted_x)
        np.testing.assert_array_equal(y.data, wanted_y)
    x, y = next(iter(DataLoader(data, len(data))))
    np.testing.assert_array_equal(x.data, np.stack([one for one, _ in expected]))
    np.testing.assert_array_equal(y.data, np.stack([one for _, one in expected]))


def test_targets_and_kinds():
    series = np.arange(30.0).reshape(10, 3)
    assert WindowDataset(series, 4, targets=1)[0][1].data.tolist() == [13]
    assert WindowDataset(series, 4, targets=[0, -1])[0][1].data.tolist() == [[12, 14]]
    assert WindowDataset(Tensor(series), 4)[-1][0].shape == (4, 3)
    with pytest.raises(IndexError):
        WindowDataset(series, 4)[6]
    x = WindowDataset(series, 4).batch(np.array([0]))[0]
    x[:] = -1
    assert series.min() == 0
    for make, match in ((lambda: WindowDataset(series, 11), "the series has 10 steps, and one window with its target "
                                                            "takes 12"),
                        (lambda: WindowDataset(series, 0), "window must be an integer from 1"),
                        (lambda: WindowDataset(series, 3, gap=-3), "gap must be an integer from -2"),
                        (lambda: WindowDataset(series, 3, targets=3), "targets must be features from 0 to 2"),
                        (lambda: WindowDataset(series[:, 0], 3, targets=0), "needs a series"),
                        (lambda: WindowDataset(series[None], 3), "must be .T,. or")):
        with pytest.raises(ValueError, match=match):
            make()
    with pytest.raises(TypeError, match="must hold numbers"):
        WindowDataset(["a", "b"], 1)
