"""What an architecture is, in words: which stacks there are, who sees whom, which ingredients.

All four are built of one set of blocks (`model/`), so that what differs between two runs is only
what is declared here. An ingredient is the same in every architecture and every layer, or is
refused with the reason.
"""

import dataclasses
import math

from archlab.refusal import Refusal
from archlab.spelling import not_one_of

VISIBILITY = {
    "causal_decoder": "causal",
    "prefix_decoder": "prefix",
    "encoder_decoder": "causal",
    "encoder": "full",
}
POSITIONS = ("rope", "relative", "learned", "none")
GATED = ("swiglu", "geglu", "geglu_exact")
ACTIVATIONS = (*GATED, "relu", "gelu", "gelu_tanh")
NORMS = ("rms", "layer")
PLACES = ("pre", "post", "both")
HEADS = ("plain", "transformed")
RUNGS = ("tied_stacks", "merged", "aligned")  # from an encoder-decoder to a prefix decoder
EPSILON = 1e-6  # T5 and the first Llama: added to the mean square before its root
TURN = 10_000.0  # RoFormer, section 3.2.2: base of the rotary wavelengths

_WORDS = {
    "name": VISIBILITY,
    "position": POSITIONS,
    "activation": ACTIVATIONS,
    "norm": NORMS,
    "norm_place": PLACES,
    "head": HEADS,
}
_PAIR = ("shared", *RUNGS)  # what only two stacks can have
_COUNTS = ("window", "global_every", "global_first")
_BOUNDS = ("attention_cap", "logit_cap", "local_rotary_base")


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One architecture.

    Args:
      name: a key of `VISIBILITY`: causal_decoder, prefix_decoder, encoder_decoder or encoder.
      position: how a stack knows order: "rope" (rotary), "relative" (T5's bias), "learned" (a table
        with a row for each of `Size.positions` places), "none".
      activation: of the hidden layer: "swiglu", "geglu" (GELU by tanh, as T5 1.1 has it) or
        "geglu_exact" (by erf), which are gated; "relu", "gelu" (by erf) or "gelu_tanh".
      tied: whether the logits are read off the embedding table.
      scaled: whether what is read off a table, of tokens or of places, is multiplied by the root of
        the width, as Vaswani et al. have it and T5 does by its first values; GPT, BERT and Llama
        read it as it is.
      norm: "rms" (a root mean square and a scale) or "layer" (a mean, a deviation, a scale and,
        with `bias`, a bias).
      norm_place: "pre" (what a sublayer reads, and the stack's end), "post" (the sum of the stream
        and what a sublayer adds, and the embedding) or "both" (what a sublayer reads and what it
        adds, and the stack's end).
      parallel: whether a layer's hidden layer reads what its attention reads, one norm of the
        stream, so that both are added to it at once; with "pre", in architectures of one stack, and
        in two that are `merged`.
      epsilon: added to the mean square before its root, above 0.
      bias: whether products and layer norms add a bias.
      embedding_norm: whether a norm follows the embedding; the first layer then reads it as it is,
        and the first norm of that layer, though stored, does nothing.
      rotary_base: of the rotary wavelengths, above 1.
      rotary_stretch: (times, near, far): so many times as long as the base has them are wavelengths
        of `far` positions and more; those of `near` and less are as they are, and those between are
        some of both. With 0 and 0 all are longer. Not of layers with a base of their own. None
        leaves all as they are.
      local_rotary_base: that of layers with a window; 0 is the same.
      window: keys to each side of itself that a position sees of its own stack; 0 is all.
      global_every: of so many layers, one has no window; 0 gives every layer one.
      global_first: number of the first layer that has none, from 0.
      qk_norm: whether queries and keys are divided by their root mean square over a head's width.
      attention_cap: an attention logit x becomes cap × tanh(x / cap); 0 leaves it.
      logit_cap: a logit of the vocabulary likewise.
      output_scale: what the vectors that logits are made of are multiplied by, above 0: with 1 the
        first logits have a deviation of about 1, as T5's have, and the first loss is about half a
        nat above that of knowing nothing.
      shared: whether an encoder-decoder has one embedding table for both stacks.
      head: "plain", or "transformed": a product, the activation and a norm before the logits, and
        a bias for each token.
      tied_stacks: whether both of its stacks have one set of weights, tables of places and of
        distances among them; what the decoder asks of the encoder has its own, unless `merged`.
      merged: whether its decoder reads the encoder and itself in one attention, with one softmax
        and one set of weights. Places of the decoder then go on where the inputs of the segment
        end: the first of them is the number of the inputs, for rotary positions, for tables of
        places and for windows, which reach back over the inputs too.
      aligned: whether layer n of its decoder reads what the attention of the encoder's layer n
        reads, rather than what the encoder ends in. What the encoder's last layer makes is read
        by nobody then, so an encoder that has weights of its own is one layer less deep, and what
        it ends in is for the decoder's last.

    Raises:
      ValueError: a word that is not in the lists of this file, a number out of its range, or an
        ingredient that changes nothing beside the others.

    Source: Vaswani et al. 2017, section 3.4 (`scaled`); Ba et al. 2016 ("layer"); Xiong et al. 2020
      ("pre" and "post"); Devlin et al. 2019, the released code ("post" after the embedding,
      "transformed"); Chowdhery et al. 2022 (PaLM), section 2 (`parallel`); Gemma Team 2024 (Gemma
      2), section 2 ("both", both caps, and windows in all layers but one of two); Beltagy et al.
      2020 (Longformer), section 3.1 (windows to each side); Gemma Team 2025 (Gemma 3), section 2
      (`qk_norm`, local bases); Warner et al. 2024 (ModernBERT), section 2.1 (`embedding_norm`,
      "geglu_exact", bases of 160,000 and 10,000); Hendrycks & Gimpel 2016, section 2 (both GELUs);
      Gehring et al. 2017, section 3.1 ("learned"); Chen et al. 2023 (position interpolation),
      equation 3, and the released code of Llama 3.1, `apply_scaling` (`rotary_stretch`); Raffel et
      al. 2020, section 3.2.2 (`tied_stacks`); He et al. 2018 (layer-wise coordination), section 3
      (all three of the last); Zhang et al. 2025 (T5Gemma 2) and its released code for `merged`,
      which turns no keys of the encoder's.
    """

    name: str
    position: str = "rope"
    activation: str = "swiglu"
    tied: bool = True
    scaled: bool = True
    norm: str = "rms"
    norm_place: str = "pre"
    parallel: bool = False
    epsilon: float = EPSILON
    bias: bool = False
    embedding_norm: bool = False
    rotary_base: float = TURN
    rotary_stretch: tuple[float, float, float] | None = None
    local_rotary_base: float = 0.0
    window: int = 0
    global_every: int = 0
    global_first: int = 0
    qk_norm: bool = False
    attention_cap: float = 0.0
    logit_cap: float = 0.0
    output_scale: float = 1.0
    shared: bool = True
    head: str = "plain"
    tied_stacks: bool = False
    merged: bool = False
    aligned: bool = False

    def __post_init__(self):
        for field, allowed in _WORDS.items():
            if getattr(self, field) not in allowed:
                setting = f"Architecture.{field}"
                raise Refusal(f"{setting}={not_one_of(getattr(self, field), allowed)}", setting)
        for field in (*_COUNTS, *_BOUNDS):
            if not 0 <= getattr(self, field) < math.inf:
                self._refuse(field, "it is a number, 0 or more")
        for field in ("epsilon", "output_scale"):
            if not 0 < getattr(self, field) < math.inf:
                self._refuse(field, "it is a number above 0")
        if not 1 < self.rotary_base < math.inf:
            self._refuse("rotary_base", "it is a number above 1")
        if 0 < self.local_rotary_base <= 1:
            self._refuse("local_rotary_base", "it is a number above 1, or 0")
        if self.rotary_stretch is not None:
            self._check_stretch()
        self._check_together()

    def _check_stretch(self) -> None:
        """Refuses what does not say how wavelengths are stretched."""
        object.__setattr__(self, "rotary_stretch", tuple(self.rotary_stretch))
        said = "it is (times, near, far), with times above 0, and 0 < near ≤ far, or 0 for both"
        if len(self.rotary_stretch) != 3:
            self._refuse("rotary_stretch", said)
        times, near, far = self.rotary_stretch
        if not (0 < times < math.inf and (near == far == 0 or 0 < near <= far < math.inf)):
            self._refuse("rotary_stretch", said)

    def _check_together(self) -> None:
        """Refuses what would change nothing."""
        if self.position != "rope":
            said = f"Architecture.position={self.position!r} turns nothing; 'rope' does"
            if self.rotary_base != TURN:
                self._refuse("rotary_base", said)
            if self.rotary_stretch:
                self._refuse("rotary_stretch", said)
            if self.local_rotary_base:
                self._refuse("local_rotary_base", said)
        if not self.window:
            for field in ("local_rotary_base", "global_every"):
                if getattr(self, field):
                    self._refuse(field, "no layer has a window; Architecture.window gives them one")
        if self.global_first >= max(self.global_every, 1):
            self._refuse(
                "global_first",
                f"one of Architecture.global_every={self.global_every} layers has no window, and "
                "the first of them comes before that many",
            )
        if self.embedding_norm and self.norm_place == "post":
            self._refuse("embedding_norm", "Architecture.norm_place='post' has that norm anyway")
        if self.parallel and self.norm_place != "pre":
            self._refuse("parallel", f"Architecture.norm_place={self.norm_place!r}; 'pre' has it")
        if self.parallel and self.kind == "encoder_decoder" and not self.merged:
            self._refuse(
                "parallel",
                "a decoder reads its encoder between the two; one stack has it, or merged",
            )
        self._check_stacks()

    def _check_stacks(self) -> None:
        """Refuses what two stacks may share, where there are no two or they cannot."""
        if self.kind != "encoder_decoder":
            if not self.shared:
                self._refuse(
                    "shared", f"an architecture of kind {self.kind} has one stack, one table"
                )
            for field in RUNGS:
                if getattr(self, field):
                    self._refuse(field, f"an architecture of kind {self.kind} has one stack")
        if self.merged and self.position == "relative":
            self._refuse(
                "merged",
                "with Architecture.position='relative' attention adds a bias by how far apart two "
                "places of a row are, and how far the inputs are from what follows them differs "
                "between the segments of a row; 'rope', 'learned' or 'none' go with it",
            )

    def _refuse(self, field: str, said: str) -> None:
        setting = f"Architecture.{field}"
        raise Refusal(f"{setting}={getattr(self, field)!r}; {said}", setting)

    def named(self, name: str) -> "Architecture":
        """The same ingredients in other stacks, or under another visibility.

        Args:
          name: a key of `VISIBILITY`.

        Returns:
          The architecture of that name; of one stack, without what only two can have.
        """
        alone = {one.name: one.default for one in dataclasses.fields(self) if one.name in _PAIR}
        made = dataclasses.replace(self, name=name, **alone)
        is_pair = made.kind == "encoder_decoder"
        return dataclasses.replace(self, name=name) if is_pair else made

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks, in the order that text passes them."""
        return {"encoder": ("encoder",), "encoder_decoder": ("encoder", "decoder")}.get(
            self.name, ("decoder",)
        )

    @property
    def visibility(self) -> str:
        """Who sees whom in the last stack: "causal", "prefix" or "full"."""
        return VISIBILITY[self.name]

    @property
    def is_gated(self) -> bool:
        """Whether the hidden layer has a second product that opens and shuts it."""
        return self.activation in GATED

    @property
    def kind(self) -> str:
        """How its rows are laid out: "decoder", "encoder_decoder" or "encoder"."""
        return "_".join(self.stacks)

    @property
    def handed(self) -> str:
        """What an encoder hands to a decoder.

        "end": what it ends in. "states": what the attention of each layer reads. "keys": the keys
        and values of each layer, where the decoder would make the same again.
        """
        if not self.aligned:
            return "end"
        return "keys" if self.tied_stacks and self.merged else "states"

    @property
    def unread(self) -> int:
        """Layers that an encoder is less deep by, since nobody would read what they make."""
        return int(self.aligned and not self.tied_stacks)

    @property
    def is_mixed(self) -> bool:
        """Whether some layers have a window and others none."""
        return bool(self.window and self.global_every)

    def is_global(self, number: int) -> bool:
        """Says whether a layer sees past the window.

        Example, Gemma 3: a window in five layers of six
          window=1023, global_every=6, global_first=5    layers 5, 11, 17, … see all

        Args:
          number: of the layer in its stack, from 0.

        Returns:
          Whether it has no window.
        """
        if not self.global_every:
            return not self.window
        return number % self.global_every == self.global_first
