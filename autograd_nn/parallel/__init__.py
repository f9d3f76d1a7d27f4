"""Training on several processes and machines, over MPI, with the same bits for any number of them.

A batch is cut into `shards` parts, whatever the number of ranks is, and all sums over samples follow one binary tree
over them.
"""

from .group import Group, barrier, current, finalize, init, rank, size
from .parts import Parts
from .step import Sharded

__all__ = ["Group", "Parts", "Sharded", "barrier", "current", "finalize", "init", "rank", "size"]
