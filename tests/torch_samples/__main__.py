"""``python -m tests.torch_samples`` prints how many of PyTorch's samples each operation passes, and what fails."""

import argparse
import collections
import warnings

import numpy as np
import torch

from tests.torch_samples.operations import ROWS, is_listed, outcomes


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of the names of the operations")
    parser.add_argument("--dtypes", default="float64,float32")
    parser.add_argument("--all", action="store_true", help="print the operations without a failure too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    total = collections.Counter()
    for name, row in ROWS.items():
        if options.only not in name:
            continue
        counts, failures = collections.Counter(), []
        for dtype in options.dtypes.split(","):
            torch.manual_seed(0)
            for wrong, sample in outcomes(row, getattr(torch, dtype)):
                kind = "passed" if not wrong else "listed" if is_listed(row, wrong) else "failed"
                counts[kind] += 1
                if kind == "failed":
                    failures.append(f"{dtype}: {wrong[:200]}\n        {str(sample)[:400]}")
        total += counts
        if options.all or failures:
            print(f"{name}: {dict(counts)}", *failures[:3], sep="\n    ", flush=True)
    every = sum(total.values())
    print(f"{dict(total)} of {every} samples of {len(ROWS)} operations; "
          f"{100 * (every - total['failed']) / max(every, 1):.2f} % pass or are listed")


if __name__ == "__main__":
    main()
