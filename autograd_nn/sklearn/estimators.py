"""Networks with scikit-learn's interface: a classifier and a regressor."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from .. import nn, optim
from ..data import DataLoader
from ..data.collate import map_nested
from ..ops.random import default_generator
from ..ops.terms import note_terms
from ..tensor import Tensor
from ..training import Callback, EarlyStopping, History, ProgressBar, Run, TerminateOnNaN, fit, predict
from ..training.batches import ArraySet

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data
except ImportError:
    validate_data = None

    class BaseEstimator:  # type: ignore[no-redef]
        """Stands in for scikit-learn's class."""

    class ClassifierMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's class."""

    class RegressorMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's class."""


__all__ = ["NetClassifier", "NetRegressor"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid, "identity": nn.Identity, "gelu": nn.GELU, "silu": nn.SiLU,
    "elu": nn.ELU, "leaky_relu": nn.LeakyReLU,
}  # fmt: skip
_OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adam": optim.Adam, "adamw": optim.AdamW, "nadam": optim.NAdam, "radam": optim.RAdam, "rmsprop": optim.RMSprop,
    "adagrad": optim.Adagrad, "lion": optim.Lion,
    "lbfgs": lambda p, lr: optim.LBFGS(p, lr=lr, line_search_fn="strong_wolfe"),
    "sgd": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
}  # fmt: skip


class _Quiet(TerminateOnNaN):
    """Keeps a run from printing, and raises where the loss is NaN or infinite."""

    def __init__(self, estimator: str, quiet: bool):
        self.estimator, self.quiet = estimator, quiet

    def on_train_begin(self, run: Run) -> None:
        run.quiet = self.quiet

    def on_gradients(self, run: Run) -> None:
        super().on_gradients(run)
        if run.stopping:
            raise ValueError(f"{self.estimator}.fit(): {run.stopping}")


class _HeldOut(Callback):
    """Writes the score of the held-out samples into the history."""

    writes = ("validation_score",)

    def __init__(self, score: Callable[[nn.Module], float]):
        self.score = score

    def on_epoch_end(self, run: Run) -> None:
        run.history.epochs[-1]["validation_score"] = self.score(run.model)


_ROWS = 1024  # of sparse data that are made dense at a time


class _SparseSet(ArraySet):
    """A dataset whose inputs are the rows of a sparse matrix; a batch of them is made dense when it is asked for."""

    def __init__(self, rows: Any, targets: Any):
        super().__init__(targets)
        self.rows = rows

    def __getitem__(self, index: int) -> Any:
        return self.rows[[index]].toarray()[0], super().__getitem__(index)

    def batch(self, indices: np.ndarray) -> Any:
        """Return the samples at `indices`."""
        return map_nested(np.asarray, (self.rows[indices].toarray(), super().batch(indices)))


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "toarray")


