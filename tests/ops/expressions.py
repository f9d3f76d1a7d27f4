"""Calls of public functions as expressions that PyTorch understands too, with the arrays that their names stand for."""

import numpy as np

rng = np.random.default_rng(11)


def normal(*shape):
    return rng.standard_normal(shape)


def positive(*shape):
    return rng.uniform(0.3, 2.0, shape)


def unit(*shape):
    return rng.uniform(-0.9, 0.9, shape)


X, Y, V, P, U = normal(3, 4), normal(3, 4), normal(4), positive(3, 4), unit(3, 4)
B, C3 = normal(2, 3, 4), normal(2, 4, 3)
I = rng.integers(0, 3, (2, 4))
M = rng.random((3, 4)) < 0.5
IMAGES, SEQUENCES = normal(2, 4, 6, 5), normal(2, 4, 7)
LOGITS, CLASSES, TARGET = normal(5, 3), rng.integers(0, 3, 5), rng.uniform(0, 1, (5, 3))
SIGNS = np.array([1.0, -1, 1, 1, -1])

CALLS = [
    *[
        (f"{name}(x)", [X])
        for name in [
            "abs",
            "ceil",
            "cos",
            "cosh",
            "erf",
            "exp",
            "expm1",
            "floor",
            "frac",
            "neg",
            "relu",
            "round",
            "sigmoid",
            "sign",
            "sin",
            "sinh",
            "square",
            "tan",
            "tanh",
            "trunc",
            "asinh",
            "atan",
            "nonzero",
            "isnan",
            "isfinite",
            "isinf",
            "flatten",
            "sum",
            "mean",
            "var",
            "std",
            "prod",
            "max",
            "min",
            "amax",
            "amin",
            "argmax",
            "argmin",
            "median",
            "sort",
            "argsort",
            "any",
            "all",
            "count_nonzero",
            "norm",
            "diag",
            "tril",
            "triu",
            "logical_not",
            "std_mean",
            "var_mean",
        ]
    ],
    *[(f"{name}(p)", [P], "p") for name in ["log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt"]],
    *[(f"{name}(u)", [U], "u") for name in ["acos", "asin", "atanh"]],
    *[
        (f"{name}(x, y)", [X, Y], "x y")
        for name in [
            "add",
            "sub",
            "mul",
            "div",
            "maximum",
            "minimum",
            "fmax",
            "fmin",
            "atan2",
            "remainder",
            "fmod",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "logical_and",
            "logical_or",
            "logical_xor",
            "cdist",
        ]
    ],
    ("pow(p, y)", [P, Y], "p y"),
    ("acosh(p + 1)", [P], "p"),
    ("lerp(x, y, 0.3)", [X, Y], "x y"),
    ("clamp(x, -0.5, 0.5)", [X]),
    ("clamp(x, max=0.5)", [X]),
    ("clamp(x, y, v)", [X, Y, V], "x y v"),
    ("where(x > 0, x, y)", [X, Y], "x y"),
    ("masked_fill(x, m, 3.0)", [X, M], "x m"),
    ("masked_select(x, m)", [X, M], "x m"),
    *[
        (f"{name}(x, 1)", [X])
        for name in [
            "cumsum",
            "cumprod",
            "logcumsumexp",
            "softmax",
            "log_softmax",
            "logsumexp",
            "max",
            "min",
            "argmax",
            "median",
            "sort",
            "argsort",
            "unbind",
            "topk",
            "kthvalue",
            "chunk",
            "split",
        ]
    ],
    *[
        (f"{name}(x, 0, keepdim=True)", [X])
        for name in ["sum", "mean", "amax", "amin", "argmin", "any", "all", "prod", "max", "logsumexp", "var", "std"]
    ],
    ("var(x, 1, correction=0)", [X]),
    ("sum(b, (0, 2))", [B], "b"),
    ("norm(x, 3, 1)", [X]),
    ("norm(x, 1)", [X]),
    ("norm(x, inf, 0)", [X]),
    ("sort(x, descending=True)", [X]),
    ("topk(x, 2, largest=False)", [X]),
    ("cumsum(m, 0)", [M], "m"),
    ("reshape(b, (4, -1))", [B], "b"),
    ("permute(b, (2, 0, 1))", [B], "b"),
    ("transpose(b, 0, -1)", [B], "b"),
    ("movedim(b, 0, -1)", [B], "b"),
    ("flatten(b, 1)", [B], "b"),
    ("unflatten(x, 1, (2, -1))", [X]),
    ("unsqueeze(x, -1)", [X]),
    ("squeeze(unsqueeze(x, 0))", [X]),
    ("cat([x, y], 1)", [X, Y], "x y"),
    ("stack([x, y], -1)", [X, Y], "x y"),
    ("split(x, [1, 3], 1)", [X]),
    ("chunk(x, 3, 1)", [X]),
    ("flip(b, (0, 2))", [B], "b"),
    ("roll(b, (1, -1), (0, 2))", [B], "b"),
    ("roll(b, 2)", [B], "b"),
    ("tile(x, (2, 1, 2))", [X]),
    ("repeat_interleave(x, 2, 1)", [X]),
    ("narrow(x, 1, 1, 2)", [X]),
    ("select(x, 1, -1)", [X]),
    ("diagonal(b, 1, 1, 2)", [B], "b"),
    ("diag_embed(x)", [X]),
    ("tril(b, -1)", [B], "b"),
    ("meshgrid(v, x[0], indexing='xy')", [V, X], "v x"),
    ("gather(x, 0, i)", [X, I], "x i"),
    ("take_along_dim(x, i, 0)", [X, I], "x i"),
    ("take(x, i)", [X, I], "x i"),
    ("scatter(x, 0, i[:1], y[:1])", [X, I, Y], "x i y"),
    ("scatter_add(x, 0, i, y[:2])", [X, I, Y], "x i y"),
    ("index_select(x, 1, i[0])", [X, I], "x i"),
    ("index_add(x, 0, i[0, :3], y, alpha=2)", [X, I, Y], "x i y"),
    ("index_fill(x, 0, i[0], 2.0)", [X, I], "x i"),
    ("matmul(b, c)", [B, C3], "b c"),
    ("bmm(b, c)", [B, C3], "b c"),
    ("mv(x, v)", [X, V], "x v"),
    ("dot(v, v)", [V], "v"),
    ("outer(v, v)", [V], "v"),
    ("addmm(x, y, diag(v), beta=0.5, alpha=2)", [X, Y, V], "x y v"),
    ("baddbmm(b[:, :, :3], b, c)", [B, C3], "b c"),
    ("tensordot(b, c, ([2, 0], [1, 0]))", [B, C3], "b c"),
    ("einsum('bij,bjk->ik', b, c)", [B, C3], "b c"),
    ("einsum('...ij,...jk', b, c)", [B, C3], "b c"),
    ("trace(x)", [X]),
    ("cosine_similarity(x, y)", [X, Y], "x y"),
    ("unique(i)", [I], "i"),
    ("floor_divide(i, 2)", [I], "i"),
    ("bincount(i.flatten(), minlength=5)", [I], "i"),
    ("histc(x, 5, -1, 1)", [X]),
]

