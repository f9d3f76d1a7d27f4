"""PyTorch's other names for what is here, for scripts that use them."""
