"""Which way a weight moves, and how far: an optimizer's direction times a schedule's rate."""

import dataclasses
import math

import jax
import optax

from archlab import axes, mesh
from archlab.refusal import Refusal
from archlab.spelling import not_one_of
from archlab.stages import Schedule

NAMES = ("adamw", "adafactor")
PRECISIONS = ("float32", "bfloat16")
# Multiplied by the root of the width, or what is multiplied with them is divided by it.
TABLES = ("table_VD", "place_UD", "head_DV", "bias_RH", "router_DE")
UNDECAYED = {"scale", "bias"}  # norms, biases and position biases are not pulled towards 0


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """One optimizer. The learning rate belongs to the stage, not to it.

    Args:
      name: "adamw" or "adafactor".
      b1: adamw: how much of the mean gradient is kept from step to step, 0 to 1.
      b2: adamw: how much of the mean squared gradient is kept, 0 to 1.
      epsilon: adamw: added to the root of the mean squared gradient.
      weight_decay: share of a weight, per unit of learning rate, that a step takes away; norms
        and biases keep theirs.
      clip: the largest norm of the whole gradient; 0 lets any pass.
      precision: adamw: in which the mean gradient is kept, "float32" or "bfloat16", which takes a
        sixth off weights and moments; the mean squared gradient is float32 in both.
      factored: adafactor: whether of the mean squared gradient of a large weight only its rows and
        columns are kept, and not each value's, which takes as much room as the weight.
      momentum: adafactor: how much of the mean step is kept from step to step, 0 to 1; 0 keeps
        none, and takes no room.

    Raises:
      ValueError: an unknown name, or a number out of its range.

    Source: Loshchilov & Hutter 2019 (AdamW); Shazeer & Stern 2018 (Adafactor) with T5's settings:
      decay exponent 0.8, update clipping at 1, steps relative to the weights' own root mean square,
      and, factored, heads × kv as one dimension; Chowdhery et al. 2022 (PaLM), section 5, for
      squares that are not factored, with momentum.
    """

    name: str = "adamw"
    b1: float = 0.9
    b2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    precision: str = "float32"
    factored: bool = True
    momentum: float = 0.0

    def __post_init__(self):
        if self.name not in NAMES:
            raise Refusal(f"Optimizer.name={not_one_of(self.name, NAMES)}", "Optimizer.name")
        if self.precision not in PRECISIONS:
            said = f"Optimizer.precision={not_one_of(self.precision, PRECISIONS)}"
            raise Refusal(said, "Optimizer.precision")
        if self.name == "adafactor" and self.precision != "float32":
            said = f"{self.precision!r} is adamw's; all that adafactor keeps is float32"
            raise Refusal(f"Optimizer.precision={said}", "Optimizer.precision")
        for name, plain in (("factored", True), ("momentum", 0.0)):
            if self.name != "adafactor" and getattr(self, name) != plain:
                setting = f"Optimizer.{name}"
                said = f"{setting}={getattr(self, name)!r} is adafactor's; adamw has b1 and b2"
                raise Refusal(said, setting)
        for name in ("b1", "b2", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                setting = f"Optimizer.{name}"
                raise Refusal(f"{setting}={getattr(self, name)}; it is in [0, 1)", setting)
        if not 0 < self.epsilon < math.inf:
            raise Refusal(
                f"Optimizer.epsilon={self.epsilon}; it is a number above 0", "Optimizer.epsilon"
            )
        for name in ("weight_decay", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                setting = f"Optimizer.{name}"
                raise Refusal(f"{setting}={getattr(self, name)}; it is 0 or more", setting)

    def transform(self, ratio: float = 1.0) -> optax.GradientTransformation:
        """The direction, uphill: a step subtracts it times the learning rate.

        Args:
          ratio: adamw: width of the model that the learning rate was found with, over this one's.

        Returns:
          An optax transformation of the gradient.

        Source: Yang et al. 2021 (Tensor Programs V), table 8, for steps by width.
        """
        if self.name == "adamw":
            first = optax.scale_by_adam(self.b1, self.b2, self.epsilon, mu_dtype=self.precision)
            first = first if ratio == 1 else _narrowed(first, ratio)
        else:
            squares = optax.scale_by_factored_rms(self.factored)
            parts = [
                _joined(squares) if self.factored else squares,
                optax.clip_by_block_rms(1.0),
                optax.scale_by_param_block_rms(),
            ]
            if self.momentum:
                parts.append(optax.ema(self.momentum, debias=False))
            single = optax.chain(*parts)
            first = optax.partition({"layers": _each(single), "single": single}, _labels)
        if not self.weight_decay:
            return first
        return optax.chain(first, optax.add_decayed_weights(self.weight_decay, _decayed))


def _narrowed(
    transform: optax.GradientTransformation, ratio: float
) -> optax.GradientTransformation:
    # A product over the width adds up what every term of it learnt, so the wider it is, the less
    # each may learn. What is read off a table is multiplied by the root of the width, and so are
    # its steps; biases and scales are added and multiplied once.
    def share(keys, leaf):
        path = mesh.path(keys)
        name = path.split("/")[-1]
        if name in TABLES:
            return leaf * ratio**0.5
        return leaf if UNDECAYED & {*name.split("_")} else leaf * ratio

    def update(slope, state, weights):
        way, state = transform.update(slope, state, weights)
        return jax.tree_util.tree_map_with_path(share, way), state

    return optax.GradientTransformation(transform.init, update)


def _each(transform: optax.GradientTransformation) -> optax.GradientTransformation:
    # Adafactor clips and scales array by array. A stack of layers is one array here, and would be
    # clipped by its loudest layer, so each layer is handed over on its own: those of stacks of one
    # depth together.
    init, update = jax.vmap(transform.init), jax.vmap(lambda *args: transform.update(*args))

    def depths(tree) -> list[int]:
        return sorted({leaf.shape[0] for leaf in jax.tree.leaves(tree)})

    def of(tree, depth: int):
        return jax.tree.map(
            lambda leaf: leaf if leaf.shape[0] == depth else optax.MaskedNode(), tree
        )

    def first(weights):
        if len(depths(weights)) == 1:
            return init(weights)
        return {str(depth): init(of(weights, depth)) for depth in depths(weights)}

    def step(slope, state, weights):
        if len(depths(weights)) == 1:
            return update(slope, state, weights)
        ways, states = [], {}
        for name, own in state.items():
            way, states[name] = update(of(slope, int(name)), own, of(weights, int(name)))
            ways.append(way)
        return jax.tree.map(_there, *ways, is_leaf=_is_masked), states

    return optax.GradientTransformation(first, step)


def _is_masked(leaf) -> bool:
    return isinstance(leaf, optax.MaskedNode)


def _there(*leaves):
    """The one that is an array, if one is."""
    return next((leaf for leaf in leaves if not _is_masked(leaf)), leaves[0])


def _joined(transform: optax.GradientTransformation) -> optax.GradientTransformation:
    # Of an array's dimensions optax factors the two largest, if both are at least 128, which the
    # width of a head seldom is. T5 has heads × width as one dimension; so has the array here.
    def join(keys, leaf):
        at = axes.letters(mesh.path(keys).split("/")[-1]).find("K")
        return leaf if at < 0 else leaf.reshape(*leaf.shape[: at - 1], -1, *leaf.shape[at + 1 :])

    def joined(tree):
        return jax.tree_util.tree_map_with_path(join, tree)

    def update(slope, state, weights):
        way, state = transform.update(joined(slope), state, joined(weights))
        return jax.tree.map(lambda leaf, like: leaf.reshape(like.shape), way, slope), state

    return optax.GradientTransformation(lambda weights: transform.init(joined(weights)), update)


def _labels(weights):
    return jax.tree_util.tree_map_with_path(
        lambda keys, _: "layers" if "/layers/" in mesh.path(keys) else "single", weights
    )


def _decayed(weights):
    return jax.tree_util.tree_map_with_path(
        lambda keys, _: not UNDECAYED & {*mesh.path(keys).split("/")[-1].split("_")}, weights
    )


def rate(schedule: Schedule, steps: int) -> optax.Schedule:
    """Makes the learning rate of a stage's n-th step, n from 1 to `steps`.

    Example, `Schedule("wsd", peak=1.0, warmup=2, decay=0.4)` over 10 steps:
      step  1    2    3    4    5    6    7     8    9     10
      rate  0.5  1    1    1    1    1    0.75  0.5  0.25  0

    Args:
      schedule: its shape.
      steps: of the stage.

    Returns:
      A function of the step.

    Raises:
      ValueError: the warm-up, or the warm-up and the decay together, are longer than the stage.

    Source: Raffel et al. 2020, section 3.1.2 (rsqrt: flat for the warm-up, then 1/sqrt(step));
      Loshchilov & Hutter 2017 (cosine); Hu et al. 2024 (MiniCPM), section 4 (wsd).
    """
    decay = round(schedule.decay * steps) if schedule.kind == "wsd" else 0
    if schedule.kind != "rsqrt" and schedule.warmup + decay > steps:
        raise Refusal(
            f"a warm-up of {schedule.warmup} and a decay of {decay} steps do not fit a stage of "
            f"{steps}; Schedule.warmup={steps - decay} would",
            "Schedule.warmup",
        )
    peak, end = schedule.peak, schedule.peak * schedule.floor
    warmup = max(schedule.warmup, 1)
    if schedule.kind == "rsqrt":
        since = schedule.before
        return lambda step: peak * jax.lax.rsqrt(jax.numpy.maximum(step + since, warmup) / warmup)
    if schedule.kind == "cosine":
        after = optax.cosine_decay_schedule(peak, max(steps - warmup, 1), schedule.floor)
    elif schedule.kind == "wsd":
        stable = steps - decay - warmup
        fall = optax.linear_schedule(peak, end, max(decay, 1))
        after = optax.join_schedules([optax.constant_schedule(peak), fall], [stable])
        after = after if decay else optax.constant_schedule(peak)
    else:
        after = optax.constant_schedule(peak)
    rise = optax.linear_schedule(0.0, peak, warmup)
    joined = optax.join_schedules([rise, after], [warmup])
    # A step's compiled arithmetic may round the last rate to a little below nothing.
    return lambda step: jax.numpy.maximum(joined(step), 0.0)
