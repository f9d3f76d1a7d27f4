"""PyTorch's own samples of each layer and loss: results and gradients agree, but for what is listed."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from tests.torch_samples.modules import ROWS, is_listed, outcomes  # noqa: E402


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ROWS)
def test_samples(name, dtype, training):
    torch.manual_seed(0)
    found = list(outcomes(ROWS[name], getattr(torch, dtype), training))
    wrong = [(wrong, str(sample)[:300]) for wrong, sample in found if wrong and not is_listed(name, wrong)]
    assert not wrong, f"{len(wrong)} of {len(found)} samples differ, as {wrong[0]}"
