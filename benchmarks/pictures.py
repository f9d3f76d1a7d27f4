"""Pictures of a run, drawn from its JSON: compiled steps, ratios, step time against the batch, roofline, control."""

from __future__ import annotations

import pathlib
import re
import textwrap
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

from .measure import readable
from .report import OURS

COMPILED = f"{OURS} compiled"
# One picture serves white pages and dark ones: no background, and colours that stand out from both.
COLOURS = {OURS: "#159470", COMPILED: "#159470", "torch": "#d1495b", "torch compiled": "#b0413e", "mygrad": "#7d6b91",
           "autograd": "#c08a2e", "tinygrad": "#8c8c8c", "jax": "#3d7fb5"}  # fmt: skip
GREY, FAINT = "#7b7b7b", "#8080804d"
STYLE = {"text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "axes.facecolor": "none",
         "xtick.color": GREY, "ytick.color": GREY, "grid.color": FAINT, "savefig.transparent": True,
         "legend.facecolor": "none"}  # fmt: skip
MARKERS = {OURS: "o", COMPILED: "*", "torch": "s", "torch compiled": "D", "mygrad": "^", "autograd": "v",
           "tinygrad": "X"}  # fmt: skip


def colour(name: str) -> str:
    return COLOURS.get(name, COLOURS["jax"])


def caption(run: dict[str, Any]) -> str:
    """Return the line under each picture: machine, threads, versions, date."""
    machine = run["machine"]
    torch = machine["versions"].get("torch")
    named = ", ".join(
        filter(
            None,
            [
                machine["processor"],
                f"{machine['threads'][OURS]} threads",
                f"PyTorch {torch}" if torch else "",
                machine["date"][:10],
                machine["commit"],
            ],
        )
    )
    return f"{named}; medians"


def finish(figure: Any, run: dict[str, Any], path: pathlib.Path) -> None:
    figure.text(0.995, 0.005, caption(run), ha="right", va="bottom", fontsize=7)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def tables(run: dict[str, Any], subject: str, title: str) -> list[dict[str, Any]]:
    """Return the tables of a subject whose title starts so."""
    return [table for table in run["subjects"].get(subject, ()) if table["title"].startswith(title)]


@plt.rc_context(STYLE)
def draw_training_steps(run: dict[str, Any], path: pathlib.Path) -> None:
    """Draw the time of each training step relative to our compiled step: ours, eager and compiled, and the others'."""
    chosen = tables(run, "compiled", "Compiled training steps")
    if not chosen:
        return
    counts = [len(table["rows"]) for table in chosen]
    figure, axes = plt.subplots(len(chosen), 1, figsize=(9.4, 1.9 + 0.42 * sum(counts)), sharex=True, squeeze=False,
                                height_ratios=counts, layout="constrained")  # fmt: skip
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    named: dict[str, Any] = {}
    for table, axis in zip(chosen, axes[:, 0]):
        rows = table["rows"]
        for name in dict.fromkeys(name for row in rows for name in row["times"]):
            held = [(at, row["ratios"][name]) for at, row in enumerate(rows) if name in row["ratios"]]
            hollow = {"markerfacecolor": "none"} if name == OURS else {}
            (named[name],) = axis.plot([ratio for _, ratio in held], [at for at, _ in held], MARKERS.get(name, "P"),
                                       color=colour(name), markersize=14 if name == COMPILED else 8, linestyle="none",
                                       clip_on=False, **hollow)  # fmt: skip
        for at, row in enumerate(rows):
            axis.hlines(at, 1, max(row["ratios"].values(), default=1), color=FAINT, zorder=0)
        labels = [f"{row['case']}\n{readable(row['times'][COMPILED]['median'])} compiled" if COMPILED in row["times"]
                  else row["case"] for row in rows]  # fmt: skip
        axis.set_yticks(range(len(rows)), labels, fontsize=7.5)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        axis.axvline(1, color=colour(COMPILED), linewidth=1.5, zorder=0)
        axis.grid(True, axis="x")
        axis.set_title(table["title"].rpartition(", ")[2], fontsize=9, loc="right")
    axes[-1, 0].set_xlabel("time of a training step relative to the compiled step of autograd_nn (right: slower)")
    axes[0, 0].set_title("A training step, eager and compiled", fontweight="bold", fontsize=11, loc="left")
    figure.legend(list(named.values()), list(named), fontsize=8, loc="outside upper center", ncols=len(named),
                  frameon=False)  # fmt: skip
    finish(figure, run, path)


