"""How helpers of kernels are compiled: to unfinished code, which the kernels that call them finish.

Numba optimizes every function in full, gives it entry points for Python and C, and translates it to machine code. Then
it links the function into its callers and optimizes them in full, with all that they call. A helper three calls below
its kernel is so optimized four times, and translated for nobody. Here helpers only become LLVM code, and only what
shortens that code is done to it: variables in memory become values, and what is constant is computed. The kernel alone
is optimized and translated, once: 35 % of the time, and the same machine code or better, because all of it is optimized
together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import binding
from numba.core import codegen, compiler
from numba.core.compiler_lock import global_compiler_lock

from ..annotations import Context, Signature

__all__ = ["compile_body", "helper", "njit"]

njit: Any = numba.njit  # its annotations leave out options that Numba documents for extensions
config: Any = numba.config


class UnfinishedLibrary(codegen.JITCodeLibrary):
    """The code of one function, to be linked into that of others."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout
        builder = self._codegen._pass_builder()
        passes = binding.create_new_function_pass_manager()
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        for function in module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(
            loop_vectorize=False, slp_vectorize=False, opt=0, cost="cheap"
        )
        passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class HelperCompiler(compiler.Compiler):
    """Numba's pipeline, without its last step, the translation to machine code."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # The context is this compilation's own copy. What it returns as executable is the key to the overload.
        self.state.targetctx.get_executable = lambda library, description, environment: object()

    def compile_extra(self, function: Callable[..., Any]) -> Any:
        self.state.library = UnfinishedLibrary(self.state.targetctx.codegen(), function.__qualname__)
        return super().compile_extra(function)


def helper(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function that kernels can call. Called from Python, for tests, it is compiled as Numba does it."""
    if config.DISABLE_JIT:
        return function
    unfinished = njit(pipeline_class=HelperCompiler, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)
    dispatcher = unfinished(function)
    finished = njit(**options)(function)
    dispatcher._insert = lambda *overload: None  # Python finds no overload, and asks for its compilation
    dispatcher._compile_for_args = lambda *arguments, **keywords: finished
    return dispatcher


def compile_body(context: Context, function: Callable[..., Any], signature: Signature, flags: Any) -> Any:
    """Compile a function for the kernel whose code is being generated, as Numba's `_compile_subroutine_no_cache`."""
    with global_compiler_lock:
        library = UnfinishedLibrary(context.codegen(), function.__name__)
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        compiled = compiler.compile_internal(
            context.typing_context, context, library, function, signature.args, signature.return_type, flags, {}
        )
        context.active_code_library.add_linking_library(library)
        return compiled
