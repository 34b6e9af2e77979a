"""How a text is to be continued: how far, what is drawn from, how many alternatives are kept."""

import dataclasses
import math

from archlab.spelling import not_one_of

SEEDS = 2**32  # JAX keeps 32 bits of one
ORDERS = ("left", "confident", "random")
_NUMBERS = {  # the least and the most of each, and what it is in words
    "tokens": (1, math.inf, "at least 1 token is added"),
    "temperature": (0, math.inf, "it is a number, 0 or more"),
    "top_k": (0, math.inf, "it counts tokens, and 0 leaves all"),
    "beams": (1, math.inf, "at least 1 alternative is kept"),
    "penalty": (0, math.inf, "it is a number, 0 or more"),
    "seed": (0, SEEDS, f"it is 0 or more, below {SEEDS}"),
    "passes": (0, math.inf, "it counts, and 0 is one for each token"),
}


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a text is to be continued.

    Args:
      tokens: at most how many are added, 1 or more.
      temperature: 0 takes the likeliest; 1 draws from the model's own distribution; higher is more
        even.
      top_k: draws are of so many of the likeliest tokens; 0 leaves all.
      top_p: draws are of the fewest likeliest tokens whose shares come to this, above 0; 1 leaves
        all. After `top_k`, where both cut.
      beams: alternatives that are kept of each text, 1 or more; 1 keeps none besides it.
      penalty: how much a long text is favoured among the alternatives, 0 or more: nats are divided
        by ((5 + tokens) / 6) ** penalty. 0 compares texts by their probability.
      seed: of the draws, 0 or more, below 2**32; unused at temperature 0.
      order: of an encoder, in which masks become text: "left" to right, the most "confident" first,
        or "random"; "" is left to right.
      passes: of an encoder, in which all masks become text, evenly; 0 is one for each token.

    Raises:
      ValueError: a number out of its range, a word that is none of `ORDERS`, or a setting that
        changes nothing beside the others.

    Source: Fan et al. 2018, section 5.4 (`top_k`); Holtzman et al. 2020, section 3.1 (`top_p`); Wu
      et al. 2016 (GNMT), equation 14, without the coverage (`penalty`, there 0.2; 0.6 of Raffel et
      al. 2020, appendix C); Ghazvininejad et al. 2019, section 3, and Nie et al. 2025 (LLaDA),
      section 2.4 ("confident", "random").
    """

    tokens: int = 64
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    beams: int = 1
    penalty: float = 0.0
    seed: int = 0
    order: str = ""
    passes: int = 0

    def __post_init__(self):
        for name, (least, most, said) in _NUMBERS.items():
            if not least <= getattr(self, name) < most:
                raise ValueError(f"{name}={getattr(self, name)}; {said}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p}; it is a share above 0, and 1 leaves all")
        if self.order and self.order not in ORDERS:
            raise ValueError(f"order={not_one_of(self.order, ORDERS)}")
        for name, all_ in (("top_k", 0), ("top_p", 1)):
            value = getattr(self, name)
            if value != all_ and not self.temperature:
                raise ValueError(
                    f"{name}={value} cuts what is drawn from, and temperature=0 draws nothing; "
                    "temperature=1 draws"
                )
        if self.beams > 1 and self.temperature:
            raise ValueError(
                f"beams={self.beams} keeps the likeliest texts, and temperature={self.temperature} "
                "draws one; say one of the two"
            )
        if self.penalty and self.beams == 1:
            raise ValueError(
                f"penalty={self.penalty} compares alternatives, and beams=1 keeps none; beams=4 "
                "keeps some"
            )
        if self.passes > self.tokens:
            raise ValueError(
                f"passes={self.passes}, and tokens={self.tokens}; each pass says at least 1"
            )
