"""``python -m pipeline.cli``: the command without its script."""

from pipeline.cli import app

if __name__ == "__main__":
    app()