FUNCTIONAL = [
    *[
        (f"F.{name}(x)", [X])
        for name in [
            "relu6",
            "leaky_relu",
            "elu",
            "celu",
            "selu",
            "gelu",
            "silu",
            "mish",
            "softplus",
            "softsign",
            "hardtanh",
            "hardswish",
            "hardsigmoid",
            "logsigmoid",
            "glu",
            "tanhshrink",
            "hardshrink",
            "softshrink",
            "normalize",
        ]
    ],
    ("F.gelu(x, approximate='tanh')", [X]),
    ("F.threshold(x, 0.1, 2.0)", [X]),
    ("F.prelu(b, p[0, :3])", [B, P], "b p"),
    ("F.pad(a, (1, 2, 0, 1), 'reflect')", [IMAGES], "a"),
    ("F.pad(a, (1, 2, 0, 1), 'replicate')", [IMAGES], "a"),
    ("F.pad(a, (1, 2, 0, 1), 'circular')", [IMAGES], "a"),
    ("F.pad(a, (1, -2), value=0.5)", [IMAGES], "a"),
    *[
        (f"F.interpolate(a, {settings})", [IMAGES], "a")
        for settings in (
            "(4, 9)",
            "scale_factor=1.7",
            "(4, 9), mode='nearest-exact'",
            "(4, 9), mode='bilinear'",
            "scale_factor=(1.7, 0.6), mode='bilinear'",
            "(4, 9), mode='bilinear', align_corners=True",
            "(4, 3), mode='area'",
        )
    ],
    ("F.interpolate(s, scale_factor=2.3, mode='linear')", [SEQUENCES], "s"),
    ("F.unfold(a, (2, 3), 1, (0, 1), 2)", [IMAGES], "a"),
    ("F.fold(F.unfold(a, 2, 1, 1, 2), (6, 5), 2, 1, 1, 2)", [IMAGES], "a"),
    ("F.pixel_shuffle(a, 2)", [IMAGES], "a"),
    ("F.pixel_unshuffle(a[:, :, :, :4], 2)", [IMAGES], "a"),
    ("F.conv1d(s, w, v[:2], 2, 1, 2, 2)", [SEQUENCES, normal(2, 2, 3), V], "s w v"),
    ("F.conv2d(a, w, None, (2, 1), (1, 0), (1, 2), 2)", [IMAGES, normal(2, 2, 3, 2)], "a w"),
    ("F.conv_transpose2d(a, w, v[:2], (2, 3), 1, (1, 0), 2, (1, 2))", [IMAGES, normal(4, 1, 3, 2), V], "a w v"),
    ("F.conv_transpose1d(s, w, v[:3], 3, 2, 1, 1, 2)", [SEQUENCES, normal(4, 3, 3), V], "s w v"),
    ("F.max_pool2d(a, (3, 2), 2, 1, 1, True)", [IMAGES], "a"),
    ("F.max_pool2d(a, 3, 2, 1, return_indices=True)", [IMAGES], "a"),
    ("F.max_pool2d(a, 2, 1, 0, (2, 1), return_indices=True)", [IMAGES], "a"),
    ("F.max_unpool2d(*F.max_pool2d(a[..., :4], 2, return_indices=True), 2)", [IMAGES], "a"),
    ("F.max_pool1d(s, 3, 2, 1, return_indices=True)", [SEQUENCES], "s"),
    ("F.avg_pool2d(a, 3, 2, 1, True, False)", [IMAGES], "a"),
    ("F.avg_pool1d(s, 3, 2, 1)", [SEQUENCES], "s"),
    ("F.adaptive_avg_pool2d(a, (4, None))", [IMAGES], "a"),
    ("F.adaptive_max_pool2d(a, (4, 3), True)", [IMAGES], "a"),
    ("F.adaptive_avg_pool1d(s, 4)", [SEQUENCES], "s"),
    ("F.adaptive_max_pool1d(s, 4)", [SEQUENCES], "s"),
    ("F.lp_pool2d(a, 2, 2)", [IMAGES], "a"),
    ("F.local_response_norm(a, 3, 0.1)", [IMAGES], "a"),
    ("F.batch_norm(a, None, None, v, v, True)", [IMAGES, V], "a v"),
    ("F.layer_norm(x, (4,), v, v)", [X, V], "x v"),
    ("F.group_norm(a, 2, v, v)", [IMAGES, V], "a v"),
    ("F.instance_norm(a, None, None, v, v)", [IMAGES, V], "a v"),
    ("F.rms_norm(x, (4,), v)", [X, V], "x v"),
    ("F.pairwise_distance(x, y)", [X, Y], "x y"),
    ("F.embedding(i, x, 1)", [I, X], "i x"),
    ("F.one_hot(i)", [I], "i"),
    ("F.scaled_dot_product_attention(b, b, b, is_causal=True)", [B], "b"),
    ("F.scaled_dot_product_attention(b, b, b, m[:, :3])", [B, M | np.eye(3, 4, dtype=bool)], "b m"),
    ("F.scaled_dot_product_attention(b, b, b, x[:, :3])", [B, X], "b x"),
]

