"""PyTorch's own sample inputs, given to both frameworks: values, dtypes, shapes, gradients, and errors."""
