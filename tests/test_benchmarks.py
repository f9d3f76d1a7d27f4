"""The benchmarks run, find wrong results and compare runs; nothing here depends on how fast anything is."""

import dataclasses
import itertools
import json
import math
import time

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import autograd_nn as ag
from benchmarks import (
    apart,
    compiled,
    control,
    estimators,
    exact,
    history,
    in_jax,
    kernels,
    machines,
    notebook,
    operations,
    overhead,
    pictures,
    readme,
    rivals,
    scaling,
    sixteen,
    start,
    threads,
    zoo,
)
from benchmarks import steps as steps_subject
from benchmarks.__main__ import SUBJECTS, main
from benchmarks.limits import limits
from benchmarks.measure import FULL, TINY, Timing, compare, readable
from benchmarks.report import OURS, Row, Table, as_run, describe, load, machine, save


@pytest.fixture
def alone(monkeypatch):
    """Hide every rival."""
    monkeypatch.setattr(rivals, "hidden", set(rivals.MODULES))


def test_timing_gives_median_quartiles_and_ratio():
    a, b = Timing([1.0, 2.0, 3.0, 4.0, 5.0], 9.0), Timing([2.0, 4.0, 6.0, 8.0, 50.0], 9.0)
    assert a.median == 3.0
    assert a.quartiles == (2.0, 4.0)
    assert a.ratio(b) == 2.0
    assert a.scaled(0.5).samples == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert Timing([7.0], 0.0).quartiles == (7.0, 7.0)


def test_compare_lets_candidates_take_turns():
    calls = []
    timings = compare(
        {"a": lambda: calls.append("a"), "b": lambda: (calls.append("b"), time.sleep(0.003))}, 0.1, rounds=4
    )
    rounds = len(timings["a"].samples)
    assert rounds == len(timings["b"].samples) >= 4
    assert calls[-1] == "b"
    changes = sum(left != right for left, right in itertools.pairwise(calls))
    assert changes == 1 + 2 * rounds  # the calls before the rounds, then a and b in turn


def test_a_slow_candidate_sits_out_the_later_rounds():
    timings = compare({"fast": lambda: None, "slow": lambda: time.sleep(0.02)}, 0.05, rounds=9)
    assert len(timings["slow"].samples) == 2
    assert len(timings["fast"].samples) >= 9
    assert timings["fast"].ratio(timings["slow"]) > 1


def test_tinygrad_without_its_compiler_is_named_absent(monkeypatch):
    pytest.importorskip("tinygrad")
    monkeypatch.setattr(rivals.shutil, "which", lambda name: None)
    absent = []
    assert rivals.tinygrad(absent) is None
    assert rivals.tinygrad(absent) is None
    assert absent == ["tinygrad (is installed, but needs the compiler clang, such as the package clang)"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2.5, "s", "2.50 s"), (0.0123, "s", "12.3 ms"), (4.567e-6, "s", "4.57 us"), (1234.0, "MB", "1234 MB")],
)
def test_readable(value, unit, text):
    assert readable(value, unit) == text


def test_effort_chooses_by_level():
    assert FULL.choose("full", "quick", "tiny") == "full"
    assert TINY.choose("full", "quick", "tiny") == "tiny"


def test_limits_are_positive():
    found = limits(1, rounds=1)
    assert found.flops > 1e8
    assert found.bandwidth > 1e8


def test_check_finds_wrong_values_shapes_and_nan():
    right = np.arange(6.0).reshape(2, 3)
    assert kernels.check("x", right.astype(np.float32), right, 1e-6) == 0
    for wrong in (right + 0.01, right.T, np.full_like(right, np.nan)):
        with pytest.raises(ArithmeticError, match="x"):
            kernels.check("x", wrong, right, 1e-4)


def test_a_wrong_rival_is_found_before_it_is_timed():
    calls = {OURS: lambda: np.ones(3), "rival": lambda: np.zeros(3)}
    with pytest.raises(ArithmeticError, match="by rival"):
        kernels.measure("case", calls, np.ones(3), TINY)


def test_a_wrong_step_is_found():
    class Trainer:
        def __init__(self, loss, gradient):
            self.loss, self.gradient = loss, gradient

        def evaluate(self):
            return self.loss

        def gradients(self):
            return [np.full(3, self.gradient)]

    assert steps_subject.check({OURS: Trainer(2.0, 1.0)}, Trainer(2.0, 1.0))["error of loss"] == 0
    for loss, gradient in ((2.01, 1.0), (math.nan, 1.0), (2.0, 1.1)):
        with pytest.raises(ArithmeticError):
            steps_subject.check({OURS: Trainer(loss, gradient)}, Trainer(2.0, 1.0))