def draw_batches(run: dict[str, Any], folder: pathlib.Path) -> None:
    """Draw the time of a step against the batch, both logarithmic, and below it the ratio to ours."""
    for table in tables(run, "steps", "Training steps against the batch"):
        nets: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for row in table["rows"]:
            name, _, batch = row["case"].rpartition(", batch ")
            nets.setdefault(name, []).append((int(batch), row))
        figure, axes = plt.subplots(
            2,
            len(nets),
            figsize=(1 + 4.2 * len(nets), 6.4),
            sharex="col",
            squeeze=False,
            gridspec_kw={"height_ratios": (2, 1)},
            layout="constrained",
        )
        figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
        for column, (name, points) in enumerate(nets.items()):
            upper, lower = axes[:, column]
            rivals = dict.fromkeys(rival for _, row in points for rival in row["times"])
            for rival in rivals:
                held = [(batch, row) for batch, row in points if rival in row["times"]]
                batches = [batch for batch, _ in held]
                medians = [row["times"][rival]["median"] for _, row in held]
                low = [max(m - row["times"][rival]["quartiles"][0], 0) for m, (_, row) in zip(medians, held)]
                high = [max(row["times"][rival]["quartiles"][1] - m, 0) for m, (_, row) in zip(medians, held)]
                style = {
                    "color": colour(rival),
                    "marker": MARKERS.get(rival, "P"),
                    "markersize": 5,
                    "linewidth": 2.2 if rival == OURS else 1.3,
                }
                upper.errorbar(batches, medians, (low, high), label=rival, capsize=2, **style)
                if rival != OURS:
                    lower.plot(batches, [row["ratios"][rival] for _, row in held], **style)
            lower.axhline(1, color=colour(OURS), linewidth=1.5)
            upper.set_title(textwrap.fill(name, 32), fontsize=10)
            upper.set(xscale="log", yscale="log")
            lower.set(xlabel="images per batch", xscale="log", yscale="log")
            upper.yaxis.set_major_formatter(
                FuncFormatter(lambda value, _: readable(value).replace(".00", "").replace(".0", ""))
            )
            lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
            lower.yaxis.set_minor_formatter(
                FuncFormatter(lambda value, _: f"{value:g}x" if f"{value:g}"[-1] in "25" else "")
            )
            lower.tick_params(axis="y", which="minor", labelsize=7)
            upper.set_xticks([batch for batch, _ in points], [str(batch) for batch, _ in points])
            lower.set_xticks([batch for batch, _ in points], [str(batch) for batch, _ in points])
            for axis in (upper, lower):
                axis.minorticks_on()
                axis.xaxis.set_tick_params(which="minor", bottom=False)
                axis.grid(True, which="major")
            upper.legend(fontsize=8, frameon=False)
        axes[0, 0].set_ylabel("time of a training step (bars: quartiles)")
        axes[1, 0].set_ylabel("times as long\nas autograd_nn")
        figure.suptitle("A training step against the batch", fontweight="bold")
        finish(figure, run, folder / "batches.png")


def draw_roofline(run: dict[str, Any], folder: pathlib.Path) -> None:
    """Draw rates against operations per byte under the measured limits."""
    rows = [
        row
        for table in tables(run, "scaling", "Scaling")
        for row in table["rows"]
        if "operations per byte" in row["figures"]
    ]
    if not rows:
        return
    limits = run["machine"]["limits"]
    peak, bandwidth = limits["flops"] / 1e9, limits["bandwidth"] / 1e9
    figure, axis = plt.subplots(figsize=(8.4, 5.6), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    intensities = [row["figures"]["operations per byte"] for row in rows]
    left, right = min(1.0, min(intensities) / 2), max(intensities) * 2
    bend = peak / bandwidth
    axis.plot([left, bend, right], [left * bandwidth, peak, peak], color=GREY, linewidth=1.8)
    axis.text(
        right, peak * 1.05, f"peak of fused multiply-adds, {peak:.0f} GFLOP/s", ha="right", va="bottom", fontsize=8
    )
    if bend > left:
        axis.annotate(
            f"memory, {bandwidth:.0f} GB/s",
            ((left * bend) ** 0.5, (left * bend) ** 0.5 * bandwidth),
            textcoords="offset points",
            xytext=(8, -8),
            fontsize=8,
        )
    kinds = (
        ("3x3 convolution", "o", lambda case: case.endswith("3x3")),
        ("other convolution", "^", lambda case: "->" in case),
        ("matrix product", "s", lambda case: case.startswith("matrix")),
    )
    for rival in (OURS, "torch"):
        rest = list(rows)
        for label, marker, belongs in kinds:
            mine = [row for row in rest if belongs(row["case"]) and f"GFLOP/s {rival}" in row["figures"]]
            rest = [row for row in rest if not belongs(row["case"])]
            if mine:
                axis.scatter(
                    [row["figures"]["operations per byte"] for row in mine],
                    [row["figures"][f"GFLOP/s {rival}"] for row in mine],
                    marker=marker,
                    s=34,
                    color=colour(rival),
                    alpha=0.75,
                    edgecolors="none",
                    linewidths=0.5,
                    label=f"{rival}: {label}",
                )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="operations of the direct method per byte of input, weight and output",
        ylabel="GFLOP/s (operations of the direct method)",
    )
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:g}"[0] in "25" else ""))
    axis.grid(True, which="major")
    axis.legend(fontsize=8, frameon=False, loc="lower right")
    axis.set_title(
        "Roofline: forward convolutions and products against the machine's limits\n"
        "above the roof: Winograd's method needs fewer operations than counted, small arrays stay in the cache",
        fontsize=10,
    )
    finish(figure, run, folder / "roofline.png")


