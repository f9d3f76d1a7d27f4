"""Networks as scikit-learn estimators (extra `sklearn`): for Pipeline, GridSearchCV, cross_val_score and the like.

`NetClassifier` and `NetRegressor` take layer sizes, a Module, or a function that makes one, and train it with
`training.fit`; their settings and defaults are those of scikit-learn's MLPClassifier where both have them.
`OptunaPruning` stops runs of a study that have no prospect.
"""

from .estimators import NetClassifier, NetRegressor
from .pruning import OptunaPruning

__all__ = ["NetClassifier", "NetRegressor", "OptunaPruning"]