class _Net(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share."""

    module_: nn.Module
    optimizer_: Any
    history_: History
    _drawn: Any
    _order: tuple[int | None, int]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if validate_data is None:
            raise ImportError(f"{cls.__name__}(): scikit-learn is not installed (pip install 'autograd_nn[sklearn]')")
        made: Self = super().__new__(cls)
        return made

    # -------------------------------------------------------------------------------- what is given

    def _check_settings(self) -> None:
        """Raise for settings that make no sense."""
        name = type(self).__name__
        for setting, least in (("max_iter", 1), ("n_iter_no_change", 1)):
            value = getattr(self, setting)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name}(): {setting} must be a whole number of at least {least} "
                                 f"({setting}={value!r})")
        for setting, low in (("alpha", 0), ("tol", -math.inf), ("dropout", 0)):
            value = getattr(self, setting)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not value >= low:
                raise ValueError(f"{name}(): {setting} must be a number of at least {low} ({setting}={value!r})")
        if not isinstance(self.lr, int | float | np.number) or not self.lr > 0:
            raise ValueError(f"{name}(): lr must be a positive number (lr={self.lr!r})")
        if self.batch_size != "auto" and (isinstance(self.batch_size, bool) or not isinstance(
                self.batch_size, numbers.Integral) or self.batch_size < 1):
            raise ValueError(f"{name}(): batch_size must be 'auto' or a positive whole number "
                             f"(batch_size={self.batch_size!r})")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"{name}(): validation_fraction must be between 0 and 1 "
                             f"(validation_fraction={self.validation_fraction!r})")
        if np.dtype(self.dtype) not in (np.float32, np.float64):
            raise ValueError(f"{name}(): dtype must be float32 or float64 (dtype={self.dtype!r})")

    def _made(self, features: int, outputs: int) -> nn.Module:
        """Return the network to train: of layer sizes, a copy of a Module, or what a function makes."""
        name, module = type(self).__name__, self.module
        if isinstance(module, nn.Module):
            made = copy.deepcopy(module)
        elif callable(module):
            made = module(features, outputs)
            if not isinstance(made, nn.Module):
                raise TypeError(f"{name}(): the function module(n_features, n_outputs) must return a Module, got "
                                f"{type(made).__name__}")
        else:
            sizes: Any = [module] if isinstance(module, numbers.Integral) else module
            if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray) or not all(
                    isinstance(size, int | np.integer) and not isinstance(size, bool) and size > 0 for size in sizes):
                raise ValueError(f"{name}(): module must be a Module, a function module(n_features, n_outputs) that "
                                 f"makes one, or the sizes of hidden layers, such as (100, 50) (module={module!r})")
            if self.activation not in _ACTIVATIONS:
                raise ValueError(f"{name}(): activation must be one of {', '.join(_ACTIVATIONS)} "
                                 f"(activation={self.activation!r})")
            layers: list[nn.Module] = []
            for size in map(int, sizes):
                layers += [nn.Linear(features, size), _ACTIVATIONS[self.activation]()]
                layers += [nn.Dropout(self.dropout)] if self.dropout else []
                features = size
            made = nn.Sequential(*layers, nn.Linear(features, outputs))
        return made.double() if np.dtype(self.dtype) == np.float64 else made.float()

    def _make_optimizer(self, model: nn.Module, batch_size: int) -> Any:
        name = type(self).__name__
        parameters = [p for p in model.parameters() if p.requires_grad]
        decay = self.alpha / batch_size  # as MLPClassifier: alpha / 2 * |w|**2 is added to the sum of a batch's losses
        groups = [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
                  {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}]
        groups = [group for group in groups if group["params"]]
        if not groups:
            raise ValueError(f"{name}(): the module has no parameters to train")
        if callable(self.optimizer):
            return self.optimizer(parameters, lr=float(self.lr))
        if self.optimizer not in _OPTIMIZERS:
            raise ValueError(f"{name}(): optimizer must be one of {', '.join(_OPTIMIZERS)}, or a function of "
                             f"(parameters, lr=...) (optimizer={self.optimizer!r})")
        made = _OPTIMIZERS[self.optimizer]
        return made(parameters if self.optimizer == "lbfgs" else groups, lr=float(self.lr))

    def _checked_input(self, X: Any, *, reset: bool) -> np.ndarray:
        array: np.ndarray = validate_data(self, X, reset=reset, dtype=np.dtype(self.dtype), order="C",
                                          accept_sparse="csr", allow_nd=not self._takes_tables)
        return array

    @property
    def _takes_tables(self) -> bool:
        """Whether inputs are rows of features, as for layer sizes; modules may take inputs of any shape."""
        return not isinstance(self.module, nn.Module) and not callable(self.module)

    # -------------------------------------------------------------------------------- training

    def _train(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, outputs: int, *, go_on: bool,
               epochs: int | None = None) -> Self:
        """Train on checked data, from the start or from where training stands; for so many epochs, or by the settings.
        """
        name = type(self).__name__
        self._check_settings()
        if weights is not None:
            if (weights == 1).all():
                weights = None
            elif callable(self.loss):
                raise ValueError(f"{name}.fit(): sample_weight and class_weight need one of the losses that have a "
                                 "name; weigh inside your own")
        go_on = go_on and hasattr(self, "module_")
        random = check_random_state(self.random_state)
        training, held_out = (X, y, weights), None
        if epochs is None and self.early_stopping:
            training, held_out = self._split(X, y, weights, random)
        count = training[0].shape[0]
        with _draws(self._drawn if go_on else int(random.randint(np.iinfo(np.int32).max))):
            if not go_on:
                self.module_ = self._made(X.shape[1] if X.ndim > 1 else 1, outputs)
                self.optimizer_ = self._make_optimizer(self.module_, self._batches_of(count))
                self.history_ = History()
            self.module_.train()
            callbacks: list[Any] = [_Quiet(name, not self.verbose), *(self.callbacks or [])]
            if held_out is not None:
                score = functools.partial(self._held_out_score, *held_out)
                callbacks += [_HeldOut(score), EarlyStopping("validation_score", int(self.n_iter_no_change), True,
                                                             max(0.0, self.tol), restore_best=True)]
            elif epochs is None and self.tol > -math.inf:
                callbacks.append(EarlyStopping("loss", int(self.n_iter_no_change), min_delta=max(0.0, self.tol)))
            if self.verbose:
                callbacks.append(ProgressBar())
            targets = training[1] if training[2] is None else (training[1], training[2])
            samples = _SparseSet(training[0], targets) if _is_sparse(X) else ArraySet((training[0], targets))
            loader = DataLoader(samples, batch_size=self._batches_of(count),
                                shuffle=bool(self.shuffle))
            if go_on:
                loader.seed, loader.epoch = self._order
            history = fit(self.module_, loader, self.optimizer_, self._loss_function(), epochs or int(self.max_iter),
                          callbacks=callbacks, history=copy.copy(self.history_) if go_on else None, clip=self.clip)
            self._drawn, self._order = default_generator.get_state(), (loader.seed, loader.epoch)
        self.module_.eval()
        self.optimizer_.zero_grad()
        self.history_, self.n_iter_ = history, len(history)
        self.loss_ = history["loss"][-1] if len(history) else math.nan
        if history.interrupted:
            raise KeyboardInterrupt
        return self

    def _batches_of(self, count: int) -> int:
        """Return the batch size for so many samples; none leaves a single sample to a layer of batch normalisation."""
        if self.batch_size == "auto":
            size = count if self.optimizer == "lbfgs" else min(200, count)
        else:
            size = min(int(self.batch_size), count)
        if any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in self.module_.modules()):
            while size > 2 and count % size == 1:
                size -= 1
        return size

    def _split(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, random: Any) -> tuple[Any, Any]:
        """Return the samples to train on and those that are held out, both as (X, y, weights)."""
        indices = np.arange(X.shape[0])
        try:
            train, rest = train_test_split(indices, test_size=self.validation_fraction, random_state=random,
                                           stratify=self._strata(y))
        except ValueError as error:
            raise ValueError(f"{type(self).__name__}.fit(): early_stopping=True cannot hold out "
                             f"{self.validation_fraction:.3g} of {X.shape[0]} samples: {error}") from None
        train.sort()
        first, second = ((X[part], y[part], None if weights is None else weights[part]) for part in (train, rest))
        return first, second

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None

    def _held_out_score(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, model: nn.Module) -> float:
        """Return the score that early stopping goes by."""
        raise NotImplementedError

    def _loss_function(self) -> Callable[[Tensor, Any], Tensor]:
        """Return the loss of a batch whose target is a tensor, or a tensor and the weights of its samples.

        It knows nothing of the estimator, whose attributes change: a compiled step compares all that its loss reaches.
        """
        raise NotImplementedError

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the network's outputs for the data of a user."""
        check_is_fitted(self, "module_")
        checked = self._checked_input(X, reset=False)
        return self._predicted(self.module_, checked)

    def _predicted(self, model: nn.Module, X: Any) -> np.ndarray:
        """Return the outputs of a network for checked data, sparse ones too."""
        if _is_sparse(X):
            parts = [self._predicted(model, X[i : i + _ROWS].toarray()) for i in range(0, X.shape[0], _ROWS)]
            return np.concatenate(parts)
        out = predict(model, X, batch_size=_ROWS)
        if not isinstance(out, Tensor):
            raise TypeError(f"{type(self).__name__}: the module must return one tensor, got {type(out).__name__}")
        return out.array

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _weights(self, X: np.ndarray, sample_weight: Any) -> np.ndarray | None:
        """Return the weights of samples, checked."""
        if sample_weight is None:
            return None
        weights = np.asarray(_check_sample_weight(sample_weight, X, dtype=X.dtype))
        if (weights < 0).any() or not weights.any():
            raise ValueError(f"{type(self).__name__}.fit(): sample_weight must not be negative, nor 0 for each sample "
                             "of every class")
        return weights


def _weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of the losses of samples, weighted."""
    total = weights.sum(dtype=np.float64)
    note_terms("mean", total)
    return (losses * weights).sum() / total.clamp(min=np.finfo(np.float64).tiny).to(losses.dtype)


@contextlib.contextmanager
def _draws(start: Any) -> Iterator[None]:
    """Let a block draw from a seed, or from where an earlier block stood; the default generator is as before after."""
    before = default_generator.get_state()
    try:
        if isinstance(start, int):
            default_generator.manual_seed(start)
        else:
            default_generator.set_state(start)
        yield
    finally:
        default_generator.set_state(before)


_SETTINGS = """module : tuple of int, Module, or callable
        The sizes of hidden layers; a network, which is copied at each `fit`; or a function
        ``module(n_features, n_outputs)`` that makes one.
    activation : str
        Of the hidden layers: 'relu', 'tanh', 'logistic', 'identity', 'gelu', 'silu', 'elu', 'leaky_relu'.
    dropout : float
        After each hidden layer.
    loss : str or callable
        LOSSES
    optimizer : str or callable
        'adam', 'adamw', 'sgd' (with Nesterov's momentum 0.9), 'nadam', 'radam', 'rmsprop', 'adagrad', 'lion', 'lbfgs';
        or a function of ``(parameters, lr=...)``.
    lr : float
    alpha : float
        Of the penalty ``alpha / 2 * |w|**2`` on weights, which is added to the sum of a batch's losses, as in
        scikit-learn's networks; not with 'lbfgs' or an optimizer of one's own.
    batch_size : int or 'auto'
        'auto' is min(200, samples); all samples for 'lbfgs'.
    max_iter : int
        Epochs at most.
    shuffle : bool
    tol, n_iter_no_change : float, int
        Training ends when the loss, or with `early_stopping` the score of the held-out samples, has not become better
        by `tol` for so many epochs.
    early_stopping : bool
        Hold out a share of the samples, and keep the weights that score best on it.
    validation_fraction : float
        That share.
    warm_start : bool
        `fit` goes on from the weights that are there.
    CLASS_WEIGHT
    clip : float, optional
        The largest norm of the gradients.
    callbacks : list of Callback, optional
        Of the run, see `training.fit`.
    dtype : {'float32', 'float64'}
        In which the network computes.
    random_state : int, RandomState or None
    verbose : bool
        Show progress.

    Attributes
    ----------
    module_ : Module
        The trained network.
    history_ : History
        What each epoch measured.
    n_iter_, loss_ : int, float
        Epochs, and the loss of the last one.
    """


class NetClassifier(ClassifierMixin, _Net):  # type: ignore[misc]
    __doc__ = """A network that classifies, with scikit-learn's interface.

    With layer sizes, of two classes the network has one output, a logit, else one per class. A Module may have either.

    Parameters
    ----------
    """ + _SETTINGS.replace(
        "LOSSES", "'cross_entropy', of two classes and one output binary; or ``loss(output, class_indices)``."
    ).replace(
        "CLASS_WEIGHT", "class_weight : dict or 'balanced', optional\n        Weights of the classes."
    ) + """classes_ : ndarray
        Of several labels per sample, their numbers.
    multilabel_ : bool
        Whether samples have several labels, so that y has a column of 0 and 1 for each.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.sklearn import NetClassifier
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> clf = NetClassifier((16,), lr=0.02, max_iter=50, random_state=0)
    >>> clf.fit(X, X[:, 0] > X[:, 1]).score(X, X[:, 0] > X[:, 1]) > 0.95
    True
    """

    classes_: np.ndarray
    multilabel_: bool

    def __init__(
        self,
        module: Any = (100,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        loss: Any = "cross_entropy",
        optimizer: Any = "adam",
        lr: float = 0.001,
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        tol: float = 0.0001,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        class_weight: Any = None,
        clip: float | None = None,
        callbacks: Sequence[Callback] | None = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.module = module
        self.activation = activation
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.clip = clip
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame (n_samples, n_features); of any shape (n_samples, ...) for a Module or
            function
        y : array (n_samples,), or (n_samples, n_labels)
            Classes of any type; or 0 and 1 for each label, of which a sample may have several.
        sample_weight : array (n_samples,), optional
        """
        go_on = self.warm_start and hasattr(self, "module_")
        X, y = self._checked(X, y, reset=not go_on)
        weights = self._all_weights(X, y, sample_weight)
        if self.multilabel_:
            if not go_on:
                self.classes_ = np.arange(y.shape[1])
            self._check_labels(y)
            return self._train(X, y, weights, self._n_outputs(), go_on=go_on)
        found = np.unique(y if weights is None else y[weights > 0])
        if go_on and set(found) - set(self.classes_):
            raise ValueError(f"NetClassifier.fit(): with warm_start=True the classes must stay {self.classes_.tolist()}"
                             f", y has {found.tolist()}")
        if not go_on:
            if len(found) < 2:
                raise ValueError(f"NetClassifier.fit(): y must have at least 2 classes, got 1 class: {found.tolist()}")
            self.classes_ = found
            if weights is not None and len(found) < len(np.unique(y)):
                X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        return self._train(X, np.searchsorted(self.classes_, y), weights, self._n_outputs(), go_on=go_on)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch, from where training stands.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array, optional
            All classes that will come; needed in the first call.
        """
        first = not hasattr(self, "module_")
        if first and classes is None:
            raise ValueError("NetClassifier.partial_fit(): classes must be passed on the first call to partial_fit")
        X, y = self._checked(X, y, reset=first)
        if self.multilabel_:
            self.classes_ = np.arange(len(classes)) if first else self.classes_
            self._check_labels(y)
            return self._train(X, y, self._all_weights(X, y, sample_weight), self._n_outputs(), go_on=True, epochs=1)
        if first:
            self.classes_ = np.unique(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"NetClassifier.partial_fit(): classes={np.unique(classes).tolist()} are not those of "
                             f"the first call to partial_fit, {self.classes_.tolist()}")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"NetClassifier.partial_fit(): y has classes that are not in `classes`: "
                             f"{unknown.tolist()}")
        return self._train(X, np.searchsorted(self.classes_, y), self._all_weights(X, y, sample_weight),
                           self._n_outputs(), go_on=True, epochs=1)

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, reset=reset, dtype=np.dtype(self.dtype), order="C", accept_sparse="csr",
                             multi_output=True, allow_nd=not self._takes_tables)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError("NetClassifier.fit(): y must have one class for each sample, or 0 and 1 for each label "
                             f"(y.shape={y.shape})")
        if reset:
            self.multilabel_ = kind == "multilabel-indicator"
        elif self.multilabel_ != (kind == "multilabel-indicator"):
            raise ValueError("NetClassifier: y must be of the kind that it was before: "
                             f"{'0 and 1 for each label' if self.multilabel_ else 'one class for each sample'}")
        if not self.multilabel_:
            return X, column_or_1d(y, warn=True)
        return X, np.asarray(y.toarray() if _is_sparse(y) else y).astype(np.int64)

    def _check_labels(self, y: np.ndarray) -> None:
        if y.shape[1] != len(self.classes_):
            raise ValueError(f"NetClassifier.fit(): y must have a column for each of {len(self.classes_)} labels "
                             f"(y.shape={y.shape})")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _n_outputs(self) -> int:
        if self.multilabel_:
            return len(self.classes_)
        return 1 if len(self.classes_) == 2 and self._takes_tables else len(self.classes_)

    def _all_weights(self, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> np.ndarray | None:
        weights = self._weights(X, sample_weight)
        if self.class_weight is None:
            return weights
        of_classes: np.ndarray = compute_sample_weight(self.class_weight, y).astype(X.dtype)
        return of_classes if weights is None else weights * of_classes

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None if self.multilabel_ else y

    def _loss_function(self) -> Callable[[Tensor, Any], Tensor]:
        own, is_multilabel, classes = self.loss, self.multilabel_, len(self.classes_)
        if not callable(own) and own != "cross_entropy":
            raise ValueError(f"NetClassifier(): loss must be 'cross_entropy' or a function (loss={own!r})")

        def loss(output: Tensor, target: Any) -> Tensor:
            y, weights = target if isinstance(target, tuple) else (target, None)
            if callable(own):
                value: Tensor = own(output, y)
                return value
            reduction = "mean" if weights is None else "none"
            if is_multilabel:
                if output.shape != y.shape:
                    raise ValueError(f"NetClassifier.fit(): the module must return one score per label, of shape (n, "
                                     f"{classes}), got {tuple(output.shape)}")
                losses = nn.functional.binary_cross_entropy_with_logits(output, y.to(output.dtype), reduction=reduction)
                return losses if weights is None else _weighted_mean(losses.mean(1), weights)
            if output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1):
                if classes != 2:
                    raise ValueError(f"NetClassifier.fit(): the module has 1 output for {classes} classes; it needs "
                                     "one per class (or 1 of two)")
                losses = nn.functional.binary_cross_entropy_with_logits(output.reshape(-1), y.to(output.dtype),
                                                                        reduction=reduction)
            else:
                if output.ndim != 2 or output.shape[1] != classes:
                    raise ValueError(f"NetClassifier.fit(): the module must return one score per class, of shape (n, "
                                     f"{classes}), got {tuple(output.shape)}")
                losses = nn.functional.cross_entropy(output, y, reduction=reduction)
            return losses if weights is None else _weighted_mean(losses, weights)

        return loss

    def _held_out_score(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, model: nn.Module) -> float:
        out = self._predicted(model, X)
        right = ((out > 0) == y).all(1) if self.multilabel_ else _classes_of(out) == y
        return float(np.average(right, weights=weights))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits: (n_samples,) of two classes, else (n_samples, n_classes), or (n_samples, n_labels)."""
        out = self._outputs(X)
        if len(self.classes_) > 2 or self.multilabel_:
            return out
        return out.reshape(-1) if out.ndim == 1 or out.shape[1] == 1 else out[:, 1] - out[:, 0]

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each sample, or 0 and 1 for each label."""
        if getattr(self, "multilabel_", False):
            return (self._outputs(X) > 0).astype(np.int64)
        indices = _classes_of(self._outputs(X))
        return np.asarray(self.classes_[indices])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class (n_samples, n_classes), in the order of `classes_`; or of each label."""
        logits = self.decision_function(X).astype(np.float64, copy=False)
        if self.multilabel_:
            return np.asarray(np.exp(-np.logaddexp(0, -logits)))
        if logits.ndim == 1:
            positive = np.exp(-np.logaddexp(0, -logits))
            return np.stack([1 - positive, positive], axis=1)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))


