import dataclasses
import json

from archlab.architecture import Architecture
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.surgery.choices import Surgery
from archlab.surgery.origins import origins
from archlab.surgery.outcome import outcome

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)


def test_it_is_told_by_part_and_kept_by_weight():
    old = Transformer(SIZE, Architecture("encoder_decoder"))
    new = Transformer(dataclasses.replace(SIZE, vocab=48), Architecture("prefix_decoder"))
    found = outcome(old, new, origins(old, new, Surgery()))
    lines = [line.split() for line in found.lines()]
    assert lines[0] == ["weights", "copied", "made", "dropped"]
    told = {line[0]: line[1:] for line in lines[1:-2]}
    assert told["embedding"] == ["640", "128", "0"]
    assert told["decoder/layers/mlp"] == ["2,304", "0", "0"]
    assert told["encoder/layers/mlp"] == ["0", "0", "2,304"]
    # Attention to the other stack is 4 products of 2 layers, and a norm of each.
    assert told["decoder/layers/cross"] == ["0", "0", f"{4 * 2 * 16 * 24:,}"]
    assert told["decoder/layers/cross_norm"] == ["0", "0", "32"]
    assert told["all"] == [f"{many:,}" for many in found.totals]
    assert [" ".join(line) for line in lines[-2:]] == [
        "Architecture.name: encoder_decoder → prefix_decoder",
        "Size.vocab: 40 → 48",
    ]
    kept = json.loads(json.dumps(found.as_dict()))
    assert kept["made"] == {"embedding/table_VD": 128}
    assert kept["settings"][1] == "Size.vocab: 40 → 48"
    assert sum(kept["dropped"].values()) == found.totals[2] and kept["sources"] == {}


def test_what_is_copied_from_elsewhere_is_told_with_where():
    old, new = (Transformer(SIZE, Architecture(name)) for name in ("encoder", "encoder_decoder"))
    found = outcome(old, new, origins(old, new, Surgery()))
    lines = {line.split()[0]: line.split() for line in found.lines()}
    assert lines["weights"][-2:] == ["copied", "from"]
    assert lines["decoder/layers/cross"][-1] == "encoder/layers/attention"
    assert lines["decoder/norm"][-1] == "encoder/norm" and len(lines["encoder/norm"]) == 4
    assert found.sources["decoder/norm/scale_D"] == "encoder/norm/scale_D"
