import dataclasses
import itertools

import jax
import pytest

from archlab import mesh
from archlab.architecture import ACTIVATIONS, POSITIONS, VISIBILITY, Architecture
from archlab.bridge import families
from archlab.bridge.configuration import Configuration
from tests.bridge import models

ALL = [
    Architecture(*words)
    for words in itertools.product(VISIBILITY, POSITIONS, ACTIVATIONS, (True, False))
]


def bridged(architecture: Architecture) -> bool:
    return any(not one.lacks(architecture) for one in families.FAMILIES)


BRIDGED = [one for one in ALL if bridged(one)]
NAMES = [f"{one.name}-{one.activation}-{one.tied}" for one in BRIDGED]


def test_names_are_all_different():
    names = [one.name for one in families.FAMILIES]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("architecture", BRIDGED, ids=NAMES)
def test_a_table_has_every_weight_of_the_model_once(architecture):
    """The model itself says which there are, and of what shape."""
    leaves = jax.tree_util.tree_flatten_with_path(models.shapes(architecture))[0]
    wanted = {mesh.path(keys): leaf.shape for keys, leaf in leaves}
    table = families.of(architecture).table(models.SIZE, architecture)
    found = [(one.here, one.shape(models.SIZE)) for one in table.pairs]
    assert len(found) == len(wanted) and dict(found) == wanted


@pytest.mark.parametrize("architecture", BRIDGED, ids=NAMES)
def test_a_configuration_says_all_there_is_to_say(architecture):
    family = families.of(architecture)
    said = {"model_type": family.name, **family.fields(models.SIZE, architecture)}
    config = Configuration(said)
    assert families.named(config) is family
    size, found = family.settings(config)
    is_sorted = architecture.position == "relative"
    buckets = models.SIZE.buckets if is_sorted else size.buckets  # which nobody else has
    assert size == dataclasses.replace(models.SIZE, buckets=buckets)
    assert found == architecture


def test_what_transformers_has_no_class_for_is_refused_with_the_reason():
    with pytest.raises(ValueError) as caught:
        families.of(Architecture("prefix_decoder"))
    assert str(caught.value) == (
        "transformers has no class for this prefix_decoder: LlamaForCausalLM has name "
        "'causal_decoder', not 'prefix_decoder'"
    )
    with pytest.raises(ValueError, match="T5ForConditionalGeneration has position 'relative', not"):
        families.of(Architecture("encoder_decoder", "rope"))


def test_a_model_type_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="model_type='mamba'; archlab has 't5', 'llama'"):
        families.named(Configuration({"model_type": "mamba"}))
