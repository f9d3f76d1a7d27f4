"""One's own data, from file to trained network: the tasks that newcomers bring, in as few lines as they take."""

from collections import OrderedDict

import numpy as np
import pytest

from autograd_nn import (
    cat,
    compile,
    load,
    manual_seed,
    models,
    multinomial,
    nn,
    no_grad,
    optim,
    rand,
    save,
    softmax,
    tensor,
)
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
from autograd_nn.training.resume import Checkpoint


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


def test_numbers_and_embedded_categories_in_four_statements(tmp_path):
    for name, rows, number in (("train.csv", 800, 1), ("new.csv", 200, 2)):
        write_csv(tmp_path / name, rows, number)
    train = TableDataset.from_csv(tmp_path / "train.csv", target="good", categories="codes")
    model = models.tabular(train.encoder, outputs=2)
    fit(model, DataLoader(train, 32, shuffle=True), optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropyLoss(), 10)
    new = TableDataset.from_csv(tmp_path / "new.csv", encoder=train.encoder)
    assert evaluate(model, DataLoader(new, 200), nn.CrossEntropyLoss(), {"accuracy": accuracy})["accuracy"] > 0.9


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

# ------------------------------------------------------------------------------------ the rest of the newcomers' table


def test_a_data_frame():
    pd = pytest.importorskip("pandas")
    x, y = blobs()
    table, labels = pd.DataFrame(x.astype(float), columns=list("abcd")), pd.Series(y)
    model = nn.Linear(4, 2)
    history = fit(model, (table, labels), optim.Adam(model.parameters(), lr=0.1), "cross_entropy", 5,
                  metrics=["accuracy"])
    assert history["accuracy"][-1] > 0.9 and predict(model, table).shape == (240, 2)
    with pytest.raises(TypeError, match=r"got DataFrame; use TableDataset\(table"):
        DataLoader(table, 32)
    with pytest.raises(TypeError, match=r"use tensor\(df.values\)"):
        model(table)


def test_a_text_goes_on():
    text = "abcd" * 60
    tokenizer = CharTokenizer(text)
    model = nn.Sequential(nn.Embedding(len(tokenizer), 8), nn.Linear(8, len(tokenizer)))
    loader = DataLoader(TextDataset(text, tokenizer, length=8), 16, shuffle=True)
    fit(model, loader, optim.Adam(model.parameters(), lr=0.1),
        lambda out, target: nn.functional.cross_entropy(out.transpose(1, 2), target), 5)
    tokens = tokenizer.encode("a")
    while len(tokens) < 9:
        tokens.append(multinomial(softmax(model(tensor(tokens))[-1] / 0.1, -1), 1).item())
    assert tokenizer.decode(tokens) == "abcdabcda"


def test_a_file_larger_than_memory(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (400, 3))
    x[:] = np.random.default_rng(0).standard_normal(x.shape)
    y = (x[:, 0] > 0).astype(np.int64)
    x.flush()
    mapped = load_arrays(tmp_path / "x.npy")
    model = nn.Linear(3, 2)
    history = fit(model, DataLoader(TensorDataset(mapped, y), 20, shuffle=True), optim.Adam(model.parameters(), lr=0.1),
                  "cross_entropy", 5, metrics=["accuracy"])
    assert isinstance(mapped, np.memmap) and history["accuracy"][-1] > 0.95


def test_a_grid_search_over_a_pipeline():
    pytest.importorskip("sklearn")
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    from autograd_nn.sklearn import NetClassifier

    x, y = blobs()
    x[::7, 0] = np.nan
    pipe = make_pipeline(SimpleImputer(), NetClassifier((8,), lr=0.02, max_iter=8, random_state=0))
    search = GridSearchCV(pipe, {"netclassifier__activation": ["relu", "tanh"]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.9


def test_interrupted_and_gone_on(tmp_path):
    def train(epochs):
        manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        fit(model, DataLoader(TensorDataset(*blobs()), 40, shuffle=True), optimizer, "cross_entropy", epochs,
            callbacks=[Checkpoint(tmp_path / "run.safetensors", resume=True)])
        return model.weight.detach().numpy()

    first = train(2)
    whole = train(4)
    (tmp_path / "run.safetensors").unlink()
    assert not np.array_equal(first, whole) and np.array_equal(train(4), whole)


def test_weights_of_others_and_a_new_head(tmp_path):
    def network(classes):
        return nn.Sequential(OrderedDict(body=nn.Linear(4, 8), act=nn.ReLU(), head=nn.Linear(8, classes)))

    save({f"module.{name}": x for name, x in network(5).state_dict().items()}, tmp_path / "theirs.safetensors")
    model, weights = network(5), load(tmp_path / "theirs.safetensors")
    with pytest.raises(RuntimeError, match=r"unexpected: module\.body\.weight"):
        model.load_state_dict(weights)
    nn.modules.utils.consume_prefix_in_state_dict_if_present(weights, "module.")
    model.load_state_dict(weights)
    model.requires_grad_(False)
    model.head = nn.Linear(8, 2)
    before = model.body.weight.detach().numpy().copy()
    history = fit(model, blobs(), optim.Adam(model.head.parameters(), lr=0.05), "cross_entropy", 5)
    assert history["loss"][-1] < history["loss"][0] and np.array_equal(model.body.weight.detach().numpy(), before)


def test_one_row_at_a_time():
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
    x, _ = blobs()
    answer = compile(no_grad()(model))
    assert all(np.array_equal(answer(tensor(row[None])).numpy()[0], whole.numpy()) for row, whole in zip(
        x[:20], predict(model, x[:20]), strict=True))


def test_other_dtypes():
    double, half = nn.Conv2d(1, 2, 3).double(), nn.Conv2d(1, 2, 3).half()
    images = rand(1, 1, 5, 5)
    assert double(images.double()).dtype == np.float64 and half(images.half()).dtype == np.float16
    with pytest.raises(RuntimeError, match=r"input: float32, weight: float64.*convert input with \.double\(\)"):
        double(images)
