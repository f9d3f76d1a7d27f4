"""Special functions beside values of 30 digits, computed by mpmath, and identities."""

import math

import numpy as np
import pytest

from autograd_nn.kernels import special

KNOWN = {
    "lgamma": {0.5: 0.57236494292470008707, 10.0: 12.801827480081469611, -1.5: 0.86004701537648101451,
               10000000000.0: 220258509288.81058147, 0.0: math.inf, -2.0: math.inf, math.inf: math.inf,
               -math.inf: math.inf},
    "digamma": {1.0: -0.57721566490153286061, 0.1: -10.423754940411076232, -0.5: 0.036489973978576520559,
                20.0: 2.9705239922421490509, 0.0: -math.inf, -1.0: math.nan, math.inf: math.inf},
    "erfc": {0.0: 1.0, 1.0: 0.15729920705028513066, 5.0: 1.5374597944280348502e-12, 20.0: 5.3958656116079009289e-176,
             -3.0: 1.9999779095030014146},
    "erfcx": {0.0: 1.0, 1.0: 0.42758357615580700441, 20.0: 0.028174348741051319319, -5.0: 144009798674.66104041,
              1e+30: 5.6418958354775627573e-31, -30.0: math.inf},
    "erfinv": {0.5: 0.47693627620446987338, -0.9999: -2.7510639057120796917, 1e-10: 8.8622692545275804594e-11,
               0.0: 0.0, 1.0: math.inf, -1.0: -math.inf, 1.5: math.nan},
    "ndtr": {0.0: 0.5, 1.0: 0.84134474606854294859, -10.0: 7.619853024160526066e-24},
    "ndtri": {0.5: 0.0, 0.975: 1.9599639845400538556, 1e-100: -21.273453560965324294,
              0.0: -math.inf, 1.0: math.inf, -0.1: math.nan},
    "log_ndtr": {0.0: -0.69314718055994530942, -50.0: -1254.8313611394199013, 3.0: -0.0013508099647481937988},
    "i0": {0.0: 1.0, 1.0: 1.2660658777520083356, -30.0: 781672297823.97748972},
    "i0e": {0.0: 1.0, 1.0: 0.4657596075936404365, 100.0: 0.039944379299096682648},
    "i1": {0.0: 0.0, 1.0: 0.56515910399248502721, -2.0: -1.5906368546373290634},
    "i1e": {0.0: 0.0, -1.0: -0.20791041534970844887, 100.0: 0.039744153025130252674},
}


@pytest.mark.parametrize("name", special.UNARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_values(name, dtype):
    x = np.array([*KNOWN[name], math.nan])
    with np.errstate(over="ignore"):
        x32 = x.astype(dtype)
    exact = x32 == x
    exact[-1] = True
    with np.errstate(over="ignore"):
        expected = np.array([*KNOWN[name].values(), math.nan]).astype(dtype)
    out = special.unary(name, x32)
    assert out.dtype == dtype
    np.testing.assert_allclose(out[exact], expected[exact], 3e-14 if dtype == np.float64 else 2e-7, 1e-300)


def test_inverses_are_inverses():
    x = np.concatenate([np.linspace(-0.999, 0.999, 333), 1 - 10.0 ** -np.arange(1, 15)])
    np.testing.assert_allclose(np.vectorize(math.erf)(special.unary("erfinv", x)), x, 1e-15)
    p = 10.0 ** -np.arange(0.1, 300, 0.7)
    np.testing.assert_allclose(special.unary("ndtr", special.unary("ndtri", p)), p, 1e-12)


def test_zeta():
    s = np.array([2.0, 4.0, 3.0, 1.0, 0.5, 2.0, 2.0, 1.5, 30.0, 1.0 + 1e-6])
    q = np.array([1.0, 1.0, 0.5, 1.0, 1.0, -1.0, -0.5, -0.5, 12.0, 1.0])
    expected = [math.pi**2 / 6, math.pi**4 / 90, 8.4143983221171599978, math.inf, math.nan, math.inf,
                math.pi**2 / 2 + 4, math.nan, 4.641837113954726619e-33, 1000000.5772980043553]
    np.testing.assert_allclose(special.binary("zeta", s, q), expected, 1e-13)


@pytest.mark.parametrize("a", [0.2, 1.0, 3.5, 40.0])
def test_incomplete_gamma_functions_add_up_and_are_known_for_whole_numbers(a):
    x = np.linspace(0.01, 90, 100)
    lower, upper = (special.binary(name, np.full(100, a), x) for name in ("gammainc", "gammaincc"))
    np.testing.assert_allclose(lower + upper, 1, 1e-13)
    if a == int(a):
        poisson = [math.fsum(math.exp(-y + k * math.log(y) - math.lgamma(k + 1)) for k in range(int(a))) for y in x]
        np.testing.assert_allclose(upper, poisson, 1e-11)
    edge = np.array([0.0, math.inf, -1.0])
    np.testing.assert_array_equal(special.binary("gammainc", np.full(3, a), edge), [0, 1, math.nan])


def test_threads_views_and_no_elements(threads):
    x = np.linspace(0.1, 9, 60).reshape(6, 10)
    found = []
    for count in (1, 2, 5):
        threads(count)
        found.append(special.unary("lgamma", x).tobytes())
    assert len(set(found)) == 1
    x.flags.writeable = False
    assert np.array_equal(special.unary("lgamma", x.T), special.unary("lgamma", x).T)
    assert np.array_equal(special.binary("zeta", x.T + 1, x.T), special.binary("zeta", x + 1, x).T)
    assert special.unary("erfc", np.ones((0, 3))).shape == (0, 3)
