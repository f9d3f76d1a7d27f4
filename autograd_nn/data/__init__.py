"""Datasets of arrays, images, tables, texts and series; samplers, transforms and the DataLoader; MNIST and its kin."""

from ..engine.arguments import explain
from . import transforms
from .collate import default_collate, default_convert
from .columns import read_csv
from .dataset import (
    ArrayDataset,
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .files import load_arrays
from .folder import ImageFolder, read_image
from .hub import ColumnDataset
from .idx import read_idx, write_idx
from .loader import DataLoader
from .mnist import EMNIST, MNIST, FashionMNIST, IDXDataset
from .randomness import current_generator
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .series import WindowDataset
from .splits import StratifiedSampler, balanced_sampler, class_weights, k_fold, labels_of, stratified_split
from .tables import TableDataset, TableEncoder
from .text import BytePairTokenizer, CharTokenizer, PadCollate, TextDataset, TokenizerBridge
from .workers import get_worker_info

__all__ = [
    "EMNIST",
    "MNIST",
    "ArrayDataset",
    "BatchSampler",
    "BytePairTokenizer",
    "ChainDataset",
    "CharTokenizer",
    "ColumnDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "IDXDataset",
    "ImageFolder",
    "IterableDataset",
    "PadCollate",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "StratifiedSampler",
    "Subset",
    "SubsetRandomSampler",
    "TableDataset",
    "TableEncoder",
    "TensorDataset",
    "TextDataset",
    "TokenizerBridge",
    "WeightedRandomSampler",
    "WindowDataset",
    "balanced_sampler",
    "class_weights",
    "current_generator",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "k_fold",
    "labels_of",
    "load_arrays",
    "random_split",
    "read_csv",
    "read_idx",
    "read_image",
    "stratified_split",
    "transforms",
    "write_idx",
]

explain(globals(), __all__)