SQUARE, TALL, WIDE, BATCH = normal(3, 3), normal(4, 2), normal(2, 4), normal(2, 3, 3)
MATRICES = [
    *[
        (f"{name}(x)", [array])
        for array in (SQUARE, BATCH)
        for name in ["linalg.inv", "linalg.det", "linalg.slogdet", "logdet", "slogdet", "det", "inverse", "matrix_exp",
                     "linalg.eigvalsh", "linalg.cond", "linalg.lu_factor", "linalg.vander", "linalg.diagonal"]
    ],
    *[
        (f"linalg.{name}(x)", [array])
        for array in (SQUARE, TALL, WIDE, BATCH)
        for name in ["pinv", "svdvals", "matrix_rank", "qr", "lu", "matrix_norm", "vector_norm"]
    ],
    *[(f"linalg.matrix_norm(x, {p}, dim=(0, 1))", [BATCH]) for p in ["'nuc'", "2", "-2", "1", "-1", "inf", "-inf"]],
    *[(f"linalg.norm(x, {settings})", [SQUARE]) for settings in ["dim=1", "'fro'", "2", "1, 0", "3, 0, True", "-inf"]],
    *[(f"linalg.vector_norm(x, {settings})", [TALL]) for settings in ["0", "0.5", "3, 1", "-1, 0", "inf", "-inf, 1"]],
    *[(f"linalg.cond(x, {p})", [BATCH]) for p in ["2", "-2", "'nuc'"]],
    *[(f"linalg.cond(x.detach(), {p})", [BATCH]) for p in ["'fro'", "1", "inf"]],  # PyTorch's gradient raises
    *[(f"matrix_power(x, {n})", [BATCH]) for n in (-3, 0, 1, 4)],
    ("norm(x, 'nuc')", [SQUARE]),
    ("linalg.cholesky(x @ x.mT + eye(3, dtype=float64))", [BATCH]),
    ("linalg.cholesky(x @ x.mT, upper=True)", [SQUARE]),
    ("cholesky(x @ x.mT)", [SQUARE]),
    ("linalg.cholesky_ex(x @ x.mT).L", [SQUARE]),
    ("linalg.cholesky_ex(eye(3) - 1).info", []),
    ("linalg.eigh(x + x.mT).eigenvectors.abs()", [BATCH]),
    ("linalg.eigh(x, 'U').eigenvalues", [BATCH]),
    ("linalg.svd(x, False).U.abs()", [TALL]),
    ("linalg.svd(x).Vh[:2].abs()", [WIDE]),
    ("linalg.svd(x).Vh.abs()", [SQUARE]),
    ("svd(x).V.abs()", [WIDE]),
    ("linalg.qr(x, 'complete').R", [WIDE]),
    ("qr(x)", [TALL]),
    ("pinverse(x)", [TALL]),
    ("linalg.pinv(x + x.mT, hermitian=True)", [SQUARE]),
    ("linalg.pinv(x, rtol=0.5)", [SQUARE]),
    ("linalg.solve(x, y)", [SQUARE, TALL[:3]], "x y"),
    ("linalg.solve(x, y)", [BATCH, TALL[:3]], "x y"),
    ("linalg.solve(x, y[0])", [SQUARE, SQUARE], "x y"),
    ("linalg.solve(x, y[:2])", [BATCH, SQUARE], "x y"),
    ("linalg.solve(x, y, left=False)", [BATCH, SQUARE], "x y"),
    ("linalg.solve_ex(x, y)", [BATCH, SQUARE], "x y"),
    ("linalg.inv_ex(x)", [BATCH]),
    ("linalg.solve_triangular(x, y, upper=True)", [BATCH, SQUARE], "x y"),
    ("linalg.solve_triangular(x, y, upper=False, left=False, unitriangular=True)", [BATCH, SQUARE], "x y"),
    ("triangular_solve(y, x, transpose=True)", [SQUARE, SQUARE + 1], "x y"),
    ("cholesky_solve(y, x.tril())", [BATCH, BATCH + 1], "x y"),
    ("cholesky_inverse(x.triu(), upper=True)", [SQUARE]),
    ("linalg.lstsq(x, y).solution", [TALL, normal(4, 3)], "x y"),
    ("linalg.lstsq(x, y)", [TALL.T[None] + 1, normal(1, 2, 3)], "x y"),
    ("linalg.lstsq(x, y, driver='gels').residuals", [TALL, normal(4, 3)], "x y"),
    ("linalg.lstsq(x.detach(), y.detach(), driver='gelsd')", [TALL, normal(4, 3)], "x y"),
    ("linalg.lu_solve(*linalg.lu_factor(x), y)", [BATCH, SQUARE], "x y"),
    ("linalg.lu_solve(*linalg.lu_factor(x), y.mT, left=False, adjoint=True)", [SQUARE, SQUARE + 1], "x y"),
    ("lu_solve(y, *linalg.lu_factor(x))", [SQUARE, SQUARE + 1], "x y"),
    ("linalg.multi_dot([x, y, x, y[:, 0]])", [TALL, WIDE], "x y"),
    ("chain_matmul(x, y, x)", [TALL, WIDE], "x y"),
    ("linalg.vecdot(x, y)", [SQUARE, SQUARE + 1], "x y"),
    ("linalg.cross(x, y)", [SQUARE, SQUARE + 1], "x y"),
    ("linalg.tensorinv(x.reshape(3, 3, 1), ind=1)", [SQUARE]),
    ("linalg.tensorsolve(x, y[0])", [SQUARE, SQUARE + 1], "x y"),
    ("x.det() + x.logdet() + x.slogdet()[1] + x.inverse().sum() + x.matrix_power(2).sum()", [BATCH @ BATCH.mT]),
]

