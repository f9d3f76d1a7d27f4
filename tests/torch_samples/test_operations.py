"""PyTorch's own samples of each operation: results and gradients agree, but for what is listed in the documentation."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from tests.torch_samples.differences import ABSENT  # noqa: E402
from tests.torch_samples.operations import ROWS, function_of, is_listed, name_of, op_db, outcomes  # noqa: E402


def test_what_is_absent_is_named_with_its_reason():
    absent = {name_of(row) for row in op_db
              if row.supports_autograd and not row.name.startswith("_") and function_of(row) is None}
    assert absent == set(ABSENT)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ROWS)
def test_samples(name, dtype):
    row = ROWS[name]
    torch.manual_seed(0)
    found = list(outcomes(row, getattr(torch, dtype)))
    wrong = [(wrong, str(sample)[:300]) for wrong, sample in found if wrong and not is_listed(row, wrong)]
    assert not wrong, f"{len(wrong)} of {len(found)} samples differ, as {wrong[0]}"
