"""Connectionist temporal classification: minus the log-probability of a sequence of labels, over all alignments.

Alignments are paths through the labels with blanks put around each. The forward and backward recursions run in the log
domain, in double precision, one sequence per chunk. Source: A. Graves et al., "Connectionist temporal classification",
ICML 2006.
"""

from __future__ import annotations

import math

import numpy as np

from autograd_nn.kernels.annotations import Array
from autograd_nn.kernels.compile import chunked, jit, threads_for
from autograd_nn.kernels.memory import contiguous

__all__ = ["ctc", "ctc_input"]


def ctc(log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, blank: int) -> Array:
    """Return the loss of each sequence; inf if no alignment is long enough.

    Parameters
    ----------
    log_probs : ndarray (T, N, C)
    targets : ndarray (N, S), int64
        Labels from 0 to C - 1, not checked.
    input_lengths, target_lengths : ndarray (N,), int64
        At most T and S, not checked.
    blank : int

    Returns
    -------
    ndarray (N,)
    """
    T, N, _ = log_probs.shape
    states = 2 * targets.shape[1] + 1
    out = np.empty(N, log_probs.dtype)
    threads = min(threads_for(40 * T * N * states), max(1, N))
    scratch = np.empty((N, 2, states))
    lengths = contiguous(input_lengths), contiguous(target_lengths)
    _losses(threads, out, contiguous(log_probs), contiguous(targets), *lengths, blank, scratch)
    return out


def ctc_input(
    g: Array, log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, blank: int
) -> Array:
    """Return the gradient of `ctc`: minus the probability that an alignment has label c at time t, times g.

    Parameters
    ----------
    g : ndarray (N,)
    log_probs, targets, input_lengths, target_lengths, blank
        As for `ctc`.

    Returns
    -------
    ndarray (T, N, C)
        0 beyond the length of an input, and for a sequence whose loss is inf.
    """
    T, N, _ = log_probs.shape
    states = 2 * targets.shape[1] + 1
    out = np.zeros(log_probs.shape, log_probs.dtype)
    threads = min(threads_for(80 * T * N * states), max(1, N))
    scratch, ahead = np.empty((N, T, states)), np.empty((N, 2, states))
    lengths = contiguous(input_lengths), contiguous(target_lengths)
    _gradients(threads, out, contiguous(g), contiguous(log_probs), contiguous(targets), *lengths, blank, scratch, ahead)
    return out


@jit
def _sum_of_two(x: float, y: float) -> float:
    """Return ``log(exp(x) + exp(y))``."""
    most = max(x, y)
    if most == -math.inf:
        return most
    return most + math.log1p(math.exp(min(x, y) - most))


@jit
def _label(targets: Array, n: int, s: int, blank: int) -> int:
    """Return the label of state s: blanks stand at even places."""
    return targets[n, s // 2] if s % 2 else blank


@jit
def _skips(targets: Array, n: int, s: int) -> bool:
    """Return whether a path may come to state s from the label before, without a blank between."""
    return s % 2 == 1 and s > 1 and targets[n, s // 2] != targets[n, s // 2 - 1]


@jit
def _advance(now: Array, before: Array, log_probs: Array, t: int, targets: Array, n: int, states: int, blank: int
             ) -> None:
    """Compute the log-probabilities of all ways that lead to each state at time t."""
    for s in range(states):
        if t == 0:
            total = 0.0 if s < 2 else -math.inf
        else:
            total = before[s]
            if s > 0:
                total = _sum_of_two(total, before[s - 1])
            if _skips(targets, n, s):
                total = _sum_of_two(total, before[s - 2])
        now[s] = total + log_probs[t, n, _label(targets, n, s, blank)]


@jit
def _end(last: Array, states: int) -> float:
    """Return the log-probability of the paths that end in one of the last two states."""
    return last[0] if states == 1 else _sum_of_two(last[states - 1], last[states - 2])


@chunked
def _losses(t: int, threads: int, out: Array, log_probs: Array, targets: Array, input_lengths: Array,
            target_lengths: Array, blank: int, scratch: Array) -> None:
    count = out.size
    for n in range(t * count // threads, (t + 1) * count // threads):
        states, length = 2 * target_lengths[n] + 1, input_lengths[n]
        for time in range(length):
            _advance(scratch[n, time % 2], scratch[n, (time + 1) % 2], log_probs, time, targets, n, states, blank)
        if length == 0:
            out[n] = 0.0 if states == 1 else math.inf
        else:
            out[n] = -_end(scratch[n, (length - 1) % 2], states)


@chunked
def _gradients(t: int, threads: int, out: Array, g: Array, log_probs: Array, targets: Array, input_lengths: Array,
               target_lengths: Array, blank: int, alpha: Array, ahead: Array) -> None:
    count = g.size
    for n in range(t * count // threads, (t + 1) * count // threads):
        states, length = 2 * target_lengths[n] + 1, input_lengths[n]
        for time in range(length):
            _advance(alpha[n, time], alpha[n, max(time - 1, 0)], log_probs, time, targets, n, states, blank)
        if length == 0:
            continue
        whole = _end(alpha[n, length - 1], states)
        if whole == -math.inf:
            continue
        for time in range(length - 1, -1, -1):  # beta: of all ways from a state at this time to the end
            now, later = ahead[n, time % 2], ahead[n, (time + 1) % 2]
            for s in range(states):
                if time == length - 1:
                    total = 0.0 if s >= states - 2 else -math.inf
                else:
                    total = later[s] + log_probs[time + 1, n, _label(targets, n, s, blank)]
                    if s + 1 < states:
                        step = later[s + 1] + log_probs[time + 1, n, _label(targets, n, s + 1, blank)]
                        total = _sum_of_two(total, step)
                    if s + 2 < states and _skips(targets, n, s + 2):
                        step = later[s + 2] + log_probs[time + 1, n, _label(targets, n, s + 2, blank)]
                        total = _sum_of_two(total, step)
                now[s] = total
                label = _label(targets, n, s, blank)
                out[time, n, label] -= g[n] * math.exp(alpha[n, time, s] + total - whole)
