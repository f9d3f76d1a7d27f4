"""Drawing graphs: what the boxes say, how they are folded, and that the picture holds its text."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.look.drawing.graph_drawing import MOST, READABLE, draw_graph
from autograd_nn.look.module_trace import watch_modules
from autograd_nn.training import models

F = nn.functional


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + x)


class ResNet(nn.Module):
    def __init__(self, blocks=6):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(4) for _ in range(blocks)))
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def resnet_loss(blocks=6):
    ag.manual_seed(0)
    model = ResNet(blocks)
    with watch_modules(model) as watch:
        loss = F.cross_entropy(model(ag.rand(2, 1, 4, 4)), ag.tensor([0, 1]))
    return model, watch, loss


def titles(drawing):
    return [box.lines[0] for box in drawing.boxes]


def edges(drawing):
    return {(drawing.boxes[parent].lines[0], box.lines[0]) for box in drawing.boxes for parent in box.parents}


def test_operations_shapes_names_values_and_gradients():
    a, b = ag.tensor(2.0, requires_grad=True), ag.tensor(-3.0, requires_grad=True)
    c = a * b
    d = c * c * 2.5
    drawing = draw_graph(d, names={"a": a, "b": b, "c": c})
    assert titles(drawing) == ["a", "b", "c = mul", "mul", "mul 2.5"]
    assert drawing.boxes[0].lines == ["a", "value 2"] and drawing.boxes[2].lines == ["c = mul", "value -6"]
    assert drawing.boxes[3].parents == {2: 2} and ">2×</text>" in drawing.svg
    assert drawing.boxes[4].lines == ["mul 2.5", "()"] and drawing.results == [4]
    d.backward()
    assert draw_graph(d, names={"a": a}).boxes[0].lines == ["a", "value 2", "gradient 90"]


def test_parameters_have_their_names_and_data_is_shown():
    model = models.convnet(filters=2, kernel_size=3)
    drawing = draw_graph(F.cross_entropy(model(ag.rand(5, 1, 28, 28)), ag.zeros(5, dtype=np.int64)), model)
    named = {box.lines[0]: box for box in drawing.boxes if box.kind != "operation"}
    assert set(named) == {"0.weight", "0.bias", "4.weight", "4.bias", "data"}
    assert named["0.weight"].lines[1] == "(2, 1, 3, 3)"
    assert [box.lines[1] for box in drawing.boxes if box.kind == "data"] == ["(5, 1, 28, 28)", "(5,) int64"]
    assert repr(drawing) == f"GraphDrawing({sum(b.kind == 'operation' for b in drawing.boxes)} operations in " \
                            f"{len(drawing.boxes)} boxes)"
    assert {box.kind for box in drawing.boxes} == {"operation", "parameter", "data"}


def test_other_dtypes_are_named():
    x = ag.tensor([1.0], dtype=np.float64, requires_grad=True)
    assert draw_graph(x * x).boxes[0].lines == ["leaf", "(1,) float64"]


def test_a_watched_forward_pass_is_folded_by_its_modules():
    _, watch, loss = resnet_loss()
    drawing = draw_graph(loss, watch)
    expected = ["stem: Conv2d", *(f"blocks.{i}: Block" for i in range(6)), "mean", "fc: Linear", "data",
                "cross_entropy_rows", "sum", "div 2"]
    assert titles(drawing) == expected
    block = drawing.boxes[1]
    assert block.kind == "module" and block.lines[1:] == ["7 operations", "312 parameters", "(2, 4, 4, 4)"]
    assert edges(drawing) >= {("stem: Conv2d", "blocks.0: Block"), ("blocks.5: Block", "mean")}
    assert all(count == 1 for box in drawing.boxes for count in box.parents.values())


def test_depth_says_how_far_to_fold():
    _, watch, loss = resnet_loss()
    assert titles(draw_graph(loss, watch, depth=1))[:3] == ["stem: Conv2d", "blocks: Sequential", "mean"]
    third = draw_graph(loss, watch, depth=3)
    assert "blocks.0.conv1: Conv2d" in titles(third) and ("blocks.0.bn2: BatchNorm2d", "add") in edges(third)
    whole = draw_graph(loss, watch, depth=None)
    assert sum(box.calls for box in whole.boxes) == sum(box.calls for box in third.boxes) > READABLE
    assert "module" not in {box.kind for box in whole.boxes}


def test_names_of_parameters_group_without_watching():
    model, _, loss = resnet_loss()
    drawing = draw_graph(loss, model)
    assert [title for title in titles(drawing) if ": " in title] == [
        "stem: Conv2d", *(f"blocks.{i}: Block" for i in range(6)), "fc: Linear"
    ]
    assert titles(drawing)[-3:] == ["cross_entropy_rows", "sum", "div 2"]
    assert sum(box.calls for box in drawing.boxes if box.kind != "data") == \
        sum(box.calls for box in draw_graph(loss, model, depth=None).boxes)


def test_a_module_that_runs_twice_is_two_boxes_without_a_cycle():
    inner, outer = nn.Linear(3, 3), nn.Linear(3, 3)
    model = nn.Sequential(inner, outer)
    x = ag.rand(2, 3)
    with watch_modules(model) as watch:
        out = inner(outer(inner(x)))
    for given in (model, watch):
        drawing = draw_graph(out, given, depth=1)
        assert [box.lines[:2] for box in drawing.boxes if box.calls] == [
            ["linear", "in 0"], ["1: Linear", "linear"], ["linear", "in 0"]
        ]
        assert {"0.weight", "0.bias"} <= set(titles(drawing)), "what two boxes read is drawn beside them"
        assert drawing.svg


def test_a_huge_graph_is_cut_and_counted():
    h = ag.rand(3, requires_grad=True)
    for _ in range(5000):
        h = h.sin()
    drawing = draw_graph(h)
    assert len(drawing.boxes) == MOST + 1 and drawing.boxes[0].lines == ["4,800 operations before"]
    assert sum(box.calls for box in drawing.boxes) == 5000
    assert drawing.boxes[drawing.results[0]].parents and drawing.svg.count("<g>") == MOST + 1


def test_several_results_a_leaf_and_a_gradient_can_be_drawn():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    drawing = draw_graph([x.sin(), x.cos()])
    assert titles(drawing) == ["leaf", "sin", "cos"] and drawing.results == [1, 2]
    assert titles(draw_graph(x)) == ["leaf"]
    (g,) = ag.grad((x * x * x).sum(), [x], create_graph=True)
    assert "mul" in titles(draw_graph(g))


def test_a_tensor_without_graph_and_a_wrong_depth_are_refused():
    with pytest.raises(RuntimeError, match=r"draw_graph\(\): the tensor has no graph"):
        draw_graph(ag.rand(3))
    x = ag.rand(3, requires_grad=True)
    for depth in (0, "all"):
        with pytest.raises(ValueError, match="depth must be 'auto', None or a positive int"):
            draw_graph(x.sum(), depth=depth)


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("depth", ["auto", None])
def test_the_svg_holds_all_text_inside_its_boxes_and_all_boxes_inside_the_picture(depth):
    _, watch, loss = resnet_loss(3)
    drawing = draw_graph(loss, watch, depth=depth, names={"a_name_that_is_much_too_long_to_be_shown_as_it_is": loss})
    root = ElementTree.fromstring(drawing.svg)
    width, height = float(root.get("width")), float(root.get("height"))
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(drawing.boxes)
    for group, box in zip(groups, drawing.boxes):
        rect = group.findall(f"{SVG}rect")[-1]
        left, top, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
        assert left > 0 and top > 0 and left + w < width and top + h < height
        lines = group.findall(f"{SVG}text")
        assert len(lines) == len(box.lines)
        for line in lines:
            size = float(line.get("font-size"))
            assert 0.602 * size * len(line.text) <= w - 6, "the font advances 0.602 of its size"
            assert top + size <= float(line.get("y")) + 2 and float(line.get("y")) < top + h - 2
    assert "…" in groups[drawing.results[0]].find(f"{SVG}text").text
    assert root.find(f"{SVG}rect").get("fill") == "#ffffff", "a background of its own for dark pages"


def test_dot_text_names_the_same_boxes_and_edges(tmp_path):
    a = ag.tensor(2.0, requires_grad=True)
    drawing = draw_graph(a * a, names={'say "a"': a})
    assert r'n0 [label="say \"a\"\nvalue 2"' in drawing.dot and 'n0 -> n1 [label="2×"];' in drawing.dot
    assert drawing.dot.startswith("digraph {") and drawing.dot.rstrip().endswith("}")
    drawing.save(tmp_path / "graph.dot")
    drawing.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == drawing.dot
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    with pytest.raises(ValueError, match=r"the name must end in \.svg, \.dot or \.gv"):
        drawing.save(tmp_path / "graph.png")


def test_names_are_escaped():
    x = ag.rand(2, requires_grad=True)
    svg = draw_graph(x.sum(), names={"<x> & y": x}).svg
    assert "&lt;x&gt; &amp; y" in svg and not re.search("<x>", svg)


def test_a_model_and_its_input_show_skip_connections():
    ag.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    drawing = draw_graph(layer, ag.Tensor(np.ones((1, 3, 8), np.float32)))
    titles = [box.lines[0] for box in drawing.boxes]
    assert titles[0] == "src" and drawing.boxes[0].kind == "data"
    first, second = (box for box in drawing.boxes if box.lines[0] == "add")
    assert {titles[i] for i in first.parents} == {"src", "self_attn: MultiheadAttention"}
    assert {titles[i] for i in second.parents} == {"norm1: LayerNorm", "linear2: Linear"}
    assert layer.training and not any(module._hooks for module in layer.modules())
    with pytest.raises(TypeError, match="needs the input to run it with"):
        draw_graph(layer)


def test_themes():
    x = ag.Tensor([1.0], requires_grad=True)
    assert "<style>" not in draw_graph(x * 2, theme="light").svg
    assert "prefers-color-scheme" not in (dark := draw_graph(x * 2, theme="dark").svg) and "<style>" in dark
    auto = draw_graph(x * 2)
    assert "prefers-color-scheme:dark" in auto.svg and "data-jp-theme-light" in auto._repr_html_()
    coloured = set(re.findall(r'(?:fill|stroke)="(#\w+)"', auto.svg))
    assert all(f'"{colour}"' in dark for colour in coloured)
    with pytest.raises(ValueError, match="theme must be"):
        draw_graph(x * 2, theme="blue")
