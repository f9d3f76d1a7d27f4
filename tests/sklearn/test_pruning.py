"""Runs of a study that have no prospect end early."""

import sys
import types

import pytest

from autograd_nn import nn, optim
from autograd_nn.sklearn import OptunaPruning
from autograd_nn.training import fit
from tests.training.runs import regression


def test_a_trial_is_pruned():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lengths = []

    def objective(trial):
        model, _, loader = regression()
        optimizer = optim.SGD(model.parameters(), lr=trial.suggest_categorical("lr", [0.1, 1e-9]))
        callback = OptunaPruning(trial, "loss")
        try:
            history = fit(model, loader, optimizer, nn.MSELoss(), 6, callbacks=[callback])
        finally:
            lengths.append(len(trial.storage.get_trial(trial._trial_id).intermediate_values))
        return history["loss"][-1]

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2),
                                sampler=optuna.samplers.GridSampler({"lr": [0.1, 1e-9]}, seed=0))
    study.enqueue_trial({"lr": 0.1})
    study.enqueue_trial({"lr": 1e-9})
    study.optimize(objective, n_trials=2)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED"] and lengths[0] == 6 and 1 < lengths[1] < 6


def test_what_pruning_needs(monkeypatch):
    with monkeypatch.context() as there:
        there.setitem(sys.modules, "optuna", types.SimpleNamespace(TrialPruned=RuntimeError))
        with pytest.raises(TypeError, match=r"OptunaPruning\(\): trial must be an optuna.Trial, got NoneType"):
            OptunaPruning(None)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match="pip install optuna"):
        OptunaPruning(None)


def test_without_scikit_learn(monkeypatch):
    from autograd_nn.sklearn import NetClassifier, estimators

    monkeypatch.setattr(estimators, "validate_data", None)
    with pytest.raises(ImportError, match=r"NetClassifier\(\): .*pip install 'autograd_nn\[sklearn\]'"):
        NetClassifier()
