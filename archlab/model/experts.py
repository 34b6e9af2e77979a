"""Experts: hidden layers of which each token is sent to a few, chosen by a router.

No token is dropped. Each expert takes all tokens that chose it, however many, in one product of
uneven groups (`jax.lax.ragged_dot`), so what a position reads depends on nothing but itself: packed
rows, generation token by token, and every mesh give the same. A capacity would drop the last tokens
of a full expert, and which those are depends on the others.

Over the mesh axis `expert`, each device keeps some of the experts. It gathers the tokens of the
devices along that axis, computes what its own experts make of them, and the sums are scattered
back: every token crosses once each way, whatever it chose.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from archlab import axes
from archlab import mesh as meshes
from archlab.model.layers import SEEN, Layer
from archlab.model.mlp import ACTIVATIONS


class Experts(Layer):
    """Hidden layers, of which a token meets the few that its router finds likeliest.

    Source: Shazeer et al. 2017, section 2; Jiang et al. 2024 (Mixtral), section 2.1, for the shares
      of several; Fedus et al. 2021 (Switch), equation 2, for that of one; Gale et al. 2022
      (MegaBlocks), section 2.2, for dropping nothing.
    """

    @nn.compact
    def __call__(self, x_BLD: jax.Array, is_text_BL: jax.Array) -> jax.Array:
        """Sends each position to its experts.

        Args:
          x_BLD: normalised.
          is_text_BL: which positions are no padding.

        Returns:
          What is added to the stream.
        """
        share_BLE = self._shares(x_BLD)
        share_BLC, choice_BLC = jax.lax.top_k(share_BLE, self.size.choices)
        self.sow(SEEN, "balance_B", balance(share_BLE, choice_BLC, is_text_BL))
        if self.size.choices > 1:
            share_BLC /= jnp.sum(share_BLC, axis=-1, keepdims=True)
        names = {"up_EDF": "D", "gate_EDF": "D", "down_EFD": "F"}
        if not self.architecture.is_gated:
            del names["gate_EDF"]
        given = {
            "x_BLD": x_BLD,
            "share_BLC": share_BLC.astype(self.dtype),
            "choice_BLC": choice_BLC,
            **{name: self.weight(name, fan_in=letters) for name, letters in names.items()},
        }
        return self._sent(given)

    def _shares(self, x_BLD: jax.Array) -> jax.Array:
        """How likely each expert is for each token; float32, as Fedus et al. found it has to be."""
        router_DE = self.stored("router_DE", fan_in="D")
        logits_BLE = jnp.einsum("BLD,DE->BLE", x_BLD.astype(jnp.float32), router_DE)
        return jax.nn.softmax(logits_BLE * self.size.ratio**0.5, axis=-1)

    def _sent(self, given: dict) -> jax.Array:
        """What the chosen experts make of the tokens, each device its own experts'."""
        mesh = self.attend.mesh
        if mesh is None:
            return self._made(given, 0)
        specs = {name: self._spec(mesh, name, array) for name, array in given.items()}
        spread = jax.shard_map(
            self._own, mesh=mesh, in_specs=(specs,), out_specs=specs["x_BLD"], check_vma=False
        )
        return spread(given)

    def _spec(self, mesh: jax.sharding.Mesh, name: str, array: jax.Array) -> PartitionSpec:
        """How an array is split: by the mesh's rules, but the width of the stream stays whole."""
        split = meshes.sharding(mesh, name, array.shape).spec
        both = zip(axes.letters(name), split, strict=True)
        return PartitionSpec(*(None if letter == "D" else axis for letter, axis in both))

    def _own(self, given: dict) -> jax.Array:
        """What the experts of one device make, for the tokens of this one."""
        gathered = {
            name: jax.lax.all_gather(array, "expert", tiled=True)
            for name, array in given.items()
            if "B" in axes.letters(name)
        }
        first = jax.lax.axis_index("expert") * given["up_EDF"].shape[0]
        x_BLD = jax.lax.psum(self._made({**given, **gathered}, first), "model")
        return jax.lax.psum_scatter(x_BLD, "expert", tiled=True)

    def _made(self, given: dict, first: jax.Array | int) -> jax.Array:
        """What experts, numbered from `first` on, make of the tokens that chose them."""
        bend = ACTIVATIONS[self.architecture.activation]
        x_BLD, choice_BLC, many = given["x_BLD"], given["choice_BLC"], given["up_EDF"].shape[0]
        expert_T = choice_BLC.reshape(-1) - first  # a token stands here once for each choice
        is_own_T = (expert_T >= 0) & (expert_T < many)
        expert_T = jnp.where(is_own_T, expert_T, many)
        order_T = jnp.argsort(expert_T, stable=True)
        group_E = jnp.sum(expert_T[:, None] == jnp.arange(many), axis=0, dtype=jnp.int32)
        sent_TD = x_BLD.reshape(-1, x_BLD.shape[-1])[order_T // choice_BLC.shape[-1]]
        hidden_TF = jax.lax.ragged_dot(sent_TD, given["up_EDF"], group_E)
        if self.architecture.is_gated:
            hidden_TF *= bend(jax.lax.ragged_dot(sent_TD, given["gate_EDF"], group_E))
        else:
            hidden_TF = bend(hidden_TF)
        made_TD = jax.lax.ragged_dot(hidden_TF, given["down_EFD"], group_E)
        # What lies past the last group belongs to other devices' experts, and may be anything.
        share_T = jnp.where(is_own_T, given["share_BLC"].reshape(-1), 0)[order_T]
        made_TD = jnp.where(is_own_T[order_T, None], made_TD, 0) * share_T[:, None]
        back_T = jnp.argsort(order_T)
        return jnp.sum(made_TD[back_T].reshape(*choice_BLC.shape, -1), axis=2)


def balance(share_BLE: jax.Array, choice_BLC: jax.Array, is_text_BL: jax.Array) -> jax.Array:
    """Says how unevenly the tokens of each row are sent; 1 is evenly.

    Why row by row: so it adds up over rows as the loss does, and is the same however the rows are
    split into microbatches and over devices.

    Args:
      share_BLE: float32, how likely each expert is for each token.
      choice_BLC: int32, the experts that it is sent to.
      is_text_BL: which positions are no padding, and count.

    Returns:
      balance_B, float32: the number of experts times the sum over them of the share of tokens sent
      and the mean likelihood. It has a gradient by the likelihoods alone.

    Source: Fedus et al. 2021 (Switch), equations 4 to 6.
    """
    experts = share_BLE.shape[-1]
    many_B = jnp.maximum(jnp.sum(is_text_BL, axis=1), 1)
    sent_BLE = jnp.mean(jax.nn.one_hot(choice_BLC, experts), axis=2) * is_text_BL[..., None]
    likely_BLE = share_BLE * is_text_BL[..., None]
    sent_BE, likely_BE = (jnp.sum(one, axis=1) / many_B[:, None] for one in (sent_BLE, likely_BLE))
    return experts * jnp.sum(jax.lax.stop_gradient(sent_BE) * likely_BE, axis=-1)
