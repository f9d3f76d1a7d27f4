"""Pictures of networks and of their training, drawn with matplotlib.

``pip install 'autograd_nn[plots]'`` brings matplotlib. Without more arguments a function makes a `Picture`, which a
notebook shows as it is and ``savefig`` writes to a file. ``ax=`` draws into Axes instead, which are divided where a
function has several panels; ``figure=`` draws into an empty Figure or SubFigure. A function returns the `Picture`, or
what it was given.

Colours are those of Okabe and Ito (2008) and the maps cividis, Blues and, for signed values, PuOr, which the
colour-blind can tell apart; lines differ in style and bars in place too. A Picture has no background, and text
that can be read on light and on dark pages; ``set_theme("light")`` makes it black on white. What is drawn into given
axes has the colours of the style in use.
"""

from .activations import plot_activations
from .boundary import plot_decision_boundary, plot_embedding
from .confusion import plot_confusion
from .curves import plot_history
from .flame import plot_flame
from .gradients import plot_gradients
from .learning_rates import plot_learning_rates
from .live import LivePlot
from .predictions import plot_predictions, plot_saliency, saliency
from .probabilities import plot_calibration, plot_roc
from .report import save_report
from .style import Picture, available, set_theme
from .weights import plot_filters, plot_weight_histograms, plot_weight_rows, plot_weights

__all__ = [
    "LivePlot",
    "Picture",
    "available",
    "plot_activations",
    "plot_calibration",
    "plot_confusion",
    "plot_decision_boundary",
    "plot_embedding",
    "plot_filters",
    "plot_flame",
    "plot_gradients",
    "plot_history",
    "plot_learning_rates",
    "plot_predictions",
    "plot_roc",
    "plot_saliency",
    "plot_weight_histograms",
    "plot_weight_rows",
    "plot_weights",
    "saliency",
    "save_report",
    "set_theme",
]