def draw_ratios(run: dict[str, Any], folder: pathlib.Path) -> None:
    """Draw for each case of kernels and steps how many times as long as ours PyTorch takes."""
    for subject, file, title in (("kernels", "kernels.png", "Kernels"), ("steps", "steps.png", "Training steps")):
        chosen = run["subjects"].get(subject, ())
        chosen = chosen[:1] if subject == "steps" else chosen
        rows = [row for table in chosen for row in table["rows"] if "torch" in row["ratios"]]
        if not rows:
            continue
        rivals = [name for name in dict.fromkeys(n for row in rows for n in row["ratios"]) if name != OURS]
        height = 0.8 / len(rivals)
        figure, axis = plt.subplots(figsize=(9.4, 1.6 + (0.16 * len(rivals) + 0.12) * len(rows)), layout="constrained")
        figure.get_layout_engine().set(rect=(0, 0.02, 1, 0.98))
        for i, rival in enumerate(rivals):
            held = [(at, row["ratios"][rival]) for at, row in enumerate(rows) if rival in row["ratios"]]
            places = [at + (i - (len(rivals) - 1) / 2) * height for at, _ in held]
            tint = (
                "#edae49" if rival == "torch channels-last" else "#a3475a" if rival == "torch fused" else colour(rival)
            )
            axis.barh(places, [ratio - 1 for _, ratio in held], height, left=1, color=tint, label=rival)
            for place, (_, ratio) in zip(places, held):
                axis.annotate(
                    f"{ratio:.2f}",
                    (ratio, place),
                    textcoords="offset points",
                    xytext=(3 if ratio >= 1 else -3, 0),
                    ha="left" if ratio >= 1 else "right",
                    va="center",
                    fontsize=6,
                )
        axis.axvline(1, color=colour(OURS), linewidth=2)
        for line in (0.5, 2, 4, 8):
            axis.axvline(line, color=FAINT, linewidth=0.8, zorder=0)
        axis.set_xscale("log", base=2)
        low, high = axis.get_xlim()
        axis.set_xlim(min(low / 1.15, 0.7), high * 1.15)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        axis.set_yticks(range(len(rows)), [re.sub(r", pad 0|pad 0, ", "", row["case"]) for row in rows], fontsize=7)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_xlabel("time of the rival / time of autograd_nn (right of the line: autograd_nn is faster)")
        axis.set_title(f"{title}: how many times as long the others take", fontweight="bold")
        figure.legend(fontsize=8, loc="outside upper center", ncols=len(rivals), frameon=False)
        finish(figure, run, folder / file)


def draw_control(run: dict[str, Any], folder: pathlib.Path) -> None:
    """Draw the losses of the same training here and in Keras on top of each other, and how far they are apart."""
    rows = [row for table in tables(run, "control", "Control") for row in table["rows"] if row.get("curves")]
    if not rows:
        return
    figure, axes = plt.subplots(
        2, len(rows), figsize=(1 + 3.6 * len(rows), 5.6), sharex="col", sharey="row", squeeze=False,
        gridspec_kw={"height_ratios": (2, 1)}, layout="constrained",
    )  # fmt: skip
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    for row, (upper, lower) in zip(rows, axes.T):
        ours, control = (np.array(row["curves"][name]) for name in (OURS, "keras"))
        steps = np.arange(1, len(ours) + 1)
        upper.plot(steps, ours, color=colour(OURS), linewidth=4, alpha=0.5, label=OURS)
        upper.plot(steps, control, color=colour("keras"), linewidth=1.2, linestyle="--", label="Keras")
        lower.plot(steps, np.maximum(np.abs(ours / control - 1), 1e-9), color=GREY, linewidth=1)
        lower.axhline(1e-4, color=colour("torch"), linewidth=1)
        lower.set(yscale="log", xlabel="step")
        upper.set_title(row["case"].partition(":")[0], fontsize=10)
        for axis in (upper, lower):
            axis.grid(True)
    axes[0, 0].set_ylabel("loss of the batch")
    axes[0, 0].legend(fontsize=8, frameon=False)
    axes[1, 0].set_ylabel("relative difference\n(line: 1e-4, allowed\nfor 50 steps)")
    figure.suptitle("The same training here and in Keras, step by step", fontweight="bold")
    finish(figure, run, folder / "control.png")


@plt.rc_context(STYLE)
def draw(run: dict[str, Any], folder: pathlib.Path) -> None:
    """Draw every picture that the subjects of a run allow.

    Parameters
    ----------
    run : dict
        As `benchmarks.report.as_run` returns it.
    folder : Path
        Made where it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw_training_steps(run, folder / "training_steps.png")
    draw_batches(run, folder)
    draw_roofline(run, folder)
    draw_ratios(run, folder)
    draw_control(run, folder)
