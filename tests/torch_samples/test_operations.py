"""PyTorch's own samples of each operation: results and gradients agree, but for what is listed in the documentation."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from tests.torch_samples.operations import ROWS, is_listed, outcomes  # noqa: E402


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ROWS)
def test_samples(name, dtype):
    row = ROWS[name]
    torch.manual_seed(0)
    found = list(outcomes(row, getattr(torch, dtype)))
    wrong = [(wrong, str(sample)[:300]) for wrong, sample in found if wrong and not is_listed(row, wrong)]
    assert not wrong, f"{len(wrong)} of {len(found)} samples differ, as {wrong[0]}"
