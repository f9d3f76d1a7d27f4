"""One's own data, from file to trained network: the tasks that newcomers bring, in as few lines as they take."""

import numpy as np
import pytest

from autograd_nn import cat, manual_seed, nn, optim, softmax
from autograd_nn.data import (
    CharTokenizer,
    DataLoader,
    ImageFolder,
    TableDataset,
    TableEncoder,
    TensorDataset,
    TextDataset,
    WindowDataset,
    class_weights,
    k_fold,
    load_arrays,
    read_csv,
    stratified_split,
    transforms,
)
from autograd_nn.look.profile import profile
from autograd_nn.look.summary import summary
from autograd_nn.onnx import export
from autograd_nn.training import (
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    evaluate,
    find_learning_rate,
    fit,
    predict,
)


@pytest.fixture(autouse=True)
def seed():
    manual_seed(0)


def accuracy(output, target):
    """Return the share of right classes."""
    return (output.argmax(1) == target).float().mean()


def write_csv(path, rows, seed):
    """Write a table in which "kind" and "size" decide about "good"."""
    generator = np.random.default_rng(seed)
    kind = generator.choice(["ale", "bock", "pils"], rows)
    size = generator.normal(5, 2, rows)
    good = np.where((kind == "bock") ^ (size > 5), "yes", "no")
    cells = [["" if generator.random() < 0.02 else f"{s:.3f}" for s in size], kind, good]
    path.write_text("size,kind,good\n" + "".join(f"{s},{k},{g}\n" for s, k, g in zip(*cells, strict=True)))


def test_a_csv_file(tmp_path):
    for name, rows, number in (("train.csv", 800, 1), ("new.csv", 200, 2)):
        write_csv(tmp_path / name, rows, number)
    train = TableDataset.from_csv(tmp_path / "train.csv", target="good")
    model = nn.Sequential(nn.Linear(train.encoder.width, 16), nn.ReLU(), nn.Linear(16, len(train.classes)))
    fit(model, DataLoader(train, 32, shuffle=True), optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropyLoss(), 15)
    new = TableDataset.from_csv(tmp_path / "new.csv", encoder=train.encoder)
    assert evaluate(model, DataLoader(new, 200), nn.CrossEntropyLoss(), {"accuracy": accuracy})["accuracy"] > 0.93


class Embedded(nn.Module):
    """Numbers beside one embedding per categorical column."""

    def __init__(self, encoder):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(*size) for size in encoder.embedding_sizes)
        width = encoder.width + sum(size for _, size in encoder.embedding_sizes)
        self.head = nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, numbers, codes):
        return self.head(cat([numbers, *(e(codes[:, i]) for i, e in enumerate(self.embeddings))], 1))


def test_numbers_and_categories_with_embeddings_and_class_weights(tmp_path):
    write_csv(tmp_path / "train.csv", 800, 1)
    table = read_csv(tmp_path / "train.csv")
    encoder = TableEncoder(categories="codes", unseen="unknown").fit(table, target="good")
    train, valid = stratified_split(TableDataset(table, encoder=encoder), [0.8, 0.2], generator=0)
    model = Embedded(encoder)
    loss = nn.CrossEntropyLoss(weight=class_weights(train))
    fit(model, DataLoader(train, 32, shuffle=True), optim.Adam(model.parameters(), lr=0.01), loss, 15)
    assert evaluate(model, DataLoader(valid, 160), loss, {"accuracy": accuracy})["accuracy"] > 0.9