def test_reference_convolutions_are_adjoint():
    rng = np.random.default_rng(0)
    for stride, pad, groups in ((1, 0, 1), (2, 1, 1), (1, 1, 2)):
        x, w = rng.standard_normal((2, 4, 7, 7)), rng.standard_normal((6, 4 // groups, 3, 3))
        out = exact.convolution(x, w, np.zeros(6), stride, pad, groups)
        g = rng.standard_normal(out.shape)
        expected = (out * g).sum()
        assert np.isclose((x * exact.convolution_input(g, w, 7, stride, pad, groups)).sum(), expected)
        assert np.isclose((w * exact.convolution_weight(g, x, 3, stride, pad, groups)).sum(), expected)


def test_reference_convolution_equals_loops():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((1, 2, 6, 6)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    found = exact.convolution(x, w, b, 1, 0, 1)[0]
    assert np.allclose(found, notebook.convolve_loops(x[0], w, b), rtol=1e-5, atol=1e-5)


def _run(median, spread=0.01, rival=1.0):
    def timing(value):
        return Timing([value * (1 - spread), value, value * (1 + spread)], value)

    rows = [Row("case, batch 4", {OURS: timing(median), "torch": timing(rival)}, {"error": 1e-7})]
    return as_run(
        {"steps": [Table("Training steps", "note", rows, ["keras (pip install ...)"], ["a remark"])]}, machine()
    )


def test_json_round_trip(tmp_path):
    run = _run(1.0)
    save(tmp_path / "run.json", run)
    assert load(tmp_path / "run.json") == json.loads(json.dumps(run))
    row = run["subjects"]["steps"][0]["rows"][0]
    assert row["ratios"]["torch"] == pytest.approx(1.0)
    assert set(run["machine"]) >= {"processor", "threads", "versions", "commit", "limits", "date"}


def test_table_prints_times_ratios_absent_rivals_and_remarks():
    timings = {OURS: Timing([2e-3] * 3, 1.0), "torch": Timing([1e-3] * 3, 1.0)}
    text = "\n".join(Table("T", "N", [Row("c", timings)], ["keras (pip ...)"], ["remark"]).lines())
    assert "2.00 ms (2.00 ms .. 2.00 ms)" in text
    assert "| 0.50" in text
    assert "absent: keras (pip ...)" in text
    assert "remark" in text


def test_a_table_has_its_base_its_order_its_mean_and_rows_aside():
    def row(case, ours, theirs, aside=False):
        both = {f"{OURS} compiled": Timing([ours], 1.0), OURS: Timing([9.0], 1.0), "torch": Timing([theirs], 1.0)}
        return Row(case, both, aside=aside)

    rows = [row("fast", 1.0, 8.0), row("slow", 1.0, 0.5), row("bound", 1.0, 0.1, aside=True), row("same", 2.0, 2.0)]
    table = Table("T", "N", rows, base=f"{OURS} compiled", slowest_first=True, mean=True)
    assert table.candidates == [OURS, f"{OURS} compiled", "torch"]
    assert [row.case for row in table.in_order()] == ["bound", "slow", "same", "fast"]
    assert table.means()["torch"] == pytest.approx(4 ** (1 / 3))
    lines = table.lines()
    assert f"torch / {OURS} compiled" in lines[4] and lines[6].startswith("| bound *")
    assert "geometric mean" in lines[-2] and "1.59" in lines[-2]
    data = table.as_json()
    assert data["rows"][0]["ratios"]["torch"] == pytest.approx(0.1) and data["rows"][0]["aside"]
    assert data["base"] == f"{OURS} compiled" and data["geometric means"] == table.means()
    assert "geometric means" not in Table("T", "N", rows).as_json()


def test_operations_say_what_they_move_at_least():
    every = list(operations.operations(ag, ag.nn.functional, 1024))
    found = {one.name: one for one in every}
    assert len(found) == len(every) > 120
    once, traffic = found["add"].prepared()
    assert traffic == 4 * 1024 * (2 + 2 + 2)  # two inputs, their gradients, a result and its gradient
    once()
    assert all(np.array_equal(x.grad.numpy(), np.full(1024, 0.5)) for x in found["add"].inputs)


def test_machine_is_described():
    text = "\n".join(describe(machine()))
    assert "GFLOP/s" in text
    assert "threads: autograd_nn" in text


@pytest.mark.parametrize(
    ("before", "after", "rival", "verdict"),
    [
        (1.0, 1.5, 1.0, "slower"),
        (1.5, 1.0, 1.0, "faster"),
        (1.0, 1.005, 1.0, "same"),
        (1.0, 1.5, 1.5, "slower machine"),
    ],
)
def test_compare_runs(before, after, rival, verdict):
    (change,) = history.changes(_run(before), _run(after, rival=rival))
    assert change.verdict == verdict
    assert change.ratio == pytest.approx(after / before)


def test_compare_runs_takes_wide_spread_for_noise():
    (change,) = history.changes(_run(1.0, spread=0.5), _run(1.2, spread=0.5))
    assert change.verdict == "same"


def test_compare_command_flags_a_slowdown(tmp_path, capsys):
    for name, median in (("a", 1.0), ("b", 1.5)):
        save(tmp_path / f"{name}.json", _run(median))
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 1
    assert "slower" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 0


def _compiled_run():
    def row(case, **medians):
        return Row(case, {name.replace("_", " "): Timing([value] * 3, value) for name, value in medians.items()})

    def renamed(row):
        names = {"eager": OURS, "ours": f"{OURS} compiled"}
        row.timings = {names.get(name, name): timing for name, timing in row.timings.items()}
        return row

    one = [row("ConvNet, batch 1", eager=0.2, ours=0.01, torch=0.15, torch_compiled=0.3, jax=0.06),
           row("MLP, batch 128", eager=0.02, ours=0.01, torch=0.04, torch_compiled=0.015, jax=0.03)]  # fmt: skip
    two = [row("MLP, batch 128", eager=0.01, ours=0.005)]
    both = [Table(f"Compiled training steps, {words}", "note", [renamed(row) for row in rows], base=f"{OURS} compiled")
            for words, rows in (("1 thread", one), ("2 threads", two))]  # fmt: skip
    return as_run({"compiled": both}, machine())


def test_readme_table_and_picture_are_written(tmp_path):
    page, picture = tmp_path / "README.md", tmp_path / "steps.png"
    page.write_text(f"above\n{readme.BEGIN}\nold\n{readme.END}\nbelow\n")
    save(tmp_path / "run.json", _compiled_run())
    words = ["readme", str(tmp_path / "run.json"), "--readme", str(page), "--picture", str(picture)]
    assert main(words) == 0
    text = page.read_text()
    assert text.startswith("above\n") and text.endswith("\nbelow\n") and "old" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") - 1 for row in rows} == {4}
    assert rows[2] == "| ConvNet, batch 1, 1 thread | 200 ms, **10.0 ms** | 150 ms (15.0) | JAX 60.0 ms (6.0) |"
    assert rows[3].endswith("| 20.0 ms, **10.0 ms** | 40.0 ms (4.0) | torch.compile 15.0 ms (1.5) |")
    assert rows[4] == "| MLP, batch 128, 2 threads | 10.0 ms, **5.00 ms** | - | - |"
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="markers"):
        readme.insert("no markers", "x")
    save(tmp_path / "run.json", _run(1.0))
    with pytest.raises(ValueError, match="needs the subject compiled \\(it has steps\\)"):
        main(words)


def test_unknown_subject_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "no subject speed" in capsys.readouterr().err


def test_every_subject_is_registered():
    modules = (kernels, steps_subject, compiled, operations, sixteen, control, notebook, overhead, start, scaling,
               threads, machines, estimators)
    assert list(SUBJECTS.values()) == [module.run for module in modules]


LONG = "machines", "notebook"  # a process for each figure; a net of loops in Python


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
                                  for name in SUBJECTS if name != "estimators"])
