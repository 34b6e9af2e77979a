"""Hugging Face's models, trained by PyTorch on this machine's CPU, a turn at a time.

    python benchmarks/rivals/torch_step.py SHAPE HOW

HOW is "eager" or "compiled". Each line that is read is a turn: the seconds of one step are written.
Run in an environment that has torch and transformers, and nothing of archlab.
"""

import json
import sys
import time

import torch
import transformers
from shapes import SHAPES, STEPS, Shape


def model(shape: Shape) -> torch.nn.Module:
    """Args: shape: what is trained. Returns: a model of that shape, with random weights."""
    if shape.kind != "encoder_decoder":  # there is no prefix decoder: its peer is causal
        config = transformers.LlamaConfig(
            vocab_size=shape.vocab,
            hidden_size=shape.embed,
            intermediate_size=shape.mlp,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            head_dim=shape.kv,
            max_position_embeddings=shape.targets,
            attn_implementation="sdpa",
            use_cache=False,
        )
        return transformers.LlamaForCausalLM(config)
    config = transformers.T5Config(
        vocab_size=shape.vocab,
        d_model=shape.embed,
        d_kv=shape.kv,
        d_ff=shape.mlp,
        num_layers=shape.layers,
        num_decoder_layers=shape.layers,
        num_heads=shape.heads,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        dropout_rate=0.0,
        decoder_start_token_id=0,
        use_cache=False,
    )
    return transformers.T5ForConditionalGeneration(config)


def main(name: str, how: str) -> None:
    """Args: name: of a shape. how: "eager" or "compiled"."""
    shape = SHAPES[name]
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("highest")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = model(shape).train().to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    labels = torch.randint(3, shape.vocab, (shape.rows, shape.targets))
    given = {"labels": labels, "input_ids": labels}
    if shape.kind == "encoder_decoder":
        given["input_ids"] = torch.randint(3, shape.vocab, (shape.rows, shape.inputs))
    given = {name: tokens.to(device) for name, tokens in given.items()}
    call = torch.compile(network) if how == "compiled" else network

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = call(**given).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    for _ in range(2):
        step()
    print(json.dumps({"threads": torch.get_num_threads()}), flush=True)
    for _ in sys.stdin:
        since = time.perf_counter()
        for _ in range(STEPS):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
        print(json.dumps({"seconds": (time.perf_counter() - since) / STEPS}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
