"""L-BFGS: a quasi-Newton method for full batches, with a line search by the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..engine import enable_grad, no_grad
from ..ops.elementwise import zeros_like
from ..ops.index import copy_into
from ..ops.shape import cat
from ..typing import Tensor
from .arguments import number
from .optimizer import Optimizer

__all__ = ["LBFGS"]

_LEAST_CURVATURE = 1e-10  # pairs with less are not remembered: they would make the approximation indefinite
_DECREASE, _CURVATURE = 1e-4, 0.9  # c1 and c2 of the Wolfe conditions


class LBFGS(Optimizer):
    """Steps along ``-H g``, where `H` approximates the inverse Hessian by the last changes of parameters and gradient.

    One step runs up to `max_iter` iterations and needs a closure that computes the loss anew, with its gradients. All
    parameters are in one group.

    Parameters
    ----------
    params : iterable
        Parameters (see `Optimizer`).
    lr : float
        The length of a step, or the first that the line search tries.
    max_iter : int
        Iterations per step.
    max_eval : int, optional
        Evaluations of the closure per step (default: ``max_iter * 5 // 4``).
    tolerance_grad, tolerance_change : float
        A step ends early where the largest gradient, or the change of loss or of all parameters, is no larger.
    history_size : int
        How many changes are remembered.
    line_search_fn : {None, 'strong_wolfe'}
        Search along the direction for a point where the loss has fallen enough and the slope is small enough.

    References
    ----------
    J. Nocedal and S. Wright, "Numerical Optimization", 2nd ed., Springer 2006: algorithms 7.4 (the two loops), 3.5 and
    3.6 (the line search).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> w = ag.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = optim.LBFGS([w], lr=1.0, max_iter=10)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> first = optimizer.step(closure)
    >>> first.item(), w.abs().max().item() < 1e-3
    (13.0, True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        if not (line_search_fn is None or (isinstance(line_search_fn, str) and line_search_fn == "strong_wolfe")):
            raise (ValueError if isinstance(line_search_fn, str) else TypeError)(
                f"LBFGS(): line_search_fn must be None or 'strong_wolfe' (line_search_fn={line_search_fn!r})")
        max_iter = number("LBFGS()", "max_iter", max_iter, low=1, whole=True)
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS(): all parameters must be in one group")
        super().add_param_group(param_group)

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run up to `max_iter` iterations.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss and its gradients, and returns the loss.

        Returns
        -------
        object
            What the closure returned first.
        """
        if closure is None:
            raise TypeError("LBFGS.step(): needs a closure that computes the loss anew, with its gradients")
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        closure = self._run_pre_hooks(closure)
        first = self._loss_of(closure)
        self._begin_step()
        loss, gradient = float(first), self._gradient()
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            if float(gradient.abs().max()) <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            direction = self._direction(state, gradient, group["history_size"])
            before = loss
            state.update(d=direction, prev_flat_grad=gradient, prev_loss=loss)
            t = group["lr"] * (min(1.0, 1 / float(gradient.abs().sum())) if state["n_iter"] == 1 else 1.0)
            state["t"] = t
            slope = float(gradient @ direction)
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"]:
                search = LineSearch(self, closure, direction, group["max_eval"] - evaluations,
                                    group["tolerance_change"])
                found = search.run(Point(0.0, loss, gradient, slope), t)
                loss, gradient, state["t"] = found.loss, found.gradient, found.t
                self._move(found.t, direction)
                evaluations += search.evaluations
            else:
                self._move(t, direction)
                if iteration < group["max_iter"]:
                    with enable_grad():
                        loss = float(closure())
                    gradient = self._gradient()
                    evaluations += 1
            moved = float(direction.abs().max()) * abs(state["t"])
            change = abs(loss - before)
            if evaluations >= group["max_eval"] or min(moved, change) < group["tolerance_change"]:
                break
        state["func_evals"] += evaluations
        for hook in [*self._post_hooks.values()]:
            hook(self, (self, closure), {})
        return first

    def _direction(self, state: dict[str, Any], gradient: Tensor, history_size: int) -> Tensor:
        """Remember the last change and return ``-H @ gradient`` by the two-loop recursion."""
        if "d" not in state:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -gradient
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        curvature = float(y @ s)
        if curvature > _LEAST_CURVATURE:
            changes.append(y)
            steps.append(s)
            inverses.append(1 / curvature)
            for remembered in (changes, steps, inverses):
                del remembered[:-history_size]
            state["H_diag"] = curvature / float(y @ y)
        q = -gradient
        weights = []
        for y, s, inverse in reversed(list(zip(changes, steps, inverses))):
            weights.append(float(s @ q) * inverse)
            q -= weights[-1] * y
        q *= state["H_diag"]
        for y, s, inverse in zip(changes, steps, inverses):
            q += (weights.pop() - float(y @ q) * inverse) * s
        return q

    def _gradient(self) -> Tensor:
        """Return the gradients of all parameters as one vector, 0 where there is none."""
        return cat([(zeros_like(p) if p.node is None or p.node.grad is None else p.node.grad).reshape(-1)
                    for p in self._parameters()])

    def _move(self, t: float, direction: Tensor) -> None:
        """Add ``t * direction`` to the parameters."""
        start = 0
        for p in self._parameters():
            end = start + p.numel()
            p += t * direction[start:end].reshape(p.shape)
            start = end


class Point(NamedTuple):
    """A point on the line: how far along, the loss, its gradient and its slope."""

    t: float
    loss: float
    gradient: Tensor
    slope: float


class LineSearch:
    """Looks along a direction for a point that meets the strong Wolfe conditions; leaves the parameters as they are."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any], direction: Tensor, limit: int, tolerance: float):
        self.optimizer, self.closure, self.direction = optimizer, closure, direction
        self.limit = limit
        self.shortest = tolerance / float(direction.abs().max())
        self.evaluations = 0

    def at(self, t: float) -> Point:
        """Evaluate the closure `t` along the direction."""
        params = self.optimizer._parameters()
        saved = [p.detach().clone() for p in params]
        self.optimizer._move(t, self.direction)
        with enable_grad():
            loss = float(self.closure())
        gradient = self.optimizer._gradient()
        for p, before in zip(params, saved):
            copy_into(p, before)
        self.evaluations += 1
        return Point(t, loss, gradient, float(gradient @ self.direction))

    def run(self, start: Point, t: float) -> Point:
        """Return the point found, or the best one when the evaluations are used up."""
        previous, new = start, self.at(t)
        while self.evaluations <= self.limit:
            if self._too_high(new, start) or (self.evaluations > 2 and new.loss >= previous.loss):
                return self._zoom(start, previous, new)
            if abs(new.slope) <= -_CURVATURE * start.slope:
                return new
            if new.slope >= 0:
                return self._zoom(start, previous, new)
            bounds = new.t + 0.01 * (new.t - previous.t), new.t * 10
            previous, new = new, self.at(_minimum(previous, new, bounds))
        return min(start, new, key=lambda point: point.loss)

    def _zoom(self, start: Point, low: Point, high: Point) -> Point:
        """Narrow an interval that holds such a point; `low` is the end with the smaller loss."""
        stuck = False
        if high.loss < low.loss:
            low, high = high, low
        while self.evaluations <= self.limit and abs(high.t - low.t) >= self.shortest:
            left, right = sorted((low.t, high.t))
            t = _minimum(low, high, (left, right))
            margin = 0.1 * (right - left)
            near = min(right - t, t - left) < margin
            if near and (stuck or t >= right or t <= left):
                t = right - margin if right - t < t - left else left + margin
                near = False
            stuck = near
            new = self.at(t)
            if self._too_high(new, start) or new.loss >= low.loss:
                high = new
                if high.loss < low.loss:
                    low, high = high, low
            else:
                if abs(new.slope) <= -_CURVATURE * start.slope:
                    return new
                if new.slope * (high.t - low.t) >= 0:
                    high = low
                low = new
        return low

    def _too_high(self, point: Point, start: Point) -> bool:
        return point.loss > start.loss + _DECREASE * point.t * start.slope


def _minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Return where the cubic through two points with their slopes has its minimum, within bounds."""
    if a.t == b.t:
        return sum(bounds) / 2
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return sum(bounds) / 2
    d2 = math.sqrt(square)
    t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    return min(max(t, bounds[0]), bounds[1])