def test_subject_runs_without_rivals(name, alone, tmp_path):
    tables = SUBJECTS[name](TINY)
    assert tables
    for table in tables:
        assert table.lines()
        assert all(OURS in row.timings or "per image" in row.timings for row in table.rows)
    if name in ("kernels", "steps", "overhead", "scaling", "operations", "nets", "compiled"):
        assert any("torch" in note for table in tables for note in table.absent)
    pictures.draw(as_run({name: tables}, machine()), tmp_path)


def test_estimators_run_without_rivals(alone, tmp_path):
    pytest.importorskip("sklearn")
    test_subject_runs_without_rivals("estimators", alone, tmp_path)


COMPILED = pytest.param("compiled", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["kernels", "steps", COMPILED, "operations", "nets", "overhead"])
def test_subject_runs_with_rivals(name, tmp_path):
    pytest.importorskip("torch")
    tables = SUBJECTS[name](TINY)
    assert any("torch" in row.timings for table in tables for row in table.rows)
    pictures.draw(as_run({name: tables}, machine()), tmp_path)
    assert name not in ("kernels", "steps") or list(tmp_path.glob("*.png"))


@pytest.mark.filterwarnings("ignore:.*have no gradient")  # the last bias of the PINN
@pytest.mark.parametrize("net", zoo.SIXTEEN, ids=lambda net: net.case)
def test_the_nets_are_pytorchs(net):
    torch = pytest.importorskip("torch")
    net = dataclasses.replace(net, batch=2)
    weights = zoo.initial(net)
    ours, theirs = zoo.Trainer(net, OURS, weights), zoo.Trainer(net, "torch", weights)
    for trainer in (ours, theirs):
        trainer.model.eval()
    with ag.no_grad(), torch.no_grad():
        found, expected = ours.model(ours.x), theirs.model(theirs.x)
    if not net.draws or net is zoo.TABULAR:
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=1e-4)
    ours.model.train()
    assert math.isfinite(ours.train().item())


