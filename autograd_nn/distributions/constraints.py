"""Constraints: where the values and the parameters of a distribution lie, as checks that return booleans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ops.decompositions import eigvalsh
from ..ops.reduce import all as all_
from ..tensor import Tensor

__all__ = [
    "Constraint", "boolean", "cat", "dependent", "dependent_property", "greater_than", "greater_than_eq",
    "half_open_interval", "independent", "integer_interval", "interval", "is_dependent", "less_than", "lower_cholesky",
    "nonnegative", "nonnegative_integer", "one_hot", "positive", "positive_definite", "positive_integer", "real",
    "real_vector", "simplex", "stack", "unit_interval",
]  # fmt: skip


class Constraint:
    """A set of values; ``check(value)`` says of each whether it is in it.

    Attributes
    ----------
    is_discrete : bool
    event_dim : int
        How many of the last dims make up one value.
    """

    is_discrete = False
    event_dim = 0

    def __init__(self, name: str = "", test: Callable[[Tensor], Tensor] | None = None, event_dim: int = 0,
                 is_discrete: bool = False):
        self._name, self._test = name or type(self).__name__, test
        self.event_dim, self.is_discrete = event_dim, is_discrete

    def check(self, value: Tensor) -> Tensor:
        """Return which values are in the set."""
        if self._test is None:
            raise NotImplementedError(f"{self._name}: cannot be checked")
        return self._test(value)

    def __repr__(self) -> str:
        return self._name


class _Dependent(Constraint):
    """A set that depends on the parameters of the distribution."""


class dependent_property(property, _Dependent):
    """A property of a distribution that returns a constraint which depends on its parameters."""

    def __init__(self, function: Any = None, *, is_discrete: bool = False, event_dim: int = 0):
        super().__init__(function)
        self._name, self._test = "dependent_property", None
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, function: Any) -> Any:
        return dependent_property(function, is_discrete=self.is_discrete, event_dim=self.event_dim)


def is_dependent(constraint: object) -> bool:
    """Return whether a constraint depends on the parameters of a distribution."""
    return isinstance(constraint, _Dependent)


def _lower(m: Tensor) -> Tensor:
    return all_((m.tril() == m).flatten(-2), -1) & all_(m.diagonal(dim1=-2, dim2=-1) > 0, -1)


def greater_than(lower_bound: Any) -> Constraint:
    """Return the values above a bound."""
    return Constraint(f"GreaterThan(lower_bound={lower_bound})", lambda x: x > lower_bound)


def greater_than_eq(lower_bound: Any) -> Constraint:
    """Return the values from a bound on."""
    return Constraint(f"GreaterThanEq(lower_bound={lower_bound})", lambda x: x >= lower_bound)


def less_than(upper_bound: Any) -> Constraint:
    """Return the values below a bound."""
    return Constraint(f"LessThan(upper_bound={upper_bound})", lambda x: x < upper_bound)


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Return the values between two bounds, with them."""
    return Constraint(f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})",
                      lambda x: (x >= lower_bound) & (x <= upper_bound))


def half_open_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Return the values from one bound to below another."""
    return Constraint(f"HalfOpenInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
                      lambda x: (x >= lower_bound) & (x < upper_bound))


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Return the integers between two bounds, with them."""
    return Constraint(f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
                      lambda x: (x % 1 == 0) & (x >= lower_bound) & (x <= upper_bound), is_discrete=True)


def independent(base_constraint: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """Return vectors, or arrays of more dims, all of whose elements are in a set."""
    n = reinterpreted_batch_ndims
    return Constraint(f"IndependentConstraint({base_constraint!r}, {n})",
                      lambda x: all_(base_constraint.check(x).flatten(-n), -1) if n else base_constraint.check(x),
                      base_constraint.event_dim + n, base_constraint.is_discrete)


def cat(cseq: Any, dim: int = 0, lengths: Any = None) -> Constraint:
    """Raise: constraints are not joined."""
    raise NotImplementedError("constraints.cat(): is not there; check the parts one by one")


def stack(cseq: Any, dim: int = 0) -> Constraint:
    """Raise: constraints are not joined."""
    raise NotImplementedError("constraints.stack(): is not there; check the parts one by one")


def _integral(x: Tensor) -> Tensor:
    return x % 1 == 0  # type: ignore[no-any-return]


dependent: Constraint = _Dependent("Dependent")
boolean = Constraint("Boolean", lambda x: (x == 0) | (x == 1), is_discrete=True)
one_hot = Constraint("OneHot", lambda x: all_((x == 0) | (x == 1), -1) & (x.sum(-1) == 1), 1, True)
real = Constraint("Real", lambda x: x == x)
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer = Constraint("NonnegativeInteger", lambda x: _integral(x) & (x >= 0), is_discrete=True)
positive_integer = Constraint("PositiveInteger", lambda x: _integral(x) & (x >= 1), is_discrete=True)
simplex = Constraint("Simplex", lambda x: all_(x >= 0, -1) & ((x.sum(-1) - 1).abs() < 1e-6), 1)
lower_cholesky = Constraint("LowerCholesky", _lower, 2)
positive_definite = Constraint("PositiveDefinite", lambda m: all_(((m - m.mT).abs() <= 1e-6).flatten(-2), -1) & (
    _definite(m)), 2)


def _definite(m: Tensor) -> Tensor:
    return all_(eigvalsh(m) > 0, -1)


