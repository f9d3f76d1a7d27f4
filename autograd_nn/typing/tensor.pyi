# To type checkers, an operation returns the class itself, with all of its methods.
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # always; it makes mypy infer the operations' types before those of the class's methods
    from ..tensor import Tensor as Tensor
