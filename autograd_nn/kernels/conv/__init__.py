"""Convolutions: several methods, and the choice between them."""

from .choice import conv2d, conv2d_input, conv2d_weight, force_method, forget_weights, method, output_size, set_winograd

__all__ = ["conv2d", "conv2d_input", "conv2d_weight", "force_method", "forget_weights", "method", "output_size",
           "set_winograd"]
