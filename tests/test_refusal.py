import pytest

from archlab.refusal import Refusal, blame


def caught(error, *given, **named):
    with pytest.raises(Refusal) as found, blame(*given, **named):
        raise error
    assert found.value.__cause__ is error
    return str(found.value), found.value.about, found.value.stage


def test_what_says_nothing_of_its_setting_is_given_one():
    assert caught(ValueError("odd"), "Size.kv", 2) == ("odd", "Size.kv", 2)
    assert caught(Refusal("odd"), "Size.kv", 2) == ("odd", "Size.kv", 2)


def test_what_is_known_already_stays():
    assert caught(Refusal("odd", "Size.kv"), "Stage.rows", 2) == ("odd", "Size.kv", 2)
    assert caught(Refusal("odd", "Size.kv", 0), "Stage.rows", 2) == ("odd", "Size.kv", 0)


def test_words_may_be_put_ahead():
    assert caught(ValueError("odd"), stage=1, ahead="stage lm: ") == ("stage lm: odd", "", 1)


def test_other_errors_and_none_pass():
    with blame("Size.kv"):
        pass
    with pytest.raises(KeyError), blame("Size.kv"):
        raise KeyError
