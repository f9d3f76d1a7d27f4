"""A training step without Python: `compile` writes down what a function does, and does it again without the function.

The first call of a function is watched (`watch`), the second is traced at the door (`trace`), with all that it reads
from Python (`reach`); the list of calls is lowered to kernels (`lowering`, `proofs`) and laid out in memory of its own
(`plan`). The third call runs both ways, and all state is compared bit by bit (`step`). From then on the plan runs, as
long as nothing changes that it depends on (`guards`).
"""

from ..nn.module import set_compiler
from .step import Compiled, CompileWarning, compile

set_compiler(compile)

__all__ = ["CompileWarning", "Compiled", "compile"]
