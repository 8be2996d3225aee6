"""``python -m cosmoformer``."""

from cosmoformer.cli import main

if __name__ == "__main__":
    main(prog_name="cosmoformer")
