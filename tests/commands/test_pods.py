"""What is asked before a pod is."""

from pathlib import Path

import pytest

from archlab import commands, faults
from archlab.compilation import Compilation
from archlab.refusal import Refusal


def test_plan_says_what_a_run_will_cost(capsys, fails):
    asked = ["plan", "flan_t5_xxl", "--chip", "v5p", "--mfu", "0.4", "--price", "2"]
    assert commands.main(asked) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["parameters", "11,135,332,352"]
    assert "256 v5p (data 64 × model 4), at 40% of peak" in said[2] and "of 95 GiB" in said[3]
    total, price = (
        next(line for line in said if line.startswith(word)) for word in ("total", "pr")
    )
    hours = float(total.split()[-2].replace(",", ""))
    # 3.68e22 FLOPs at 40 % of 459 TFLOP/s.
    assert hours == pytest.approx(3.68e22 / (0.4 * 459e12) / 3600, rel=0.01)
    assert float(price.split()[1].rstrip(",").replace(",", "")) == pytest.approx(
        2 * hours, rel=1e-3
    )
    assert "gin/mesh/all.gin:3: Mesh.data=-1" in fails("plan", "quickstart")
    assert "did you mean 'v5p'?" in fails("plan", "quickstart", "--chip", "v5pp", "--chips", "8")


def test_plan_says_what_is_held_between_stages(capsys):
    asked = ["plan", "smoke_surgery", "--chip", "v5e", "--chips", "4"]
    deep = ["Size.layers=8", "pair/Size.layers=9", "pair/Stage.architecture='causal_decoder'"]
    short = ["Stage.rows=4", "Stage.inputs=12", "Stage.targets=4", "Run.remat=full"]
    for settings, said in (([], ""), (deep + short, "the most, ")):
        assert commands.main([*asked, *(f"--set={one}" for one in settings)]) == 0
        (line,) = (one for one in capsys.readouterr().out.splitlines() if " begins: " in one)
        size, rest = (
            line.strip().removeprefix(said).split(" as stage python_stdlib_prefix_lm begins: ")
        )
        assert size.endswith(" MiB") and size.count(" ") == 1
        assert rest.startswith("old weights ") and ", what is made of them " in rest


def test_plan_says_what_the_gradient_keeps(capsys):
    assert commands.main(["plan", "t5_1_1_xxl"]) == 0
    least = capsys.readouterr().out
    assert commands.main(["plan", "t5_1_1_xxl", "--set", "Run.remat=full"]) == 0
    assert "kept for the gradient 11.2 GiB" in least
    assert "kept for the gradient 1.14 GiB" in capsys.readouterr().out


@pytest.fixture
def asked():
    return ["compile", "smoke_encoder", "--topology", "v5e:2x2", "--set", "Size.layers=1"]


def test_compile_says_what_a_step_takes(asked, capsys):
    assert commands.main(asked) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("stage 0, ") and said[0].endswith("on 1 × v5e:2x2")
    titles = [line[:17].strip() for line in said[1:] if line[:17].strip()]
    assert titles[:3] == ["compiled in", "fits", "largest"]
    assert {"in a slice", "a step", "MFU"} <= set(titles) and "not known" not in titles
    assert "of 16 GiB a chip" in said[2] and "temporaries" in said[3]


def test_compile_says_what_does_not_fit_and_tries_what_might(asked, capsys, monkeypatch):
    rows = ["Stage.rows=8192", "Stage.inputs=256", "Stage.targets=256", "Stage.tokens=1B"]
    large = [word for row in [*rows, "Size.layers=12", "Size.mlp=2048"] for word in ("--set", row)]
    tried = []
    compiled = Compilation.memory.func

    def memory(one: Compilation) -> dict:
        """Compiles the first; what is tried after it would take minutes each."""
        tried.append(one.run.remat)
        return compiled(one) if len(tried) == 1 else {"temporaries": 1}

    monkeypatch.setattr(Compilation, "memory", property(memory))
    monkeypatch.setattr("archlab.commands.pods._said", lambda one: ["  compiled"])
    assert commands.main([*asked, *large]) == 1
    out, err = capsys.readouterr()
    assert "does not fit" in out and "exceeds available HBM" in out
    assert "at least" in out and "kept for the gradient" in out and "× " in out
    assert "would fit      with Run.remat = " in out and tried[0] == "none"
    assert "archlab: note: trying Run.remat = " in err


def test_compile_refuses_what_is_not_there(asked, fails):
    asked[3] = "v5e:3x3"
    assert "'3x3' is not one of 2x2, 2x4" in fails(*asked)
    asked[3] = "v5e:2x2"
    assert "--stage=4; the stages are 0 to 0" in fails(*asked, "--stage", "4")
    assert "the 8 devices form 2 slices" in fails(*asked, "--slices", "2")


def test_check_lists_what_is_wrong_with_its_line(capsys, monkeypatch):
    def wrong():
        raise Refusal("Mesh.model=3 does not divide", "Mesh.model")

    asked = []

    def looks(*given):
        asked.extend(given[1:])
        return [("paths", lambda: ["one", "two"]), ("mesh", wrong)]

    monkeypatch.setattr(faults, "looks", looks)
    words = ["check", "smoke_encoder", "--out", "x", "--module", "y.py", "--set", "Mesh.model=3"]
    assert commands.main(words) == 2
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["paths          one", "               two"]
    assert said[2:] == ["mesh           WRONG  --set Mesh.model=3: Mesh.model=3 does not divide"]
    assert asked == ["", 8, Path("x"), ("y.py",)]
    monkeypatch.setattr(faults, "looks", lambda *given: [("paths", lambda: ["one"])])
    assert commands.main(words[:2]) == 0
