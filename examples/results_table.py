"""Drop images into a running system, wait for their results, and go on in pandas or astropy.

cosmoformer up                                                  # in another shell
python examples/results_table.py cosmoformer/bundled/samples
"""

from __future__ import annotations

import sys

from cosmoformer import Client


def main(folder: str) -> None:
    """Print a table of the galaxies of a folder, the surest first."""
    client = Client()
    dropped = client.drop(folder, prefix="example/")
    results = client.wait(dropped.keys, timeout_s=300)
    frame = results.to_pandas().sort_values("confidence", ascending=False)
    print(frame[["key", "class", "confidence", "unsure"]].to_string(index=False))
    table = results.to_table()
    print(f"{len(table)} rows; the probability of a spiral has the UCD {table['p_spiral'].meta.get('ucd')!r}")


if __name__ == "__main__":
    main(sys.argv[1])
