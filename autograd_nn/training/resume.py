"""A callback of `fit` that saves the run as it goes, and takes it up again after it was killed."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from .. import parallel
from ..ops.random import default_generator
from ..saving.checkpoints import load_checkpoint, save_checkpoint
from .callbacks import Callback, Run

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves everything that a run needs to continue, after each epoch and, if asked, in between.

    A run that is killed at any moment and started again with ``resume=True`` ends with the same weights, to the bit, as
    one that was never stopped. List it after the callbacks that change the run, such as `Schedule`; of callbacks with
    ``state_dict`` the state is saved too.

    Of several ranks the first one writes, and all read: the folder is to be one that all of them see. Any number of
    ranks continues what any other number saved, with the same number of shards and to the same bits.

    Parameters
    ----------
    path : path
    every : int, optional
        Save also after so many steps of an epoch.
    keep : int
        How many checkpoints to keep; the earlier ones are ``path.1``, ``path.2``, ...
    resume : bool
        Continue from `path` where there is such a file. `epochs` of `fit` then counts those that are done already.
    generator : Generator
        What dropout draws from.
    settings : object, optional
        Saved with the run under this name, for whoever resumes it.
    """

    def __init__(self, path: str | os.PathLike[str], every: int | None = None, keep: int = 1, resume: bool = False,
                 generator: Any = default_generator, settings: Any = None):
        if every is not None and every < 1:
            raise ValueError(f"Checkpoint(): every must be at least 1 (every={every})")
        self.path, self.every, self.keep, self.resume = pathlib.Path(path), every, keep, resume
        self.generator, self.settings = generator, settings

    def on_train_begin(self, run: Run) -> None:
        if not (self.resume and self.path.exists()):
            return
        extra = load_checkpoint(self.path, generator=self.generator, **self._parts(run))
        expected = {"history", "step", "sums", "stopping", "callbacks", "settings"}
        later = {"validations", "steps", "validation", "shards"}
        if set(extra) - later != expected or len(extra["callbacks"]) != len(_with_state(run)):
            raise ValueError(f"Checkpoint(): {self.path} was not saved by this callback in a run with "
                             f"{len(_with_state(run))} callbacks that have a state (found {', '.join(extra)})")
        if extra.get("shards") != run.shards:
            raise ValueError(f"Checkpoint(): the run of {self.path} divides batches into {extra.get('shards')} shards, "
                             f"not {run.shards}, and would go on with other bits; continue it with as many (shards=... "
                             "of fit or of parallel.init; None is without mpiexec), with any number of ranks")
        run.history.epochs[:], run.stopping = extra["history"], extra["stopping"]
        run.history.validations[:] = extra.get("validations", [])
        run.history.steps = extra.get("steps", 0)
        if extra.get("validation") is not None and hasattr(run.validation, "load_state_dict"):
            run.validation.load_state_dict(extra["validation"])
        run.step, run.sums = extra["step"], extra["sums"]
        for callback, state in zip(_with_state(run), extra["callbacks"]):
            callback.load_state_dict(state)

    def on_step_end(self, run: Run) -> None:
        if (self.every and run.step % self.every == 0) or run.interrupting:
            self._save(run, run.step)

    def on_epoch_end(self, run: Run) -> None:
        self._save(run, 0)

    def _parts(self, run: Run) -> dict[str, Any]:
        return {"model": run.model, "optimizer": run.optimizer,
                "loader": run.loader if hasattr(run.loader, "state_dict") else None}

    def _save(self, run: Run, step: int) -> None:
        """Save, on the first of several ranks; the others wait until that is done."""
        if parallel.rank() == 0:
            self._write(run, step)
        parallel.barrier()

    def _write(self, run: Run, step: int) -> None:
        save_checkpoint(self.path, keep=self.keep, generator=self.generator, history=run.history.epochs, step=step,
                        validations=run.history.validations, steps=run.history.steps,
                        validation=run.validation.state_dict() if hasattr(run.validation, "state_dict") else None,
                        sums=run.sums if step else {}, stopping=run.stopping, settings=self.settings, shards=run.shards,
                        callbacks=[callback.state_dict() for callback in _with_state(run)], **self._parts(run))


def _with_state(run: Run) -> list[Any]:
    return [callback for callback in run.callbacks
            if hasattr(callback, "state_dict") and getattr(callback, "has_state", True)]
