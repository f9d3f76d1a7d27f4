"""Networks as scikit-learn estimators: its own checks, and its tools around them."""

import pickle
import warnings

import numpy as np
import pytest

from autograd_nn import manual_seed, nn, optim
from autograd_nn.ops.random import default_generator
from autograd_nn.sklearn import NetClassifier, NetRegressor
from autograd_nn.training import Callback

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris, make_classification, make_regression  # noqa: E402
from sklearn.linear_model import SGDClassifier, SGDRegressor  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

pytestmark = pytest.mark.sklearn
X, Y = load_iris(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
XR, YR = make_regression(200, 5, n_targets=1, noise=0.1, random_state=0)
YR = YR / YR.std()


def small(**settings):
    usual = {"module": (16,), "lr": 0.02, "max_iter": 30, "batch_size": 32, "random_state": 0}
    return NetClassifier(**usual | settings)


def regressor(**settings):
    usual = {"module": (32,), "lr": 0.02, "max_iter": 60, "batch_size": 32, "random_state": 0}
    return NetRegressor(**usual | settings)


def declared(estimator):
    """Return the checks that scikit-learn expects its own estimator to fail."""
    tests = pytest.importorskip("sklearn.utils._test_common.instance_generator")
    return tests.PER_ESTIMATOR_XFAIL_CHECKS.get(estimator, {})


@pytest.mark.parametrize("own, theirs", [(NetClassifier, SGDClassifier), (NetRegressor, SGDRegressor)])
def test_all_checks_of_scikit_learn(own, theirs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(own(), on_fail=None, on_skip=None, expected_failed_checks=declared(theirs))
    failed = [(r["check_name"], repr(r["exception"])[:300]) for r in results if r["status"] == "failed"]
    assert not failed and sum(r["status"] == "passed" for r in results) >= 55


def test_it_learns():
    assert small().fit(X, Y).score(X, Y) > 0.93
    assert regressor().fit(XR, YR).score(XR, YR) > 0.97
    assert small(optimizer="lbfgs", lr=1.0, max_iter=5, batch_size="auto").fit(X, Y).score(X, Y) > 0.93
    two = regressor().fit(XR, np.stack([YR, -YR], 1))
    assert two.predict(XR).shape == (200, 2) and two.score(XR, np.stack([YR, -YR], 1)) > 0.9


def test_pipeline_cross_validation_and_search():
    pipe = make_pipeline(StandardScaler(), small())
    assert cross_val_score(pipe, X, Y, cv=3).mean() > 0.9
    search = GridSearchCV(pipe, {"netclassifier__module": [(4,), (16,)], "netclassifier__lr": [1e-6, 0.02]}, cv=2,
                          n_jobs=2, error_score="raise")
    search.fit(X, Y)
    assert search.best_params_["netclassifier__lr"] == 0.02 and search.best_score_ > 0.85


def test_a_search_over_a_cluster():
    distributed, joblib = pytest.importorskip("distributed"), pytest.importorskip("joblib")
    with (distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None),
          joblib.parallel_backend("dask")):
        search = GridSearchCV(small(), {"lr": [1e-6, 0.02]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"lr": 0.02}


class Own(nn.Module):
    """A network that takes images of 2 x 2 pixels, given as tables or not."""

    def __init__(self, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(16, outputs)

    def forward(self, x):
        return self.head(self.body(x))


def make(features, outputs):
    assert features == 4
    return Own(outputs)


@pytest.mark.parametrize("module", [Own(3), make])
def test_modules_and_functions(module):
    net = small(module=module)
    assert net.fit(X, Y).score(X, Y) > 0.9
    images = X.reshape(-1, 1, 2, 2)
    if module is not make:
        before = module.head.weight.array.copy()
        assert clone(net).fit(images, Y).score(images, Y) > 0.9
        assert np.array_equal(module.head.weight.array, before), "the module that was given stays as it is"
    assert net.predict_proba(X[:5]).shape == (5, 3)
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict_proba(X), net.predict_proba(X)) if module is not make else True
    assert clone(net).fit(X, Y).score(X, Y) > 0.9


def test_two_classes_of_any_kind():
    y = np.where(Y == 0, "no", "yes")
    for module in ((16,), Own(1), Own(2)):
        net = small(module=module).fit(X, y)
        assert net.classes_.tolist() == ["no", "yes"] and net.score(X, y) > 0.97
        p = net.predict_proba(X)
        assert p.shape == (150, 2) and np.allclose(p.sum(1), 1)
        assert np.array_equal(net.predict(X) == "yes", net.decision_function(X) > 0)
        assert np.allclose(np.exp(net.predict_log_proba(X)), p)
        assert np.allclose(p[:, 1], 1 / (1 + np.exp(-net.decision_function(X))), atol=1e-6)


def test_seeds():
    first, second, third = (small(random_state=seed, max_iter=3).fit(X, Y).predict_proba(X) for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.allclose(first, third)
    manual_seed(5)
    state = default_generator.get_state()
    small(random_state=None, max_iter=1).fit(X, Y)
    assert default_generator.get_state() == state, "the generator of the process is left alone"


def test_weights_of_samples_and_classes():
    x = np.array([[0.0]] * 4)
    y = np.array([0, 0, 0, 1])
    for settings, weights, expected in (
        ({}, None, 0.25), ({}, [1, 1, 1, 3], 0.5), ({"class_weight": "balanced"}, None, 0.5),
        ({"class_weight": {0: 1, 1: 9}}, None, 0.75), ({"class_weight": {0: 1, 1: 3}}, [1, 1, 1, 3], 0.75)):
        net = NetClassifier((), lr=0.1, max_iter=300, alpha=0, tol=-np.inf, random_state=0, **settings)
        net.fit(x, y, weights)
        assert net.predict_proba(x)[0, 1] == pytest.approx(expected, abs=0.01)
    net = NetRegressor((), lr=0.1, max_iter=300, alpha=0, tol=-np.inf, random_state=0)
    net.fit(x, [0, 0, 0, 4.0], [1, 1, 1, 3])
    assert net.predict(x)[0] == pytest.approx(2, abs=0.05)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        small().fit(X, Y, -np.ones(150))


def test_training_goes_on():
    net = small(warm_start=True, max_iter=2, tol=-np.inf)
    first = net.fit(X, Y).loss_
    assert net.fit(X, Y).n_iter_ == 4 and net.loss_ < first and len(net.history_["loss"]) == 4
    whole = small(max_iter=4, tol=-np.inf).fit(X, Y)
    assert np.array_equal(whole.predict_proba(X), net.predict_proba(X)), "as if it had not been interrupted"
    with pytest.raises(ValueError, match="the classes must stay"):
        net.fit(X, Y + 1)
    part = small()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        part.partial_fit(X, Y)
    part.partial_fit(X[:100], Y[:100], classes=[0, 1, 2])
    for _ in range(20):
        part.partial_fit(X, Y)
    assert part.n_iter_ == 21 and part.score(X, Y) > 0.9
    with pytest.raises(ValueError, match="classes that are not in"):
        part.partial_fit(X, Y + 5)
    again = pickle.loads(pickle.dumps(part))
    assert np.array_equal(again.partial_fit(X, Y).predict_proba(X), part.partial_fit(X, Y).predict_proba(X))
    assert regressor().partial_fit(XR, YR).partial_fit(XR, YR).n_iter_ == 2


def test_early_stopping():
    net = small(early_stopping=True, validation_fraction=0.2, max_iter=500).fit(X, Y)
    scores = net.history_["validation_score"]
    assert net.n_iter_ < 500 and len(scores) == net.n_iter_ and max(scores) >= scores[-1]
    assert net.score(X, Y) > 0.9
    with pytest.raises(ValueError, match="early_stopping=True cannot hold out"):
        small(early_stopping=True).fit(X[:10], np.arange(10) % 9)
    assert regressor(early_stopping=True).fit(XR, YR).score(XR, YR) > 0.9


def test_tables(recwarn):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    net = small(max_iter=3).fit(frame, pandas.Series(Y))
    assert net.feature_names_in_.tolist() == list("abcd")
    assert np.array_equal(net.predict(frame), small(max_iter=3).fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame[list("dcba")])
    with pytest.raises(ValueError, match="4 features"):
        net.predict(X[:, :3])


class Count(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, run):
        self.epochs += 1


def test_callbacks_and_output(capsys):
    count = Count()
    small(max_iter=4, callbacks=[count]).fit(X, Y)
    assert count.epochs == 4 and capsys.readouterr() == ("", "")
    small(max_iter=2, verbose=True).fit(X, Y)
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("settings, message", [
    ({"module": "wide"}, "module must be a Module, a function"), ({"module": (0,)}, "module must be"),
    ({"module": lambda i, o: 3}, "must return a Module, got int"), ({"activation": "si"}, "activation must be one of"),
    ({"optimizer": "adamm"}, "optimizer must be one of"), ({"loss": "mse"}, "loss must be"),
    ({"lr": 0}, "lr must be a positive number"), ({"max_iter": 0}, "max_iter must be"), ({"alpha": -1}, "alpha must"),
    ({"batch_size": 1.5}, "batch_size must be"), ({"dtype": "float16"}, "dtype must be float32 or float64"),
    ({"module": Own(5)}, "must return one score per class"), ({"module": Own(1)}, "has 1 output for 3 classes"),
    ({"lr": 1e30, "optimizer": "sgd"}, r"NetClassifier.fit\(\): the loss is .*try a smaller learning rate"),
])
def test_settings_that_make_no_sense(settings, message):
    with np.errstate(all="ignore"), pytest.raises((ValueError, TypeError), match=message):
        small(**settings).fit(X, Y)


def test_an_optimizer_and_a_loss_of_ones_own():
    net = small(optimizer=lambda p, lr: optim.SGD(p, lr=lr, momentum=0.5), loss=nn.CrossEntropyLoss(), lr=0.1,
                max_iter=60)
    assert net.fit(X, Y).score(X, Y) > 0.9
    with pytest.raises(ValueError, match="sample_weight and class_weight need one of the losses that have a name"):
        net.fit(X, Y, np.arange(150))
    assert regressor(loss="absolute_error").fit(XR, YR).score(XR, YR) > 0.9


def test_batch_normalisation_never_gets_a_single_sample():
    x, y = make_classification(33, 4, n_informative=3, n_redundant=0, random_state=0)
    small(module=Own(2), batch_size=32, max_iter=1).fit(x, y)


def test_float64():
    net = small(dtype="float64", max_iter=2).fit(X, Y)
    assert {p.dtype for p in net.module_.parameters()} == {np.dtype(np.float64)}


def labels_of(X):
    return np.stack([X[:, 0] > 0, X[:, 1] + X[:, 2] > 0, X[:, 3] > 0.5], 1).astype(int)


def test_samples_with_several_labels():
    y = labels_of(X)
    net = small(max_iter=60).fit(X, y)
    assert net.multilabel_ and net.classes_.tolist() == [0, 1, 2] and net.predict(X).shape == y.shape
    assert net.score(X, y) > 0.8  # all labels of a sample right
    p = net.predict_proba(X)
    assert p.shape == y.shape and np.array_equal(p > 0.5, net.predict(X) == 1)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-net.decision_function(X).astype(float))), rtol=1e-6)
    weighted = small(max_iter=5).fit(X, y, sample_weight=np.where(y[:, 0], 1.0, 0.01))
    assert (weighted.predict(X)[:, 0].mean()) > 0.6
    early = small(early_stopping=True, max_iter=20).fit(X, y)
    assert 0 <= early.history_["validation_score"][-1] <= 1
    again = small().partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert again.predict(X).shape == y.shape
    two = small().fit(X, y[:, :2])
    assert two.predict_proba(X).shape == (150, 2)
    with pytest.raises(ValueError, match="0 and 1 for each label"):
        again.partial_fit(X, Y)
    with pytest.raises(ValueError, match="a column for each of 3 labels"):
        again.partial_fit(X, y[:, :2])
    with pytest.raises(ValueError, match="one class for each sample, or 0 and 1"):
        small().fit(X, np.stack([Y, Y], 1))


def test_sparse_data_give_what_dense_data_give():
    sparse = pytest.importorskip("scipy.sparse")
    kept = np.where(np.abs(X) > 0.8, X, 0.0)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        dense, other = small(max_iter=5).fit(kept, Y), small(max_iter=5).fit(kind(kept), Y)
        assert np.array_equal(dense.predict_proba(kept), other.predict_proba(kind(kept)))
    targets = np.stack([X[:, 0], X[:, 1]], 1)
    dense, other = (regressor(max_iter=5).fit(data, targets) for data in (kept, sparse.csr_matrix(kept)))
    assert np.array_equal(dense.predict(kept), other.predict(sparse.csr_matrix(kept)))
    early = small(early_stopping=True, max_iter=5).fit(sparse.csr_matrix(kept), Y)
    assert early.predict(kept).shape == (150,)
    both = small(max_iter=5).fit(sparse.csr_matrix(kept), sparse.csr_matrix(labels_of(X)))
    assert both.multilabel_ and both.predict(kept).shape == (150, 3)