def _classes_of(out: np.ndarray) -> np.ndarray:
    """Return the indices of the predicted classes from one logit or one score per class."""
    return np.asarray((out.reshape(-1) > 0).astype(np.int64) if out.ndim == 1 or out.shape[1] == 1 else out.argmax(1))


_LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": nn.functional.mse_loss, "absolute_error": nn.functional.l1_loss,
    "huber": nn.functional.huber_loss,
}  # fmt: skip


class NetRegressor(RegressorMixin, _Net):  # type: ignore[misc]
    __doc__ = """A network that predicts numbers, with scikit-learn's interface.

    Targets of several columns are several outputs of one network. Targets far from 0 or of large spread are best scaled
    (``TransformedTargetRegressor(NetRegressor(), transformer=StandardScaler())``).

    Parameters
    ----------
    """ + _SETTINGS.replace(
        "LOSSES", "'squared_error', 'absolute_error', 'huber'; or ``loss(output, target)``."
    ).replace("    CLASS_WEIGHT\n", "") + """
    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.sklearn import NetRegressor
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> net = NetRegressor((16,), lr=0.01, max_iter=60, random_state=0)
    >>> net.fit(x, 2 * x[:, 0]).score(x, 2 * x[:, 0]) > 0.9
    True
    """

    def __init__(
        self,
        module: Any = (100,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        loss: Any = "squared_error",
        optimizer: Any = "adam",
        lr: float = 0.001,
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        tol: float = 0.0001,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        clip: float | None = None,
        callbacks: Sequence[Callback] | None = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.module = module
        self.activation = activation
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.clip = clip
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame (n_samples, n_features); of any shape (n_samples, ...) for a Module or
            function
        y : array (n_samples,) or (n_samples, n_outputs)
        sample_weight : array (n_samples,), optional
        """
        go_on = self.warm_start and hasattr(self, "module_")
        X, y = self._checked(X, y, reset=not go_on)
        return self._train(X, y, self._weights(X, sample_weight), y.shape[1], go_on=go_on)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch, from where training stands; see `fit`."""
        X, y = self._checked(X, y, reset=not hasattr(self, "module_"))
        return self._train(X, y, self._weights(X, sample_weight), y.shape[1], go_on=True, epochs=1)

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, reset=reset, dtype=np.dtype(self.dtype), order="C", accept_sparse="csr",
                             multi_output=True, y_numeric=True, allow_nd=not self._takes_tables)
        if reset:
            self._flat, self.n_outputs_ = y.ndim == 1, 1 if y.ndim == 1 else y.shape[1]
        if self.n_outputs_ != (1 if y.ndim == 1 else y.shape[1]):
            raise ValueError(f"NetRegressor: y must have {self.n_outputs_} columns as before, got shape {y.shape}")
        return X, np.ascontiguousarray(y.reshape(len(y), -1), dtype=X.dtype)

    def _loss_function(self) -> Callable[[Tensor, Any], Tensor]:
        own = self.loss
        if not callable(own) and own not in _LOSSES:
            raise ValueError(f"NetRegressor(): loss must be one of {', '.join(_LOSSES)}, or a function (loss={own!r})")
        function = own if callable(own) else _LOSSES[own]

        def loss(output: Tensor, target: Any) -> Tensor:
            y, weights = target if isinstance(target, tuple) else (target, None)
            if output.ndim == 1 and y.shape[1] == 1:
                output = output.reshape(-1, 1)
            if output.shape != y.shape:
                raise ValueError(f"NetRegressor.fit(): the module must return (n, {y.shape[1]}), got "
                                 f"{tuple(output.shape)}")
            value: Tensor = function(output, y) if callable(own) or weights is None else _weighted_mean(
                function(output, y, reduction="none").mean(1), weights)
            return value

        return loss

    def _held_out_score(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, model: nn.Module) -> float:
        out = self._predicted(model, X).reshape(y.shape).astype(np.float64)
        return float(r2_score(y, out, sample_weight=weights)) if len(y) > 1 else -float(np.square(y - out).mean())

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted numbers, (n_samples,) or (n_samples, n_outputs) as in `fit`."""
        out = self._outputs(X).astype(np.float64, copy=False)
        return out.reshape(-1) if self._flat else out.reshape(len(out), -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
