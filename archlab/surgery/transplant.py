"""Transplants: the state of one model, turned into that of another.

What stays as it was is handed over and not copied, since there may be no room for it twice. The
rest is made in one program, each device its own part, from the old arrays and from what a first
step would begin with. Until all of it is there, so is all that there was (`made` says how much);
then what nothing needs any more is let go.

Moments go with their weights: an array of theirs has the path of its weight, and its shape or one
that begins with the same layers. Where neither holds, they begin anew.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from archlab import mesh
from archlab.surgery.origins import Origin
from archlab.train.state import State

CARRIED = ("weights/", "moments/")  # what of a state goes on; the step begins anew
Graft = Callable[[jax.Array, jax.Array], jax.Array]  # an old array and a drawn one to a new one


def transplant(
    old: State, shapes: State, found: tuple[Origin, ...], draw: Callable[[], State]
) -> State:
    """Makes the state of one model of that of another.

    Args:
      old: used up; without moments, they begin anew.
      shapes: of the new state, with shardings.
      found: where each new weight comes from.
      draw: the state that the new model would begin with by itself; traced.

    Returns:
      The new state, at step 0.
    """
    had = _leaves(old)
    kept, grafts = _parted(had, _leaves(shapes), found)
    needed = {source: had[source] for source, graft in grafts.values() if graft}

    def make(needed: dict[str, jax.Array]) -> dict[str, jax.Array]:
        drawn = _leaves(draw())
        return {
            name: graft(needed[source], drawn[name]) if graft else drawn[name]
            for name, (source, graft) in grafts.items()
        }

    placed = {name: leaf.sharding for name, leaf in _leaves(shapes).items()}
    new = jax.jit(make, out_shardings={name: placed[name] for name in grafts})(needed)
    for name, leaf in had.items():
        if name not in kept.values():
            leaf.delete()
    new |= {name: jax.device_put(had[source], placed[name]) for name, source in kept.items()}
    return jax.tree_util.tree_map_with_path(lambda keys, _: new[mesh.path(keys)], shapes)


def made(old: State, shapes: State, found: tuple[Origin, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    """Finds the arrays for which there has to be room beside the old state.

    Args:
      old: or its shapes; without moments, they begin anew.
      shapes: of the new state.
      found: where each new weight comes from.

    Returns:
      Those of the new state that are not handed over, by their path in it.
    """
    new = _leaves(shapes)
    _, grafts = _parted(_leaves(old), new, found)
    return {name: new[name] for name in grafts}


def _parted(
    had: dict[str, jax.Array], new: dict[str, jax.ShapeDtypeStruct], found: tuple[Origin, ...]
) -> tuple[dict[str, str], dict[str, tuple[str, Graft | None]]]:
    """Parts what is handed over, with the old array that it is, from what is made, with how."""
    origins = {origin.path: origin for origin in found}
    kept, grafts = {}, {}
    for name, shape in new.items():
        origin, source = _origin(name, origins)
        leaf = had.get(source) if name.startswith(CARRIED) else None
        if leaf is not None and _is_whole(origin, leaf, shape) and source not in kept.values():
            kept[name] = source
        elif leaf is not None and (graft := _graft(origin, name, leaf, shape)):
            grafts[name] = (source, graft)
        else:
            grafts[name] = ("", None)
    return kept, grafts


def _leaves(tree: mesh.Tree) -> dict[str, jax.Array]:
    return {mesh.path(keys): leaf for keys, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def _origin(name: str, origins: dict[str, Origin]) -> tuple[Origin | None, str]:
    """The origin of the weight that an array is, or belongs to, and what to take it from."""
    parts = name.split("/")
    for at in range(len(parts)):
        origin = origins.get("/".join(parts[at:]))
        if origin:
            return origin, "/".join([*parts[:at], origin.source])
    return None, name


def _is_whole(origin: Origin | None, leaf: jax.Array, shape: jax.ShapeDtypeStruct) -> bool:
    """Whether an array goes over as it is."""
    return (origin is None or origin.is_whole) and leaf.shape == shape.shape


def _graft(
    origin: Origin | None, name: str, leaf: jax.Array, shape: jax.ShapeDtypeStruct
) -> Graft | None:
    """How an array is made of an old one and a drawn one; None if it cannot be."""
    if origin is None:  # a count of steps, one for each layer, all alike
        return lambda old, drawn: jnp.broadcast_to(old.reshape(-1)[0], drawn.shape)
    is_weight = name.startswith("weights/")
    was = origin.was[::-1] if origin.is_turned else origin.was
    if leaf.shape != was or shape.shape != origin.shape:
        # Of moments that have fewer dimensions than their weight, only the layers are known.
        own = int(bool(origin.layers))
        is_alike = origin.axis is None and leaf.shape[own:] == shape.shape[own:]
        if is_weight or origin.is_turned or not is_alike:
            return None

    def graft(old: jax.Array, drawn: jax.Array) -> jax.Array:
        value = old.T if origin.is_turned else old
        value = value[np.asarray(origin.layers)] if origin.layers else value
        if origin.axis is not None:
            value = _longer(value, drawn, origin.axis, is_weight and origin.rows == "mean")
        if origin.silent:
            is_silent = np.asarray(origin.silent).reshape([-1, *[1] * (value.ndim - 1)])
            value = jnp.where(is_silent, 0, value)
        return value

    return graft


def _longer(old: jax.Array, drawn: jax.Array, axis: int, is_mean: bool) -> jax.Array:
    """The rows that there were, as many as are wanted, and others after them."""
    many = min(old.shape[axis], drawn.shape[axis])
    kept = jax.lax.slice_in_dim(old, 0, many, axis=axis)
    more = jax.lax.slice_in_dim(drawn, many, None, axis=axis)
    if is_mean:
        more = jnp.broadcast_to(jnp.mean(old, axis, keepdims=True), more.shape)
    return jnp.concatenate([kept, more], axis)