def test_steps_in_jax_have_our_losses():
    jax = pytest.importorskip("jax")
    for net in (compiled.RELU_POLICY, dataclasses.replace(compiled.SERIES, batch=2)):
        weights = zoo.initial(net)
        own = zoo.Trainer(net, OURS, weights)
        losses = [own.train().item() for _ in range(3)]
        assert len(set(losses)) == 3
        step = compiled.same_losses(net.case, "jax", in_jax.step(jax, net, weights), losses)
        with pytest.raises(ArithmeticError, match="jax has the loss"):
            compiled.same_losses(net.case, "jax", step, losses)


def test_a_rival_that_fails_is_named_and_a_wrong_one_is_not_excused():
    others = compiled.Rivals()
    assert others.prepared("torch.compile", "a net", lambda: 1 / 0 if others.remarks else [].pop()) is None
    assert others.absent == ["torch.compile in a net (IndexError: pop from empty list)"]
    with pytest.raises(ArithmeticError):
        others.prepared("torch", "a net", lambda: compiled.same_losses("a net", "torch", lambda: np.float32(2), [1.0]))


@pytest.mark.slow  # starts two processes
def test_two_trainings_run_side_by_side():
    (row,) = threads.side_by_side((dataclasses.replace(zoo.POLICY, batch=1),), 2, 0.01, 2)
    assert row.case == "RL policy 4-64-64-2, batch 1"
    assert [len(timing.samples) for timing in row.timings.values()] == [2, 2, 2]
    assert row.figures["times of one alone"] > 0


def test_control_agrees_with_keras():
    pytest.importorskip("torch")
    pytest.importorskip("keras")
    (table,) = control.run(TINY)
    assert len(table.rows) == 2
    for row in table.rows:
        assert row.figures["losses apart, 3 steps"] < 1e-4
        assert row.figures["weights apart"] < 1e-3 * row.figures["weights moved"]


def test_each_framework_measures_in_its_own_process(alone):
    (table,) = apart.run("overhead", TINY, 1)
    assert [set(row.timings) for row in table.rows[:2]] == [{OURS}, {OURS}]
    assert all(len(row.timings[OURS].samples) >= 2 for row in table.rows)
    assert any(note.startswith("torch (pip install") for note in table.absent)


def table_of(framework, case="a case"):
    row = Row(case, {framework: Timing([2.0, 4.0], 9.0)}, {f"error {framework}": 0.5})
    return Table("title", "note", [row], ["torch (pip)", "torch.compile (needs a compiler)", "keras (pip)"])


def test_tables_of_the_processes_are_joined():
    (joined,) = apart.joined({OURS: [table_of(OURS)], "torch": [table_of("torch")]}, ["keras (pip)"])
    (row,) = joined.rows
    assert row.timings[OURS].ratio(row.timings["torch"]) == 1 and set(row.figures) == {f"error {OURS}", "error torch"}
    assert joined.absent == ["keras (pip)", "torch (pip)", "torch.compile (needs a compiler)"]
    with pytest.raises(ValueError, match="torch measured 'another' in the place of 'a case'"):
        apart.joined({OURS: [table_of(OURS)], "torch": [table_of("torch", "another")]}, [])


def test_candidates_belong_to_frameworks():
    assert [apart.framework_of(name) for name in ("torch compiled", "keras on torch", "micrograd style", OURS)] == [
        "torch", "keras", OURS, OURS,
    ]  # fmt: skip


def test_a_process_that_fails_is_named_and_ours_must_not(alone, monkeypatch):
    with pytest.raises(RuntimeError, match="the process of autograd_nn ended before its time"):
        apart.run("nothing", TINY, 1)
