"""Naive twins of the kernels: NumPy in float64, written to be read, not to be fast."""

import itertools
import math

import numpy as np

ONE = (1, 1)
NONE = ((0, 0), (0, 0))


# --- Convolution ---------------------------------------------------------------------------------------


def taps(padded, kernel, size, stride, dilation):
    """Yield (i, j, view): the pixels of padded images that meet tap (i, j) of the kernel, one for each output."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i * dilation[0], i * dilation[0] + (size[0] - 1) * stride[0] + 1, stride[0])
            columns = slice(j * dilation[1], j * dilation[1] + (size[1] - 1) * stride[1] + 1, stride[1])
            yield i, j, padded[:, :, rows, columns]


def conv2d(x, w, bias=None, *, stride=ONE, padding=NONE, dilation=ONE, groups=1, relu=False):
    """Convolution, one tap of the kernel at a time."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    N, _, *shape = x.shape
    O, C, *kernel = w.shape
    size = [
        (shape[a] + sum(padding[a]) - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)
    ]
    out = np.zeros((N, groups, O // groups, *size))
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    for i, j, view in taps(padded, kernel, size, stride, dilation):
        view = view.reshape(N, groups, C, *size)
        out += np.einsum("ngchw,goc->ngohw", view, w[:, :, i, j].reshape(groups, O // groups, C))
    out = out.reshape(N, O, *size)
    if bias is not None:
        out += bias.astype(np.float64)[:, None, None]
    return np.maximum(out, 0) if relu else out


def conv2d_input(g, w, *, size, stride=ONE, padding=NONE, dilation=ONE, groups=1):
    """Gradient of `conv2d` in x: each gradient goes back to the pixels that its output has read."""
    g, w = g.astype(np.float64), w.astype(np.float64)
    N, O, *out_size = g.shape
    C, *kernel = w.shape[1:]
    (top, bottom), (left, right) = padding
    padded = np.zeros((N, C * groups, size[0] + top + bottom, size[1] + left + right))
    g = g.reshape(N, groups, O // groups, *out_size)
    for i, j, view in taps(padded, kernel, out_size, stride, dilation):
        tap = w[:, :, i, j].reshape(groups, O // groups, C)
        view += np.einsum("ngohw,goc->ngchw", g, tap).reshape(view.shape)
    return padded[:, :, top : top + size[0], left : left + size[1]]


def conv2d_weight(g, x, *, size, stride=ONE, padding=NONE, dilation=ONE, groups=1):
    """Gradient of `conv2d` in w: each tap sums the products of gradients and the pixels that it met."""
    g, x = g.astype(np.float64), x.astype(np.float64)
    N, O, *out_size = g.shape
    C = x.shape[1] // groups
    out = np.zeros((O, C, *size))
    g = g.reshape(N, groups, O // groups, *out_size)
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    for i, j, view in taps(padded, size, out_size, stride, dilation):
        view = view.reshape(N, groups, C, *out_size)
        out[:, :, i, j] = np.einsum("ngohw,ngchw->goc", g, view).reshape(O, C)
    return out

# ---------------------------------------------------------------------------------------------- pooling


def pooled_length(length, kernel, stride, padding, dilation, ceil_mode):
    """Count windows by sliding one; with ceil_mode the last may overhang, but must not start in the padding."""
    count, start = 0, -padding
    while True:
        fits = start + dilation * (kernel - 1) < length + padding
        overhangs = start + dilation * (kernel - 1) - stride < length + padding - 1 and start < length
        if not (fits or (ceil_mode and overhangs)):
            return count
        count, start = count + 1, start + stride


def windows(size, kernel, stride, padding, dilation, ceil_mode):
    """Yield (i, j, cells) for each window, cells being (position in the window, row, column) of those in the image."""
    (H, W), (kH, kW) = size, kernel
    for i in range(pooled_length(H, kH, stride[0], padding[0], dilation[0], ceil_mode)):
        for j in range(pooled_length(W, kW, stride[1], padding[1], dilation[1], ceil_mode)):
            cells = []
            for a in range(kH):
                for b in range(kW):
                    row = i * stride[0] - padding[0] + a * dilation[0]
                    column = j * stride[1] - padding[1] + b * dilation[1]
                    if 0 <= row < H and 0 <= column < W:
                        cells.append((a * kW + b, row, column))
            yield i, j, cells


def _pooled_shape(x, kernel, stride, padding, dilation, ceil_mode):
    sizes = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    return (*x.shape[:2], *(pooled_length(*size, ceil_mode) for size in sizes))


def max_pool2d(x, *, kernel, stride, padding, dilation, ceil_mode):
    out = np.empty(_pooled_shape(x, kernel, stride, padding, dilation, ceil_mode), x.dtype)
    index = np.empty(out.shape, np.int64)
    for i, j, cells in windows(x.shape[2:], kernel, stride, padding, dilation, ceil_mode):
        for n, c in np.ndindex(x.shape[:2]):
            best, where = -np.inf, kernel[0] * kernel[1]
            for at, (cell, row, column) in enumerate(cells):
                value = x[n, c, row, column]
                if at == 0 or value > best or value != value:
                    best, where = value, cell
            out[n, c, i, j], index[n, c, i, j] = best, where
    return out, index


def max_pool2d_take(x, index, *, kernel, stride, padding, dilation, ceil_mode):
    out = np.zeros(index.shape, x.dtype)
    for i, j, cells in windows(x.shape[2:], kernel, stride, padding, dilation, ceil_mode):
        for n, c in np.ndindex(x.shape[:2]):
            for cell, row, column in cells:
                if index[n, c, i, j] == cell:
                    out[n, c, i, j] = x[n, c, row, column]
    return out


def max_pool2d_put(g, index, *, size, kernel, stride, padding, dilation, ceil_mode):
    x = np.zeros((*g.shape[:2], *size), g.dtype)
    for i, j, cells in windows(size, kernel, stride, padding, dilation, ceil_mode):
        for n, c in np.ndindex(g.shape[:2]):
            for cell, row, column in cells:
                if index[n, c, i, j] == cell:
                    x[n, c, row, column] += g[n, c, i, j]
    return x


def avg_pool2d_matrix(size, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Return average pooling of one plane as a matrix from H*W cells to OH*OW windows."""
    rows = []
    for i, j, cells in windows(size, kernel, stride, padding, (1, 1), ceil_mode):
        row = np.zeros(size)
        divisor = len(cells)
        if count_include_pad:
            divisor = 1
            for L, k, s, p, at in zip(size, kernel, stride, padding, (i, j), strict=True):
                divisor *= sum(at * s - p + a < L + p for a in range(k))
        for _, a, b in cells:
            row[a, b] = 1 / (divisor if divisor_override is None else divisor_override)
        rows.append(row.ravel())
    return np.array(rows)


def adaptive_windows(size, out_size):
    """Yield (i, j, rows, columns) for each window that tiles `size` into `out_size`."""
    (H, W), (OH, OW) = size, out_size
    for i, j in np.ndindex(*out_size):
        rows = slice(math.floor(i * H / OH), math.ceil((i + 1) * H / OH))
        columns = slice(math.floor(j * W / OW), math.ceil((j + 1) * W / OW))
        yield i, j, rows, columns


def adaptive_avg_pool2d(x, *, size):
    out = np.empty((*x.shape[:2], *size), x.dtype)
    for i, j, rows, columns in adaptive_windows(x.shape[2:], size):
        out[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3))
    return out


def adaptive_max_pool2d(x, *, size):
    out = np.empty((*x.shape[:2], *size), x.dtype)
    index = np.empty(out.shape, np.int64)
    for i, j, rows, columns in adaptive_windows(x.shape[2:], size):
        for n, c in np.ndindex(x.shape[:2]):
            best = None
            for row in range(rows.start, rows.stop):
                for column in range(columns.start, columns.stop):
                    value = x[n, c, row, column]
                    if best is None or value > best or value != value:
                        best, index[n, c, i, j] = value, row * x.shape[3] + column
            out[n, c, i, j] = best
    return out, index


# ------------------------------------------------------------------------- normalization, losses, optimizers


def normalize(x, weight, bias, eps, axes):
    """Return (x - mean) / sqrt(var + eps) * weight + bias in float64, with mean and variance over `axes`."""
    x = x.astype(np.float64)
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * weight + bias, mean.squeeze(), 1 / np.sqrt(var + eps).squeeze()


def normalize_input(g, x, weight, eps, axes):
    """Return the gradients of `normalize` in x, and in weight and bias before they are summed, in float64."""
    g, x = g.astype(np.float64), x.astype(np.float64)
    rstd = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    h = (x - x.mean(axis=axes, keepdims=True)) * rstd
    k = g * weight
    gx = rstd * (k - k.mean(axis=axes, keepdims=True) - h * (k * h).mean(axis=axes, keepdims=True))
    return gx, g * h, g


def log_softmax(x):
    x = x.astype(np.float64)
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def adam(p, g, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, step, decoupled, maximize):
    """Return p, m, v and vmax after a step of Adam in float64, after the papers' equations."""
    g = -g if maximize else g
    if decoupled:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    vmax = None if vmax is None else np.maximum(vmax, v)
    second = (v if vmax is None else vmax) / (1 - beta2**step)
    return p - lr * (m / (1 - beta1**step)) / (np.sqrt(second) + eps), m, v, vmax


def sgd(p, g, buf, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """Return p and the momentum buffer after a step of stochastic gradient descent."""
    g = (-g if maximize else g) + weight_decay * p
    if momentum:
        buf = g if first else momentum * buf + (1 - dampening) * g
        g = g + momentum * buf if nesterov else buf
    return p - lr * g, buf


# --- Matrix products -----------------------------------------------------------------------------------


def matmul(a, b):
    """Matrix product over the last two dims, one step of the reduction at a time."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.zeros((*batch, a.shape[-2], b.shape[-1]))
    for k in range(a.shape[-1]):
        out += a[..., :, k, None] * b[..., None, k, :]
    return out


def linear(x, w, bias=None, relu=False):
    """``x @ w.T + bias``, rectified if asked for."""
    out = matmul(x, w.T)
    if bias is not None:
        out += bias
    return np.maximum(out, 0) if relu else out


# ------------------------------------------------------------------------------------ elementwise, in float64

_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softplus(x):
    return np.log1p(np.exp(-abs(x))) + np.maximum(x, 0)


def _xlogy(x, y):
    return np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, y)))


ELEMENTWISE = {
    "RELU": lambda x: np.maximum(x, 0),
    "LEAKY_RELU": lambda x, slope: np.where(x > 0, x, slope * x),
    "BOUNDED": lambda x, low, high: np.clip(x, low, high),
    "CLAMP": lambda x, low, high: np.clip(x, low, high),
    "HARDSIGMOID": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "HARDSWISH": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "HARDSHRINK": lambda x, lambd: np.where(abs(x) > lambd, x, 0),
    "SOFTSHRINK": lambda x, lambd: np.sign(x) * np.maximum(abs(x) - lambd, 0),
    "THRESHOLD": lambda x, threshold, value: np.where(x > threshold, x, value),
    "ABS": abs,
    "ELU": lambda x, alpha, scale, rate: np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x, 0) * rate)),
    "SOFTPLUS": lambda x, beta, threshold: np.where(beta * x > threshold, x, _softplus(beta * x) / beta),
    "LOGSIGMOID": lambda x: -_softplus(-x),
    "SIGMOID": _sigmoid,
    "SIN": np.sin,
    "COS": np.cos,
    "TANH": np.tanh,
    "TANHSHRINK": lambda x: x - np.tanh(x),
    "SOFTSIGN": lambda x: x / (1 + abs(x)),
    "SILU": lambda x: x * _sigmoid(x),
    "GELU": lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2,
    "GELU_TANH": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "MISH": lambda x: x * np.tanh(_softplus(x)),
    "EXP": np.exp,
    "EXPM1": np.expm1,
    "LOG": np.log,
    "LOG2": np.log2,
    "LOG10": np.log10,
    "LOG1P": np.log1p,
    "SQRT": np.sqrt,
    "RSQRT": lambda x: x**-0.5,
    "RECIPROCAL": lambda x: 1 / x,
    "SQUARE": np.square,
    "ERF": _erf,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MSE": lambda x, y: (x - y) ** 2,
    "L1": lambda x, y: abs(x - y),
    "HUBER": lambda x, y, delta, share: share * np.where(
        abs(x - y) < delta, (x - y) ** 2 / 2, delta * (abs(x - y) - delta / 2)
    ),
    "BCE": lambda x, y: -(y * np.maximum(np.log(x), -100) + (1 - y) * np.maximum(np.log1p(-x), -100)),
    "BCE_WITH_LOGITS": lambda x, y: -(y * -_softplus(-x) + (1 - y) * -_softplus(x)),
    "KL_DIV": lambda x, y: _xlogy(y, y) - y * x,
}  # fmt: skip


def slope(function, x, *others, step=1e-6):
    """Return the derivative in `x` of an elementwise function in float64, by central differences."""
    return (function(x + step, *others) - function(x - step, *others)) / (2 * step)


# --- Elements at given places --------------------------------------------------------------------------


def mix_planes(x, rows, columns):
    """Each element of the result is mixed of two rows, then of two elements of the mixed row."""
    x = x.astype(np.float64)
    out = np.empty((len(x), len(rows.first), x.shape[2]))
    for h, (a, b, share) in enumerate(zip(*rows)):
        out[:, h] = x[:, a] + (x[:, b] - x[:, a]) * share
    return out if columns is None else mix_planes(out.swapaxes(1, 2), columns, None).swapaxes(1, 2)


def mix_planes_input(g, rows, columns, height, width):
    """Each gradient goes to the two elements that were mixed, by their shares."""
    if columns is not None:
        g = mix_planes_input(g.swapaxes(1, 2), columns, None, width, g.shape[1]).swapaxes(1, 2)
    out = np.zeros((len(g), height, width))
    for h, (a, b, share) in enumerate(zip(*rows)):
        out[:, a] += g[:, h] * (1.0 - share)
        out[:, b] += g[:, h] * float(share)
    return out


def weighted_take(x, weight, index):
    """Weighted sums of the elements at the places of each point; place -1 holds 0."""
    x = np.concatenate([x.astype(np.float64), np.zeros((*x.shape[:2], 1))], 2)
    return np.stack([(weight[n] * x[n][:, index[n]]).sum(-1) for n in range(len(x))])


def weighted_put(g, weight, index, size):
    """Each gradient goes back to the places that its point has read."""
    out = np.zeros((*g.shape[:2], size + 1))
    for n, p, k in np.ndindex(index.shape):
        out[n, :, index[n, p, k]] += weight[n, p, k] * g[n, :, p].astype(np.float64)
    return out[:, :, :-1]


def weighted_products(g, x, index):
    """Products of gradients and what they met, summed over channels."""
    x = np.concatenate([x.astype(np.float64), np.zeros((*x.shape[:2], 1))], 2)
    return np.stack([(g[n][:, :, None] * x[n][:, index[n]]).sum(0) for n in range(len(x))])


def bag_sums(rows, share, index, starts):
    """Sums of the rows of each bag, one bag at a time."""
    rows = rows.astype(np.float64)
    bags = [slice(a, b) for a, b in itertools.pairwise(starts)]
    return np.stack([share[bag] @ rows[index[bag]] for bag in bags])


def ctc(log_probs, targets, input_lengths, target_lengths, blank):
    """Minus the log of the summed probability of all paths that collapse to the targets, found by trying all paths."""
    _, N, C = log_probs.shape
    out = np.full(N, math.inf)
    for n in range(N):
        wanted = list(targets[n, : target_lengths[n]])
        total = 0.0
        for path in np.ndindex(*[C] * input_lengths[n]):
            labels = [c for i, c in enumerate(path) if c != blank and (i == 0 or path[i - 1] != c)]
            if labels == wanted:
                total += math.exp(sum(float(log_probs[t, n, c]) for t, c in enumerate(path)))
        out[n] = -math.log(total) if total else math.inf
    return out


def ctc_input(g, log_probs, targets, input_lengths, target_lengths, blank, step=1e-5):
    """Central differences of `ctc`."""
    out = np.zeros(log_probs.shape)
    for place in np.ndindex(log_probs.shape):
        above, below = log_probs.astype(np.float64), log_probs.astype(np.float64)
        above[place] += step
        below[place] -= step
        losses = [ctc(x, targets, input_lengths, target_lengths, blank)[place[1]] for x in (above, below)]
        out[place] = 0 if math.isinf(losses[0]) else g[place[1]] * (losses[0] - losses[1]) / (2 * step)
    return out


def _attention_weights(q, k, mask, scale, causal):
    scores = q.astype(np.float64) @ k.astype(np.float64).swapaxes(-1, -2) * scale
    if causal:
        mask = np.tri(*scores.shape[-2:], dtype=bool)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    largest = scores.max(-1, keepdims=True)
    largest[np.isneginf(largest)] = 0
    total = np.exp(scores - largest).sum(-1, keepdims=True)
    return np.exp(scores - largest) / np.where(total == 0, 1, total), largest[..., 0], total[..., 0]


def attention(q, k, v, mask=None, *, scale, causal=False, kept=1.0):
    """Attention by the matrix of weights, which dropout multiplies by `kept`; the largest scores, the sums."""
    weights, largest, total = _attention_weights(q, k, mask, scale, causal)
    return (weights * kept) @ v.astype(np.float64), largest, total


def attention_input(g, q, k, v, mask=None, *, scale, causal=False, kept=1.0):
    """Gradients of `attention` in q, k and v."""
    g, q, k, v = (x.astype(np.float64) for x in (g, q, k, v))
    weights = _attention_weights(q, k, mask, scale, causal)[0]
    through = g @ v.swapaxes(-1, -2) * kept
    slopes = weights * (through - (weights * through).sum(-1, keepdims=True)) * scale
    return slopes @ k, slopes.swapaxes(-1, -2) @ q, (weights * kept).swapaxes(-1, -2) @ g
