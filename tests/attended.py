"""Attention and its gradients by their definition, one query at a time, in float64."""

import dataclasses

import numpy as np

HIDDEN = -1e30  # the log-sum of nothing


@dataclasses.dataclass(frozen=True)
class Case:
    """Extents of one call of attention, and which ingredients it has."""

    rows: int = 2
    length: int = 3
    memory: int = 5
    heads: int = 4
    key_heads: int = 2
    width: int = 6
    cap: float = 0.0
    biased: bool = False

    def draw(self, random: np.random.Generator) -> dict:
        """What attention is given, and the gradients of what it gives, as NumPy arrays."""
        keys = (self.rows, self.memory, self.key_heads, self.width)
        queries = (self.rows, self.length, self.heads, self.width)
        edges = (self.rows, self.length)
        bias = random.normal(size=(self.heads, self.length + self.memory - 1))
        shapes = {"query": queries, "key": keys, "value": keys, "slope": queries}
        shapes["log_slope"] = queries[:-1]
        drawn = {name: random.normal(size=shape) for name, shape in shapes.items()}
        drawn = {name: array.astype(np.float32) for name, array in drawn.items()}
        drawn["start"] = random.integers(-2, self.memory + 1, edges).astype(np.int32)
        drawn["end"] = random.integers(0, self.memory + 3, edges).astype(np.int32)
        drawn["bias"] = bias.astype(np.float32) if self.biased else None
        return drawn


def definition(case: Case, given: dict) -> dict:
    """What was read, the log-sums, and the gradient of everything that was given."""
    wide = {name: np.asarray(array, np.float64) for name, array in given.items()}
    query, key, value, slope = (wide[name] for name in ("query", "key", "value", "slope"))
    out = {name: np.zeros_like(wide[name]) for name in ("query", "key", "value", "bias")}
    out["read"], out["log_sum"] = np.zeros_like(query), np.full(query.shape[:3], HIDDEN)
    for b, q, h in np.ndindex(query.shape[:3]):
        low, high = max(given["start"][b, q], 0), min(given["end"][b, q], case.memory)
        if low >= high:
            continue
        g, seen = h // (case.heads // case.key_heads), slice(low, high)
        logit = key[b, seen, g] @ query[b, q, h] / np.sqrt(case.width)
        passed = 1.0
        if case.cap:
            logit = case.cap * np.tanh(logit / case.cap)
            passed = 1 - (logit / case.cap) ** 2
        distance = np.arange(low, high) - q + case.length - 1
        if case.biased:
            logit = logit + wide["bias"][h, distance]
        share = np.exp(logit - logit.max())
        out["log_sum"][b, q, h] = logit.max() + np.log(share.sum())
        share /= share.sum()
        out["read"][b, q, h] = share @ value[b, seen, g]
        down = value[b, seen, g] @ slope[b, q, h]
        down = share * (down - share @ down + wide["log_slope"][b, q, h])
        out["value"][b, seen, g] += np.outer(share, slope[b, q, h])
        if case.biased:
            out["bias"][h, distance] += down
        down = down * passed / np.sqrt(case.width)
        out["query"][b, q, h] = down @ key[b, seen, g]
        out["key"][b, seen, g] += np.outer(down, query[b, q, h])
    if not case.biased:
        del out["bias"]
    return out


def differentiated(jax, attend, case: Case):
    """The same of an implementation, compiled: a function of what was given."""

    def both(given):
        names = ("query", "key", "value", *(["bias"] if case.biased else []))

        def run(inputs):
            arrays = {"bias": None} | inputs
            keys = ("query", "key", "value")
            return attend(
                *(arrays[name] for name in keys), given["start"], given["end"], arrays["bias"]
            )

        (read, log_sum), pull = jax.vjp(run, {name: given[name] for name in names})
        (slopes,) = pull((given["slope"].astype(read.dtype), given["log_slope"]))
        return {"read": read, "log_sum": log_sum} | slopes

    return jax.jit(both)


def assert_is_the_definition(found: dict, expected: dict, relative: float = 1e-5) -> None:
    """Compares every array with the definition, relative to the greatest of its values."""
    assert set(found) == set(expected)
    for name, array in expected.items():
        got = np.asarray(found[name], np.float64)
        is_hidden = array == HIDDEN
        np.testing.assert_array_equal(got[is_hidden], np.float32(HIDDEN), err_msg=name)
        scale = max(np.abs(array[~is_hidden]).max(initial=0.0), 1e-3)
        error = np.abs(got - array)[~is_hidden].max(initial=0.0) / scale
        assert error <= relative, f"{name} is wrong by {error:.1e}"
