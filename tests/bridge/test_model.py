from archlab.architecture import Architecture
from archlab.model.transformer import parameters
from tests.bridge import models


def test_parameters_are_those_of_the_model():
    architecture = Architecture("encoder_decoder", "relative", "geglu", False)
    count = sum(parameters(models.SIZE, architecture).values())
    assert models.of(architecture).parameters == count