@pytest.mark.data
def test_a_folder_of_images(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    for name, colour in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
        (tmp_path / name).mkdir()
        for number in range(24):
            pixels = np.clip(generator.normal(colour, 60, (20, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    augment = transforms.Compose([transforms.RandomResizedCrop(12), transforms.RandomHorizontalFlip(),
                                  transforms.ColorJitter(0.1, 0.1), transforms.ToTensor()])
    loader = DataLoader(ImageFolder(tmp_path, augment), 8, shuffle=True, num_workers=2)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    history = fit(model, loader, optim.Adam(model.parameters(), lr=0.03), nn.CrossEntropyLoss(), 12,
                  metrics={"accuracy": accuracy})
    assert history.epochs[-1]["accuracy"] > 0.9


def test_a_text():
    text = "the cat sat on the mat. " * 40
    tokenizer = CharTokenizer(text)

    class Next(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm = nn.Embedding(len(tokenizer), 12), nn.LSTM(12, 32, batch_first=True)
            self.head = nn.Linear(32, len(tokenizer))

        def forward(self, x):
            return self.head(self.lstm(self.embedding(x))[0]).transpose(1, 2)

    model = Next()
    history = fit(model, DataLoader(TextDataset(text, tokenizer, length=24, stride=5), 16, shuffle=True),
                  optim.Adam(model.parameters(), lr=0.02), nn.CrossEntropyLoss(), 6)
    assert history.epochs[-1]["loss"] < 0.3 * history.epochs[0]["loss"]


def test_a_time_series():
    series = np.sin(np.arange(600) / 5).astype(np.float32)
    model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    train = WindowDataset(series[:500], window=16, horizon=2)
    fit(model, DataLoader(train, 32, shuffle=True), optim.Adam(model.parameters(), lr=0.01), nn.MSELoss(), 15)
    assert evaluate(model, DataLoader(WindowDataset(series[500:], 16, 2), 100), nn.MSELoss())["loss"] < 0.02


def test_mapped_arrays_and_folds(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((300, 5)).astype(np.float32)
    np.savez(tmp_path / "set.npz", x=x, y=(x[:, 0] > 0).astype(np.int64))
    arrays = load_arrays(tmp_path / "set.npz")
    scores, loss = [], nn.CrossEntropyLoss()
    for train, valid in k_fold(TensorDataset(arrays["x"], arrays["y"]), 3, stratify=True, generator=0):
        model = nn.Linear(5, 2)
        fit(model, DataLoader(train, 20, shuffle=True), optim.Adam(model.parameters(), lr=0.05), loss, 5)
        scores.append(evaluate(model, DataLoader(valid, 100), loss, {"accuracy": accuracy})["accuracy"])
    assert len(scores) == 3 and min(scores) > 0.9


def blobs(seed=0, rows=240):
    """Return points of two classes, one of them rare."""
    generator = np.random.default_rng(seed)
    y = (generator.random(rows) < 0.15).astype(np.int64)
    return (generator.standard_normal((rows, 4)) + 2.0 * y[:, None]).astype(np.float32), y


def test_imbalance_early_stopping_and_the_best_weights(tmp_path):
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    stop = EarlyStopping("validation_f1", patience=4, largest=True, restore_best=True)
    history = fit(model, blobs(), optim.Adam(model.parameters(), lr=0.02), "cross_entropy", 30, blobs(1), [
        stop, CSVLogger(tmp_path / "run.csv")], ["f1", "accuracy"], class_weight="balanced")  # fmt: skip
    best = max(history["validation_f1"])
    assert evaluate(model, blobs(1), "cross_entropy", ["f1"])["f1"] == pytest.approx(best) and best > 0.75
    assert len((tmp_path / "run.csv").read_text().splitlines()) == len(history) + 1


def test_learning_rate_schedule_average_clipping_and_accumulation(tmp_path):
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    rate = find_learning_rate(model, blobs(), optim.SGD(model.parameters(), lr=1e-3), "cross_entropy").suggestion
    optimizer = optim.AdamW(model.parameters(), lr=min(rate, 0.02))
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    history = fit(model, blobs(), optimizer, nn.CrossEntropyLoss(label_smoothing=0.05), 10, schedule=schedule, ema=0.9,
                  clip=1.0, accumulate=2, callbacks=[ModelCheckpoint(tmp_path / "best.safetensors")])
    assert history["loss"][-1] < history["loss"][0] and (tmp_path / "best.safetensors").exists()


def test_looking_at_a_model():
    plots = pytest.importorskip("autograd_nn.look.plots")
    pytest.importorskip("matplotlib")
    x, y = blobs()
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    with profile(model) as p:
        fit(model, (x, y), optim.Adam(model.parameters(), lr=0.02), "cross_entropy", 2)
    assert p.by_layer() and summary(model, (1, 4)).parameters == 114
    scores = predict(model, x)
    assert plots.plot_roc(scores, y) and plots.plot_calibration(softmax(scores, 1), y) and plots.plot_flame(p)


@pytest.mark.onnx
def test_a_deployed_model(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    x, _ = blobs()
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
    export(model, x[:1], tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(scores, predict(model, x).numpy(), atol=1e-5)
