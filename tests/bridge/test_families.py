import dataclasses
import itertools

import jax
import pytest

from archlab import mesh
from archlab.architecture import Architecture
from archlab.bridge import families
from archlab.bridge.bert import BERT
from archlab.bridge.configuration import Configuration
from archlab.bridge.gpt2 import GPT2
from archlab.bridge.llama import LLAMA
from archlab.bridge.modernbert import MODERNBERT
from archlab.bridge.t5 import T5
from tests.bridge import models

BOTH = {"tied": (True, False), "scaled": (True, False)}
LEARNED = {"position": ("learned",), "norm": ("layer",), "bias": (True,), "epsilon": (1e-5,)}
WINDOWS = {"window": (4,), "global_every": (0, 2), "global_first": (0,)}
WORDS = {  # what a model of each family may be
    T5: {"position": ("relative",), "activation": ("relu", "geglu", "swiglu")},
    LLAMA: {"activation": ("swiglu",), "rotary_base": (5e5,)},
    GPT2: LEARNED | {"activation": ("gelu_tanh",)},
    BERT: LEARNED | {"activation": ("gelu",), "head": ("transformed",), "norm_place": ("post",)},
    MODERNBERT: WINDOWS
    | {"activation": ("geglu_exact",), "norm": ("layer",), "embedding_norm": (True,)}
    | {"head": ("transformed",), "local_rotary_base": (5e3,), "rotary_base": (2e4,)},
}
ALL = [
    (family, Architecture(family.words["name"][0], **dict(zip(all_, chosen, strict=True))))
    for family, words in WORDS.items()
    for all_ in [words | BOTH]
    for chosen in itertools.product(*all_.values())
]
NAMES = [
    f"{family.name}-{one.activation}-{one.tied}-{one.scaled}-{one.global_every}"
    for family, one in ALL
]
# Which shapes there are does not hang on what is read off a table.
SHAPED = [one for one in ALL if one[1].scaled]
SIZE = dataclasses.replace(models.SIZE, layers=4, kv=8, positions=33)


def test_names_are_all_different():
    names = [one.name for one in families.FAMILIES]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("family, architecture", SHAPED)
def test_a_table_has_every_weight_of_the_model_once(family, architecture):
    """The model itself says which there are, and of what shape."""
    assert families.of(SIZE, architecture) is family
    leaves = jax.tree_util.tree_flatten_with_path(models.shapes(architecture, SIZE))[0]
    wanted = {mesh.path(keys): leaf.shape for keys, leaf in leaves}
    table = family.table(SIZE, architecture)
    found = [(one.here, one.shape(SIZE)) for one in table.pairs]
    assert len(found) == len(wanted) and dict(found) == wanted


@pytest.mark.parametrize("family, architecture", ALL, ids=NAMES)
def test_a_configuration_says_all_there_is_to_say(family, architecture):
    """But for `scaled`, which weights make up for."""
    config = Configuration({"model_type": family.name, **family.fields(SIZE, architecture)})
    assert families.named(config) is family
    size, found = family.settings(config)
    is_sorted, is_placed = architecture.position == "relative", architecture.position == "learned"
    # What a model does not use, nobody says.
    wanted = dataclasses.replace(
        SIZE,
        buckets=SIZE.buckets if is_sorted else size.buckets,
        positions=SIZE.positions if is_placed else 0,
    )
    assert size == wanted
    is_scaled = family is T5 and architecture.tied
    assert found == dataclasses.replace(architecture, scaled=is_scaled)


@pytest.mark.parametrize("family", [GPT2, BERT, MODERNBERT], ids=lambda family: family.name)
def test_heads_of_other_widths_are_refused_where_the_family_has_none(family):
    architecture = next(one for own, one in ALL if own is family)
    with pytest.raises(ValueError, match=r"3 × Size.kv=10 is not Size.embed=24"):
        family.fields(models.SIZE, architecture)
    with pytest.raises(ValueError, match="Size.kv_heads=1"):
        family.fields(dataclasses.replace(SIZE, kv_heads=1), architecture)


def test_what_transformers_has_no_class_for_is_refused_with_the_reason():
    with pytest.raises(ValueError) as caught:
        families.of(SIZE, Architecture("prefix_decoder"))
    assert str(caught.value) == (
        "transformers has no class for this prefix_decoder: LlamaForCausalLM has name "
        "'causal_decoder', not 'prefix_decoder'"
    )
    with pytest.raises(ValueError, match="T5ForConditionalGeneration has position 'relative', not"):
        families.of(SIZE, Architecture("encoder_decoder", "rope"))
    t5 = Architecture("encoder_decoder", "relative", "relu", tied_stacks=True)
    with pytest.raises(ValueError, match="T5ForConditionalGeneration has tied_stacks False, not T"):
        families.of(SIZE, t5)


def test_a_model_type_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(
        ValueError, match="model_type='mamba'; archlab has 't5', 'llama', 'gpt2', 'b"
    ):
        families.named(Configuration({"model_type": "mamba"}))