GRID, VOLUMES, POINTS = normal(2, 5, 4, 2) * 0.8, normal(2, 2, 3, 4, 3), normal(2, 2, 3, 2, 3) * 0.8
PLACES, MANY = rng.integers(0, 3, (3, 4)), rng.integers(0, 3, 9)
SAMPLES = [
    *[
        (f"F.grid_sample(a, z, '{mode}', '{padding}', {aligned})", [IMAGES, GRID], "a z")
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for aligned in (False, True)
    ],
    *[
        (f"F.grid_sample(a, z, '{mode}', '{padding}', {aligned})", [VOLUMES, POINTS], "a z")
        for mode in ("bilinear", "nearest")
        for padding, aligned in (("zeros", False), ("border", True), ("reflection", True), ("reflection", False))
    ],
    ("F.affine_grid(a, (2, 3, 4, 5), False)", [normal(2, 2, 3)], "a"),
    ("F.affine_grid(a, (2, 3, 1, 5), True)", [normal(2, 2, 3)], "a"),
    ("F.affine_grid(a, (1, 1, 3, 4, 2))", [normal(1, 3, 4)], "a"),
    *[
        (f"F.interpolate(a, {settings})", [IMAGES], "a")
        for settings in (
            "(4, 9), mode='bicubic'",
            "scale_factor=1.7, mode='bicubic'",
            "(4, 9), mode='bicubic', align_corners=True",
            "(4, 9), mode='bicubic', antialias=True",
            "(2, 2), mode='bicubic', antialias=True",
            "scale_factor=0.4, mode='bilinear', antialias=True",
            "(3, 2), mode='bilinear', antialias=True, align_corners=True",
        )
    ],
    *[
        (f"F.interpolate(a, {settings})", [VOLUMES], "a")
        for settings in ("(4, 2, 5)", "(4, 2, 5), mode='trilinear'", "scale_factor=2, mode='nearest-exact'",
                         "(4, 2, 5), mode='trilinear', align_corners=True", "(2, 2, 2), mode='area'")
    ],
    ("F.channel_shuffle(a, 2)", [IMAGES], "a"),
    *[
        (f"scatter_reduce(x, 1, i, y, '{reduction}', include_self={own})", [X, PLACES, Y], "x i y")
        for reduction in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    ("x.scatter_reduce(0, i, y.round(), 'amax')", [X.round(), PLACES, Y], "x i y"),
    *[
        (f"index_reduce(x, 0, i, s, '{reduction}', include_self={own})", [X, MANY, normal(9, 4)], "x i s")
        for reduction in ("prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    ("scatter(x.detach(), 0, i, y[:2].detach(), reduce='add')", [X, I, Y], "x i y"),
    ("scatter(x.detach(), 0, i, 2.0, reduce='multiply')", [X, I], "x i"),
    ("masked_scatter(x, m, y)", [X, M, Y], "x m y"),
    ("as_strided(x, (2, 3), (1, 2), 1)", [X]),
    *[
        (f"F.embedding_bag(i, x, o, mode='{mode}', padding_idx={padding})", [MANY, X, np.array([0, 4, 4, 7])], "i x o")
        for mode in ("sum", "mean", "max")
        for padding in (None, 1)
    ],
    ("F.embedding_bag(i, x, mode='sum', per_sample_weights=u[:2])", [I, X, U], "i x u"),
    ("F.embedding_bag(i, x, o, mode='mean', include_last_offset=True)", [MANY, X, np.array([0, 4, 9])], "i x o"),
    *[
        (f"F.ctc_loss(a.log_softmax(2), i, o, v, {settings})", [normal(6, 3, 4), labels, lengths, targets], "a i o v")
        for labels, lengths, targets in (
            (rng.integers(1, 4, (3, 3)), np.array([6, 5, 4]), np.array([3, 1, 2])),
            (rng.integers(1, 4, 6), np.array([6, 5, 4]), np.array([3, 1, 2])),
        )
        for settings in ("0", "0, 'sum'", "0, 'none'", "0, 'mean', True")
    ],
    ("F.ctc_loss(a.log_softmax(1), i, o, v, blank=2)",
     [normal(6, 4), np.array([1, 1, 3]), np.array(6), np.array(3)], "a i o v"),
    ("F.ctc_loss(a.log_softmax(2), i, o, v, zero_infinity=True)",
     [normal(3, 2, 4), np.array([[1, 1], [2, 3]]), np.array([2, 3]), np.array([2, 2])], "a i o v"),
    ("F.pdist(x)", [X]),
    ("pdist(x, 1.5)", [X]),
    ("F.lp_pool1d(s, 3, 3, 2, True)", [positive(2, 3, 8)], "s"),
    ("F.lp_pool3d(a, 2, 2)", [VOLUMES], "a"),
    ("F.max_unpool1d(*F.max_pool1d(s, 2, return_indices=True), 2)", [SEQUENCES], "s"),
    ("F.max_unpool3d(*F.max_pool3d(a, 2, 1, return_indices=True), 2, 1)", [VOLUMES[:, :, :2, :2, :2]], "a"),
    ("nn.TripletMarginWithDistanceLoss(margin=0.3)(x, y, y * 2)", [X, Y], "x y"),
    *[(f"F.multilabel_margin_loss(x, i, reduction='{reduction}')", [X, np.array([[3, 0, -1, 1], [1, -1, 0, 0],
       [0, 1, 2, 3]])], "x i") for reduction in ("mean", "sum", "none")],
]

SPECIAL = [
    *[(f"special.{name}(x)", [X * 3]) for name in
      ("gammaln", "digamma", "erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i0e", "i1", "i1e", "sinc", "exp2", "expit")],
    *[(f"{name}(x)", [X]) for name in ("lgamma", "digamma", "erfc", "sinc", "i0")],
    *[(f"special.{name}(u)", [U], "u") for name in ("erfinv",)],
    *[(f"special.{name}(p / 2.5)", [P], "p") for name in ("ndtri", "entr", "logit")],
    *[(f"polygamma({n}, x)", [X]) for n in (0, 1, 2, 3)],
    ("special.zeta(3.0, x)", [X]),
    ("special.multigammaln(p + 1, 3)", [P], "p"),
    ("mvlgamma(p + 1, 2)", [P], "p"),
    *[(f"special.{name}(g, p * 2)", [positive(3, 4), P], "g p") for name in ("gammainc", "gammaincc")],
    *[(f"special.{name}(x, p)", [X, P], "x p") for name in ("xlogy", "xlog1py")],
    ("xlogy(x, y)", [np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.0, -1.0, 3.0, 4.0])], "x y"),
    ("special.entr(g)", [np.array([0.0, -1.0, 1.0])], "g"),
    ("copysign(x, y)", [X, Y], "x y"),
    ("copysign(x, -2.0)", [np.array([0.0, 1.0, -1.0])]),
    ("hypot(x, y)", [X, Y], "x y"),
    ("float_power(p, y)", [P, Y], "p y"),
    ("float_power(i, 0.5)", [I], "i"),
    ("ldexp(x, y)", [X, Y], "x y"),
    ("ldexp(x, i)", [X, I[:1]], "x i"),
    ("frexp(x.detach())", [X]),
    ("logaddexp2(x, y)", [X, Y], "x y"),
    ("x.lgamma() + x.polygamma(1) + x.erfc() + x.hypot(x) + x.copysign(x)", [X]),
]

HOLES = np.where(rng.random((4, 5)) < 0.3, np.nan, normal(4, 5))
ATTENTION = "F.multi_head_attention_forward(b, b * 2, b + 1, 4, 2, {}, {}, {}, 0.0, w, v, {})"
SINGLES = [
    (ATTENTION.format("cat([w, w * 2, -w])", "v.repeat(3)", "v[None, None], v[None, None], True",
                      "key_padding_mask=tensor([[False, True], [False, False], [False, False]])"),
     [B, normal(4, 4), V], "b w v"),
    (ATTENTION.format("None", "None", "None, None, False", "use_separate_proj_weight=True, q_proj_weight=w, "
                      "k_proj_weight=w, v_proj_weight=w.T, need_weights=False, "
                      "attn_mask=tensor([[0.0, -inf], [0, 0]])") + "[0]",
     [B, normal(4, 4), V], "b w v"),
    ("F.multi_head_attention_forward(x, x, x, 4, 2, cat([w, w, w]), None, None, None, False, 0.0, w, None, "
     "average_attn_weights=False)", [X, normal(4, 4)], "x w"),
    ("select_scatter(x, y[:, 0], 1, -1)", [X, Y], "x y"),
    ("slice_scatter(x, y[:, :2], 1, 1, None, 2)", [X, Y], "x y"),
    ("diagonal_scatter(x, y[0, :3], 1)", [X, Y], "x y"),
    ("put(x, i, y[:2])", [X, np.array([[0, 3, -1, 5], [7, 8, 9, 2]]), Y], "x i y"),
    ("put(x, i, y[:2], accumulate=True)", [X, I, Y], "x i y"),
    ("diagflat(x, 1)", [X]),
    ("block_diag(x, v, y)", [X, V, Y], "x v y"),
    ("combinations(v, 3)", [V], "v"),
    ("combinations(v, with_replacement=True)", [V], "v"),
    ("dsplit(b, 2)", [B], "b"),
    ("msort(x)", [X]),
    ("addbmm(x[:, :3], b[:, :, :3].mT, b[:, :, :3], beta=0.5, alpha=2)", [X, B], "x b"),
    ("addr(x, v[:3], v, beta=0.5, alpha=2)", [X, V], "x v"),
    ("vdot(v, v)", [V], "v"),
    ("trapezoid(x, y, dim=0)", [X, Y], "x y"),
    ("trapz(x, v)", [X, V], "x v"),
    ("cumulative_trapezoid(x, dx=0.5, dim=0)", [X]),
    ("gradient(x)", [X]),
    ("gradient(x, spacing=(0.5, 2.0), edge_order=2)", [X]),
    ("gradient(x, spacing=[v], dim=1)", [X, np.cumsum(positive(4))], "x v"),
    ("mode(i, 1)", [np.array([[1, 2, 2, 1], [3, 0, 0, 0]])], "i"),
    ("mode(x, 0, keepdim=True)", [np.round(normal(6, 3))]),
    ("nanmedian(x)", [HOLES]),
    ("nanmedian(x, 1)", [HOLES]),
    ("nanmedian(x, 0, keepdim=True)", [HOLES]),
    *[(f"nanquantile(x, 0.4, 1, interpolation='{way}')", [HOLES]) for way in ("linear", "lower", "higher", "midpoint",
                                                                              "nearest")],
    ("nanquantile(x, g, 0, True)", [HOLES, np.array([0.2, 0.7])], "x g"),
    ("nanquantile(x, 0.3, keepdim=True)", [HOLES]),
    ("renorm(x, 1.5, 1, 0.7)", [X]),
    ("x.clone().put_(i, y[:2]).scatter_(1, i, 2.0)", [X, I % 3, Y], "x i y"),
    ("x.clone().scatter_reduce_(0, i, y[:2], 'amax')", [X, I, Y], "x i y"),
    ("x.clone().renorm_(2, 0, 0.5)", [X]),
]

LOSSES = [
    (f"F.{call.format(reduction)}", arrays, names)
    for reduction in ("mean", "sum", "none")
    for call, arrays, names in [
        ("cross_entropy(l, k, reduction='{}')", [LOGITS, CLASSES], "l k"),
        (
            "cross_entropy(l, k, g, ignore_index=1, reduction='{}', label_smoothing=0.2)",
            [LOGITS, CLASSES, positive(3)],
            "l k g",
        ),
        ("cross_entropy(l, t, reduction='{}', label_smoothing=0.1)", [LOGITS, TARGET], "l t"),
        ("nll_loss(l, k, reduction='{}')", [LOGITS, CLASSES], "l k"),
        ("mse_loss(l, t, reduction='{}')", [LOGITS, TARGET], "l t"),
        ("l1_loss(l, t, reduction='{}')", [LOGITS, TARGET], "l t"),
        ("smooth_l1_loss(l, t, reduction='{}', beta=0.5)", [LOGITS, TARGET], "l t"),
        ("huber_loss(l, t, reduction='{}', delta=0.5)", [LOGITS, TARGET], "l t"),
        ("binary_cross_entropy(q, t, reduction='{}')", [rng.uniform(0.1, 0.9, (5, 3)), TARGET], "q t"),
        (
            "binary_cross_entropy_with_logits(l, t, reduction='{}', pos_weight=g)",
            [LOGITS, TARGET, positive(3)],
            "l t g",
        ),
        ("kl_div(l, t, reduction='{}')", [LOGITS, TARGET], "l t"),
        ("kl_div(l, t, reduction='{}', log_target=True)", [LOGITS, TARGET], "l t"),
        ("gaussian_nll_loss(l, t, q, full=True, reduction='{}')", [LOGITS, TARGET, positive(5, 3)], "l t q"),
        ("poisson_nll_loss(l, t, reduction='{}')", [LOGITS, TARGET], "l t"),
        ("hinge_embedding_loss(l[:, 0], g, reduction='{}')", [LOGITS, SIGNS], "l g"),
        ("margin_ranking_loss(l[:, 0], l[:, 1], g, reduction='{}')", [LOGITS, SIGNS], "l g"),
        ("cosine_embedding_loss(l, t, g, 0.1, reduction='{}')", [LOGITS, TARGET, SIGNS], "l t g"),
        ("triplet_margin_loss(l, t, t * t, reduction='{}')", [LOGITS, TARGET], "l t"),
        ("soft_margin_loss(l[:, 0], g, reduction='{}')", [LOGITS, SIGNS], "l g"),
        ("multilabel_soft_margin_loss(l, t, reduction='{}')", [LOGITS, TARGET], "l t"),
        ("multi_margin_loss(l, k, reduction='{}')", [LOGITS, CLASSES], "l k"),
    ]
]

N, D = rng.integers(-4, 5, (3, 4)), rng.integers(1, 4, (3, 4))  # n and d: integers that are values, not places
SORTED = np.sort(normal(3, 5), -1)
COMPLEX = normal(3, 4) + 1j * normal(3, 4)

OPERATORS = [
    *[(f"x {sign} y", [X, Y], "x y") for sign in ("+", "-", "*", "/", "%", "<", "==")],
    *[(f"x {sign} 1.5", [X]) for sign in ("+", "-", "*", "/", "%", "<", "==")],
    *[(f"1.5 {sign} x", [X]) for sign in ("+", "-", "*", "/", ">=", "!=")],
    *[(f"x {sign} y[0, 0]", [X, Y], "x y") for sign in ("+", "-", "*", "/", "%")],
    *[(f"y[0, 0] {sign} x", [X, Y], "x y") for sign in ("+", "-", "*", "/", "%")],
    *[(f"p ** {power}", [P], "p") for power in ("2.0", "0.5", "-1.0", "0.0", "3")],
    ("2.5 ** x", [X]),
    ("p ** y[0, 0]", [P, Y], "p y"),
    *[(f"n {sign} d", [N, D], "n d") for sign in ("+", "-", "*", "/", "//", "%", "<", "==", "&", "|", "^")],
    *[(f"n {sign} 2", [N], "n") for sign in ("+", "-", "*", "/", "//", "%", "&", "|", "^", "**", ">=")],
    *[(f"n {sign} 1.5", [N], "n") for sign in ("+", "-", "*", "/", "//", "%", "**", ">")],
    *[(f"2 {sign} d", [D], "d") for sign in ("+", "-", "*", "/", "//", "%", "**")],
    *[(f"x {sign} n", [X, N], "x n") for sign in ("+", "-", "*", "/", "<")],
    *[(f"{name}(n, d)", [N, D], "n d") for name in
      ("floor_divide", "remainder", "fmod", "true_divide", "gcd", "lcm", "maximum", "fmin", "bitwise_and",
       "bitwise_xor", "atan2", "copysign", "logical_and", "float_power", "inner", "kron")],
    *[(f"div(n, d, rounding_mode='{mode}')", [N, D], "n d") for mode in ("trunc", "floor")],
    *[(f"div(x, y, rounding_mode='{mode}')", [X, Y], "x y") for mode in ("trunc", "floor")],
    *[(f"{name}(n)", [N], "n") for name in
      ("sum", "prod", "abs", "neg", "sign", "square", "sqrt", "exp", "sigmoid", "bitwise_not", "max", "amin", "argmax",
       "sort", "median", "reciprocal", "floor", "round", "trunc", "any", "all", "count_nonzero", "relu", "logical_not",
       "nonzero", "unique", "tril", "trace", "aminmax", "signbit", "isnan", "log1p", "F.relu6",
       "F.hardtanh", "nansum", "diff", "positive", "sgn", "cov")],
    *[(f"{name}(n, 1)", [N], "n") for name in ("cumsum", "cumprod", "sum", "prod", "amax", "cummax", "cummin",
                                               "logsumexp", "topk", "argsort")],
    ("sum(n, 0, dtype=int32)", [N], "n"),
    ("cumsum(n, 0, dtype=float32)", [N], "n"),
    ("mean(n, 0, dtype=float64)", [N], "n"),
    ("prod(x, 1, dtype=float64)", [X]),
    ("clamp(n, 1, 3)", [N], "n"),
    ("clamp(n, -0.5, 1.5)", [N], "n"),
    ("clamp(n, max=d)", [N, D], "n d"),
    ("where(n > 0, n, d)", [N, D], "n d"),
    ("where(n > 0, n, 1.5)", [N], "n"),
    ("where(n > 0, 0.5, x)", [N, X], "n x"),
    ("cat([n, d, x])", [N, D, X], "n d x"),
    ("stack([n, d])", [N, D], "n d"),
    ("matmul(n, d.mT)", [N, D], "n d"),
    ("n.T @ d", [N, D], "n d"),
    ("masked_fill(n, n > 0, 7)", [N], "n"),
    ("isin(n, d)", [N, D], "n d"),
    ("bincount(d.flatten() % 7)", [D], "d"),
    ("scatter_add(n, 0, i, d[:2])", [N, I, D], "n i d"),
    ("index_add(n, 0, i[0, :3], d, alpha=2)", [N, I, D], "n i d"),
]

IN_PLACE = [
    *[(f"x.clone().{name}_(y)", [X, Y], "x y") for name in
      ("add", "sub", "mul", "div", "copy", "remainder", "fmod", "clamp_min", "clamp_max", "eq", "lt", "ge")],
    *[(f"x.clone().{name}_(1.5)", [X]) for name in ("add", "sub", "mul", "div", "fill", "remainder", "fmod",
                                                    "clamp_min", "clamp_max", "gt", "le", "ne")],
    *[(f"x.clone().{name}_()", [X]) for name in
      ("abs", "ceil", "cos", "cosh", "erf", "exp", "expm1", "floor", "frac", "neg", "relu", "round", "sigmoid", "sign",
       "sin", "sinh", "square", "tan", "tanh", "trunc", "atan", "zero", "nan_to_num", "tril",
       "triu", "t")],
    *[(f"p.clone().{name}_()", [P], "p") for name in ("log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt")],
    *[(f"u.clone().{name}_()", [U], "u") for name in ("acos", "asin")],
    ("p.clone().pow_(y)", [P, Y], "p y"),
    ("p.clone().pow_(2.0)", [P], "p"),
    ("x.clone().add_(y, alpha=0.5)", [X, Y], "x y"),
    ("x.clone().div_(y, rounding_mode='floor')", [X, Y], "x y"),
    ("x.clone().clamp_(-0.5, 0.5)", [X]),
    ("x.clone().lerp_(y, 0.3)", [X, Y], "x y"),
    ("x.clone().addcmul_(y, y, value=0.5)", [X, Y], "x y"),
    ("x.clone().addcdiv_(y, p, value=0.5)", [X, Y, P], "x y p"),
    ("x.clone().addmm_(y[:, :3], y[:3], beta=0.5)", [X, Y], "x y"),
    ("x.clone().masked_fill_(m, 3.0)", [X, M], "x m"),
    ("x.clone().masked_scatter_(m, y)", [X, M, Y], "x m y"),
    ("x.clone().cumsum_(1)", [X]),
    ("x.clone().cumprod_(1)", [X]),
    ("x.clone().index_add_(0, i[0, :3], y)", [X, I, Y], "x i y"),
    ("x.clone().index_copy_(0, i[:1, :1].flatten(), y[:1])", [X, I, Y], "x i y"),
    ("x.clone().index_fill_(0, i[0], 2.0)", [X, I], "x i"),
    ("x.clone().index_put_((i[0],), y[0], accumulate=True)", [X, I, Y], "x i y"),
    ("x.clone().scatter_add_(0, i, y[:2])", [X, I, Y], "x i y"),
    ("x.clone().fill_diagonal_(1.5)", [X]),
    *[(f"n.clone().{name}_(d)", [N, D], "n d") for name in
      ("add", "sub", "mul", "floor_divide", "remainder", "fmod", "copy", "bitwise_and", "bitwise_or",
       "bitwise_xor", "eq")],
    *[(f"n.clone().{name}_(2)", [N], "n") for name in
      ("add", "mul", "floor_divide", "remainder", "pow", "clamp_min", "fill")],
]

MORE = [
    *[(f"{name}(x)", [X]) for name in
      ("deg2rad", "rad2deg", "fliplr", "flipud", "rot90", "nansum", "nanmean", "nan_to_num", "signbit", "aminmax",
       "corrcoef", "cov", "diff", "ravel", "isposinf", "isneginf", "isreal", "atleast_3d", "argwhere",
       "positive", "zeros_like", "ones_like", "angle", "real")],
    *[(f"{name}(x, y)", [X, Y], "x y") for name in
      ("logaddexp", "dist", "inner", "kron", "isclose", "hypot", "rsub", "broadcast_tensors", "isin")],
    *[(f"{name}([x, y])", [X, Y], "x y") for name in
      ("column_stack", "dstack", "hstack", "vstack", "row_stack", "concat")],
    ("addcmul(x, y, y, value=0.5)", [X, Y], "x y"),
    ("addcdiv(x, y, p, value=0.5)", [X, Y, P], "x y p"),
    ("addmv(v[:3], x, v, beta=0.5, alpha=2)", [V, X], "v x"),
    ("mm(x, y.T)", [X, Y], "x y"),
    ("lerp(x, y, p)", [X, Y, P], "x y p"),
    ("clamp_min(x, 0.5)", [X]),
    ("clamp_max(x, y)", [X, Y], "x y"),
    ("clip(x, -0.5)", [X]),
    ("clamp(x, min=y)", [X, Y], "x y"),
    ("cummax(x, 1)", [X]),
    ("cummin(x, 0)", [X]),
    ("nan_to_num(x, 0.5, 2.0, -2.0)", [X]),
    ("nansum(x, 1, keepdim=True)", [X]),
    ("nanmean(x, 0)", [X]),
    *[(f"quantile(x, 0.4, 1, interpolation='{way}')", [X]) for way in
      ("linear", "lower", "higher", "midpoint", "nearest")],
    ("quantile(x, g, 0, True)", [X, np.array([0.2, 0.7])], "x g"),
    ("quantile(x, 0.3)", [X]),
    ("full_like(x, 0.3)", [X]),
    ("diff(x, 2, 0)", [X]),
    ("diff(x, prepend=y[:, :2])", [X, Y], "x y"),
    ("cov(x, correction=0)", [X]),
    ("searchsorted(t, x)", [SORTED, X], "t x"),
    ("searchsorted(t, x, right=True)", [SORTED, X], "t x"),
    ("bucketize(x, v.sort()[0])", [X, V], "x v"),
    ("bucketize(x, v.sort()[0], right=True)", [X, V], "x v"),
    ("index_copy(x, 0, i[0, :1], y[:1])", [X, I, Y], "x i y"),
    ("index_put(x, (i[0], i[1]), y[0], accumulate=True)", [X, I, Y], "x i y"),
    ("cartesian_prod(v, v)", [V], "v"),
    ("tensor_split(x, 3, 1)", [X]),
    ("hsplit(x, 2)", [X]),
    ("vsplit(x, [1])", [X]),
    ("igamma(g, p * 2)", [P, P], "g p"),
    ("igammac(g, p * 2)", [P, P], "g p"),
    ("linspace(0.5, 2.5, 7)", []),
    ("logspace(0.5, 1.5, 5)", []),
    ("arange(0.5, 3.0, 0.5)", []),
    ("full((2, 3), 0.3)", []),
    ("F.softmin(x, 1)", [X]),
    ("F.rrelu(x, 0.1, 0.3)", [X]),
    ("F.elu(x, 0.5)", [X]),
    ("F.celu(x, 0.5)", [X]),
    ("F.leaky_relu(x, 0.3)", [X]),
    ("F.hardtanh(x, -0.5, 0.5)", [X]),
    ("F.hardshrink(x, 0.3)", [X]),
    ("F.softshrink(x, 0.3)", [X]),
    ("F.softplus(x, 2.0, 1.5)", [X]),
    ("F.normalize(x, 3.0, 0)", [X]),
    ("F.linear(x, y, v[:3])", [X, Y, V], "x y v"),
    ("F.bilinear(x, y, w, v[:2])", [X, Y, normal(2, 4, 4), V], "x y w v"),
    ("F.cosine_similarity(x, y, 0)", [X, Y], "x y"),
    ("F.conv3d(a, w, v[:2], (1, 2, 1), 1)", [VOLUMES, normal(2, 2, 2, 3, 2), V], "a w v"),
    ("F.conv_transpose3d(a, w, v[:2], 2, 1, 0)", [VOLUMES, normal(2, 2, 3, 2, 3), V], "a w v"),
    ("F.max_pool3d(a, 2, 1, 1)", [VOLUMES], "a"),
    ("F.avg_pool3d(a, 2, 2, 1)", [VOLUMES], "a"),
    ("F.adaptive_avg_pool3d(a, (2, 3, 2))", [VOLUMES], "a"),
    ("F.adaptive_max_pool3d(a, (2, 3, 2))", [VOLUMES], "a"),
    ("F.batch_norm(a, t, g[0], v, v)", [IMAGES, V, P, V], "a t g v"),
    ("F.group_norm(s, 4)", [SEQUENCES], "s"),
    ("F.embedding(i, x, padding_idx=1)", [I, X], "i x"),
    ("F.pad(x, (1, 2), value=0.5)", [X]),
    ("x[1:, ::2] * y[-2:, 1::2]", [X, Y], "x y"),
    ("x[i[0]] + y[i[1]]", [X, I, Y], "x i y"),
    ("x[m] * 2.0", [X, M], "x m"),
    ("x.expand(2, 3, 4) - y", [X, Y], "x y"),
    ("x.sum() * y + x.mean(0)", [X, Y], "x y"),
    ("einsum('ij,kj->ik', x, y)", [X, Y], "x y"),
    ("einsum('ij,ij->', x, y)", [X, Y], "x y"),
    ("stft(v.repeat(4), 8, 4, window=u[:2].flatten(), return_complex=True)", [V, U], "v u"),
    ("x.var(0, keepdim=True) + y.std(0)", [X, Y], "x y"),
]

COMPLEXES = [
    *[(f"{name}(c)", [COMPLEX], "c") for name in
      ("abs", "angle", "conj_physical", "real", "imag", "neg", "exp", "sqrt", "log", "sin", "cos", "tanh", "square",
       "sum", "mean", "prod", "reciprocal", "view_as_real", "isfinite", "isnan", "sgn", "sinh", "cosh", "norm",
       "flatten", "tril")],
    *[(f"c {sign} z", [COMPLEX, COMPLEX[::-1] + 0.5], "c z") for sign in ("+", "-", "*", "/", "==")],
    *[(f"c {sign} x", [COMPLEX, X], "c x") for sign in ("+", "-", "*", "/")],
    ("c * 1.5 + 0.5", [COMPLEX], "c"),
    ("1.5 / c - 2.5", [COMPLEX], "c"),
    ("c ** 2", [COMPLEX], "c"),
    ("c @ z.mH", [COMPLEX, COMPLEX + 1], "c z"),
    ("complex(x, y)", [X, Y], "x y"),
    ("polar(p, x)", [P, X], "p x"),
    ("cat([c, z], 1)", [COMPLEX, COMPLEX + 1], "c z"),
    ("where(m, c, z)", [M, COMPLEX, COMPLEX + 1], "m c z"),
    ("c.cumsum(1)", [COMPLEX], "c"),
    ("c[i[0]] * 2.0", [COMPLEX, I], "c i"),
]

UNDIFFERENTIATED = [  # PyTorch has no gradient of these, where one is asked for
    *[(call, [X, Y], "x y") for call in
      ("x // y", "x // y[0, 0]", "y[0, 0] // x", "x.clone().floor_divide_(y)", "x.clone().logical_and_(y)",
       "x.clone().logical_or_(y)", "heaviside(x, y)", "heaviside(x.round(), y)", "nextafter(x, y)")],
    *[(call, [X]) for call in
      ("x // 1.5", "1.5 // x", "1.5 % x", "x.clone().floor_divide_(1.5)", "x.clone().asinh_()",
       "x.clone().logical_not_()", "sgn(x)", "unique_consecutive(x)")],
    ("u.clone().atanh_()", [U], "u"),
]

EXPRESSIONS = [(*row, "x")[:3] for row in
               CALLS + FUNCTIONAL + MATRICES + SAMPLES + SPECIAL + SINGLES + LOSSES + OPERATORS + IN_PLACE + MORE
               + COMPLEXES + UNDIFFERENTIATED]
