import pytest
import tokenizers

from archlab.data import pieces
from tests import corpus


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A file of every kind that a vocabulary can be read from."""
    home = tmp_path_factory.mktemp("words")
    texts = [path.read_text() for path in corpus.written(home / "texts").iterdir()]
    pieces.train(texts, home / "mine.model", 290, "bpe")
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(texts, 300, special_tokens=["<s>", "</s>", "<pad>"])
    made.save(str(home / "mine.json"))
    (home / "gpt").mkdir()
    made.save_model(str(home / "gpt"))
    (home / "gpt" / "vocab.json").rename(home / "gpt" / "encoder.json")
    (home / "gpt" / "merges.txt").rename(home / "gpt" / "vocab.bpe")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(97 + n) for n in range(26)]
    lines = [*special, *corpus.WORDS, *letters, *(f"##{letter}" for letter in letters)]
    (home / "vocab.txt").write_text("\n".join(lines) + "\n")
    return home
