"""The objectives, by name. A task is called after its source and one of these."""

import math

from archlab.data.objectives.denoising import Denoising
from archlab.data.objectives.infilling import Infilling
from archlab.data.objectives.language import Language
from archlab.data.objectives.masking import Masking
from archlab.data.objectives.objective import Objective

OBJECTIVES: dict[str, Objective] = {
    "causal_lm": Language(),
    "prefix_lm": Language("uniform"),
    "prefix_lm_packed": Language("packed"),
    "prefix_lm_half": Language("half"),
    "prefix_lm_fixed": Language("fixed"),
    "span_corruption": Denoising(),
    "iid_denoising": Denoising(mean=0),
    "bert_style": Denoising(mean=0, form="replaced"),
    "mass": Denoising(mean=0, form="masked"),
    "drop": Denoising(mean=0, form="dropped"),
    "deshuffle": Denoising(form="shuffled"),
    "ul2_r3": Denoising(mode="R"),
    "ul2_r8": Denoising(mean=8.0, mode="R"),
    "ul2_x3": Denoising(rate=0.5, mode="X"),
    "ul2_x8": Denoising(rate=0.5, mean=8.0, mode="X"),
    "ul2_x32": Denoising(mean=32.0, mode="X"),
    "ul2_x64": Denoising(mean=64.0, mode="X"),
    "ul2_x64_half": Denoising(rate=0.5, mean=64.0, mode="X"),
    "ul2_x64_rolled": Denoising(mean=64.0, mode="X", is_rolled=True),
    "ul2_s": Language("packed", mode="S"),
    "ul2_s_quarter": Denoising(rate=0.25, mean=math.inf, mode="S"),
    "masked_lm": Masking(),
    "masked_lm_30": Masking(rate=0.3, masked=1.0, replaced=0.0),
    "masked_lm_40_20": Masking(rate=0.4, predicted=0.5),
    "mntp": Masking(is_shifted=True),
    "masked_diffusion": Masking(rate=0, masked=1.0, replaced=0.0),
    "fim": Infilling(),
    "fim_characters": Infilling(is_by_character=True),
    "fim_psm": Infilling(order="psm"),
    "fim_spm": Infilling(order="spm"),
}
# Tay et al. 2022: the seven denoisers, equally often. Their table has `ul2_s_quarter` in place of
# `ul2_s`, which the released code calls prefix_lm.
UL2 = ("ul2_r3", "ul2_r8", "ul2_x3", "ul2_x8", "ul2_x64", "ul2_x64_half", "ul2_s")
# Tay et al. 2022 (U-PaLM), section 3: half S, a quarter R, and a quarter X, in spans of 32 or at a
# rate of a half. Ours is to take the two by turns, and the half in spans of 8: in rows of 2,048
# tokens spans of 3 would take twice the sentinels that most vocabularies have.
UL2R = {"ul2_s": 4.0, "ul2_r3": 2.0, "ul2_x32": 1.0, "ul2_x8": 1.0}
MIXTURES = {"ul2": dict.fromkeys(UL2, 1.0), "ul2r": UL2R}
