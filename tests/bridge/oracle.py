"""Models of transformers, small, with drawn weights: what archlab's are compared with."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402 - after the environment is set
import torch  # noqa: E402
import transformers  # noqa: E402

from archlab.bridge.model import Model  # noqa: E402
from tests.bridge import models  # noqa: E402

AUTO = {
    "encoder_decoder": transformers.AutoModelForSeq2SeqLM,
    "decoder": transformers.AutoModelForCausalLM,
    "encoder": transformers.AutoModelForMaskedLM,
}
KINDS = {"t5": "encoder_decoder", "bert": "encoder", "modernbert": "encoder"}
T5 = {
    "vocab_size": 60,
    "d_model": 24,
    "d_kv": 10,
    "d_ff": 40,
    "num_layers": 2,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "decoder_start_token_id": 0,
}
GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
LLAMA = {
    "vocab_size": 60,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "max_position_embeddings": 64,
}
CONFIGURATIONS = {
    "T5 1.0": transformers.T5Config(**T5),
    "T5 1.1, Flan-T5, T5-LM": transformers.T5Config(**T5, **GATED),
    "Llama": transformers.LlamaConfig(**LLAMA),
    "Llama, tied": transformers.LlamaConfig(**LLAMA, tie_word_embeddings=True),
    "Llama 3.1 and later": transformers.LlamaConfig(
        **LLAMA,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 100.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 40,
        },
    ),
    "GPT-2": transformers.GPT2Config(
        vocab_size=60,
        n_embd=24,
        n_inner=40,
        n_layer=2,
        n_head=3,
        n_positions=70,
        bos_token_id=1,
        eos_token_id=1,
    ),
    "BERT": transformers.BertConfig(
        vocab_size=60,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=70,
    ),
    "ModernBERT": transformers.ModernBertConfig(
        vocab_size=60,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=5,
        num_attention_heads=3,
        local_attention=10,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
    ),
}
APART = {"T5 1.1, Flan-T5, T5-LM"}  # whose head is its own, though their library ties it at first


def drawn(name: str) -> torch.nn.Module:
    """A model of transformers whose every weight is drawn, and large enough to matter."""
    config = CONFIGURATIONS[name]
    model = AUTO[KINDS.get(config.model_type, "decoder")].from_config(config).eval()
    if name in APART:
        model.lm_head.weight = torch.nn.Parameter(torch.empty(60, 24))
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for path, one in model.named_parameters():
            is_bias = path.endswith("bias") and one.ndim == 1
            is_scale = one.ndim == 1 and not is_bias
            one.normal_(float(is_scale), 0.1 if is_bias else 0.2, generator=random)
    return model


def load(folder: Path, model: Model) -> torch.nn.Module:
    """What transformers makes of a folder, which holds all that it looks for and nothing else."""
    auto = AUTO[model.architecture.kind]
    found, said = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(said.values()), said
    return found.eval()


def ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    """Drawn ids, none of them special."""
    return np.random.default_rng(seed).integers(3, 60, (rows, length)).astype(np.int32)


def differ(model: Model, theirs: torch.nn.Module) -> tuple[float, float]:
    """The largest difference of two models' logits, and the largest logit."""
    read_BL, written_BL = ids(3, 37), ids(3, 21, seed=1)
    given = {"input_ids": torch.tensor(read_BL, dtype=torch.long)}
    is_pair = model.architecture.kind == "encoder_decoder"
    if is_pair:
        given["decoder_input_ids"] = torch.tensor(written_BL, dtype=torch.long)
    with torch.no_grad():
        wanted_BLV = theirs(**given).logits.numpy()
    found_BLV = models.logits(model, read_BL, written_BL if is_pair else None)
    return float(np.abs(found_BLV - wanted_BLV).max()), float(np.abs(wanted_BLV).max())
