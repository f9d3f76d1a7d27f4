"""Every optimizer in several settings, and every schedule, for tests that hold for all."""

import math

from autograd_nn import optim
from autograd_nn.optim import lr_scheduler as schedules

OPTIMIZERS = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "maximize": True}),
    ("Adagrad", {"lr": 0.01}),
    ("Adagrad", {"lr": 0.01, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.1, "weight_decay": 0.1, "rho": 0.8, "maximize": True}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.01, "maximize": True}),
    ("ASGD", {"lr": 0.01, "t0": 3}),
    ("ASGD", {"lr": 0.01, "weight_decay": 0.1, "lambd": 0.01, "t0": 5, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.01, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.02), "maximize": True}),
    ("Lion", {"lr": 0.01, "weight_decay": 0.1}),
    ("Lion", {"lr": 0.01, "maximize": True}),
]
KINDS = sorted({name for name, _ in OPTIMIZERS})


def make(name, params, settings):
    return getattr(optim, name)(params, **settings)


class Inverse:
    """A factor that is an object with state."""

    def __init__(self, power=1.0):
        self.power = power

    def __call__(self, epoch):
        return 1 / (1 + epoch) ** self.power


# name, how it is made by our module or PyTorch's, what its steps are given
SCHEDULES = [
    ("LambdaLR", lambda L, o: L.LambdaLR(o, lambda epoch: 1 / (1 + epoch))),
    ("LambdaLR of an object", lambda L, o: L.LambdaLR(o, Inverse(0.5))),
    ("MultiplicativeLR", lambda L, o: L.MultiplicativeLR(o, lambda epoch: 0.5 + 0.1 * epoch)),
    ("StepLR", lambda L, o: L.StepLR(o, 3, 0.5)),
    ("MultiStepLR", lambda L, o: L.MultiStepLR(o, [5, 2, 5, 20], 0.5)),
    ("ConstantLR", lambda L, o: L.ConstantLR(o, 0.25, 4)),
    ("LinearLR", lambda L, o: L.LinearLR(o, 0.25, total_iters=4)),
    ("ExponentialLR", lambda L, o: L.ExponentialLR(o, 0.9)),
    ("PolynomialLR", lambda L, o: L.PolynomialLR(o, 6, 2.0)),
    ("CosineAnnealingLR", lambda L, o: L.CosineAnnealingLR(o, 4)),
    ("CosineAnnealingLR to a floor", lambda L, o: L.CosineAnnealingLR(o, 7, 0.1)),
    ("CosineAnnealingWarmRestarts", lambda L, o: L.CosineAnnealingWarmRestarts(o, 2, 2, 0.1)),
    ("CosineAnnealingWarmRestarts of one length", lambda L, o: L.CosineAnnealingWarmRestarts(o, 5)),
    ("CyclicLR", lambda L, o: L.CyclicLR(o, 0.1, 1.0, 4)),
    ("CyclicLR triangular2", lambda L, o: L.CyclicLR(o, 0.1, 1.0, 2, 3, mode="triangular2")),
    ("CyclicLR exp_range", lambda L, o: L.CyclicLR(o, 0.1, 1.0, 3, mode="exp_range", gamma=0.9, cycle_momentum=False)),
    ("CyclicLR by a function", lambda L, o: L.CyclicLR(o, 0.1, 1.0, 3, scale_fn=Inverse(), scale_mode="iterations")),
    ("OneCycleLR", lambda L, o: L.OneCycleLR(o, 1.0, total_steps=40)),
    ("OneCycleLR in three phases", lambda L, o: L.OneCycleLR(o, 1.0, epochs=4, steps_per_epoch=8, three_phase=True,
                                                            anneal_strategy="linear")),
    ("ReduceLROnPlateau", lambda L, o: L.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1, min_lr=0.01)),
    ("ReduceLROnPlateau max", lambda L, o: L.ReduceLROnPlateau(o, "max", 0.5, 2, 0.1, "abs")),
    ("SequentialLR", lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.25, total_iters=3), L.ExponentialLR(o, 0.5), L.CosineAnnealingLR(o, 5)], [4, 8])),
    ("ChainedScheduler", lambda L, o: L.ChainedScheduler([L.ConstantLR(o, 0.5, 3), L.ExponentialLR(o, 0.9)])),
    ("SWALR", lambda L, o: getattr(L, "SWALR", schedules.SWALR)(o, 0.2, 4)),
]


def metric(epoch):
    """Return a loss that falls, stays and rises."""
    return math.floor(10 * (1 + math.cos(epoch / 4)))
