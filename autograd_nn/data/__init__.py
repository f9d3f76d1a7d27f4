"""Datasets, samplers, transforms and the DataLoader; MNIST and its kin."""

from . import transforms
from .collate import default_collate
from .dataset import ArrayDataset, ConcatDataset, Dataset, Subset, TensorDataset, random_split
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

__all__ = [
    "EMNIST",
    "MNIST",
    "ArrayDataset",
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "IDXDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "current_generator",
    "default_collate",
    "random_split",
    "read_idx",
    "transforms",
    "write_idx",
]
