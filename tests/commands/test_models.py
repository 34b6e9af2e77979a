import numpy as np

from archlab import commands, config, directory, trained
from archlab.architecture import Architecture
from archlab.bridge import folders, runs
from tests.bridge import models


def test_a_model_comes_and_goes_and_is_the_same(tmp_path, capsys):
    model = models.of(Architecture("causal_decoder"))
    folders.write(model, tmp_path / "there")
    run, back = tmp_path / "runs" / "mine", tmp_path / "back"
    assert commands.main(["import", str(tmp_path / "there"), "--out", str(run)]) == 0
    assert commands.main(["export", str(run), "--out", str(back)]) == 0
    said = capsys.readouterr()
    assert said.out == (
        f"{run}: causal_decoder of {model.parameters:,} parameters\n{back}: for LlamaForCausalLM\n"
    )
    models.assert_equal(folders.read(back), folders.read(tmp_path / "there"))
    assert trained.load(run).run.size == folders.read(back).size


def test_what_is_left_behind_is_told(tmp_path, capsys):
    import safetensors.numpy

    folders.write(models.of(Architecture("causal_decoder")), tmp_path / "there")
    path = tmp_path / "there" / "model.safetensors"
    spare = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(5, np.float32)}
    safetensors.numpy.save_file(safetensors.numpy.load_file(path) | spare, path)
    arguments = ["import", str(tmp_path / "there"), "--out", str(tmp_path / "run")]
    assert commands.main(arguments) == 0
    assert capsys.readouterr().err == (
        "archlab: note: left behind, for nothing here uses them: "
        "model.layers.0.self_attn.rotary_emb.inv_freq\n"
    )


def test_what_transformers_has_no_class_for_goes_in_archlabs_own_form(tmp_path, fails, capsys):
    model = models.of(Architecture("prefix_decoder"))
    run, out = tmp_path / "run", tmp_path / "out"
    runs.make(model, run, "mine")
    said = fails("export", str(run), "--out", str(out))
    assert "transformers has no class for this prefix_decoder" in said
    assert said.endswith("; --form archlab writes archlab's own safetensors")
    assert not out.exists()
    arguments = ["export", str(run), "--out", str(out), "--form", "archlab"]
    assert commands.main(arguments) == 0
    assert commands.main(["import", str(out), "--out", str(tmp_path / "again")]) == 0
    models.assert_equal(runs.of(trained.load(tmp_path / "again")), runs.of(trained.load(run)))


def test_programs_are_refused(tmp_path, fails):
    folders.write(models.of(Architecture("causal_decoder")), tmp_path / "there")
    path = tmp_path / "there" / "model.safetensors"
    path.rename(path.with_name("pytorch_model.bin"))
    said = fails("import", str(tmp_path / "there"), "--out", str(tmp_path / "run"))
    assert "pytorch_model.bin" in said and "reading it runs it" in said
    assert not (tmp_path / "run").exists()


def test_a_run_is_made_of_another_s_weights(tmp_path, fails, capsys):
    model = models.of(Architecture("encoder_decoder"))
    run, out = tmp_path / "run", tmp_path / "deep"
    runs.make(model, run, "mine", {"objectives": {runs.STAGE: [["prefix_lm", {}]]}})
    asked = ["surgery", str(run), "--out", str(out), "--architecture", "encoder"]
    assert commands.main([*asked, "--layers", "3", "--vocab", "64"]) == 0
    said = capsys.readouterr().out.splitlines()
    read = trained.load(out)
    made = runs.of(read)
    assert read.objectives == (("prefix_lm", {}),)  # what evaluation asks in
    assert said[-1] == f"{out}: encoder of {made.parameters:,} parameters"
    assert said[0].split() == ["weights", "copied", "made", "dropped"]
    assert "Size.layers: 2 → 3" in said
    assert (made.architecture.name, made.size.layers, made.size.vocab) == ("encoder", 3, 64)
    for old, new in ((0, 0), (1, 1), (0, 2)):
        up_NDF, deep_NDF = (
            one.weights["encoder"]["layers"]["mlp"]["up_DF"] for one in (model, made)
        )
        np.testing.assert_array_equal(deep_NDF[new], up_NDF[old])
    origin = directory.read(out / "manifest.json")["origin"]
    assert (origin["run"], origin["step"]) == (str(run), 0)
    assert (
        sum(origin["surgery"]["copied"].values()) + sum(origin["surgery"]["made"].values())
        == made.parameters
    )
    back = ["export", str(out), "--out", str(tmp_path / "back"), "--form", "archlab"]
    assert commands.main(back) == 0
    models.assert_equal(runs.of(trained.load(out)), folders.read(tmp_path / "back"))
    assert config.read(out / "config.gin").run.size == made.size  # what archlab inspect reads
    capsys.readouterr()
    said = fails(*asked[:4], "--architecture", "encoders")
    assert "did you mean 'encoder'" in said
    assert "nothing to do" in fails(*asked[:4])
    assert "holds a run; name another directory" in fails(*asked)
