"""A LLaMA of a few thousand numbers as a GGUF file, made here in the form that SmolLM2's package has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WIDTH, INNER, LAYERS, HEADS, KEY_HEADS = 64, 96, 2, 4, 2


def tiny_gguf(path: Path, seed: int = 0) -> Path:
    """Writes it. Weights are packed as SmolLM2's are: 8 bits for the tokens, 4 for the layers, norms as they are."""
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quantize

    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)] + ["Ġ", "Ċ"]
    merges = ["t h", "th e", "Ġ the", "Ġ Ġ"]
    tokens = [*MARKS, *letters, *("".join(merge.split(" ")) for merge in merges)]
    rng = np.random.default_rng(seed)
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * len(MARKS) + [TokenType.NORMAL] * (len(tokens) - len(MARKS)))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages }}")

    def add(name: str, rows: int, columns: int, kind: GGMLQuantizationType) -> None:
        numbers = rng.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)
        writer.add_tensor(name, quantize(numbers, kind), raw_dtype=kind)

    add("token_embd.weight", len(tokens), WIDTH, GGMLQuantizationType.Q8_0)
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH * KEY_HEADS // HEADS, WIDTH),
            ("attn_v", WIDTH * KEY_HEADS // HEADS, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            add(f"blk.{layer}.{name}.weight", rows, columns, GGMLQuantizationType.Q4_1)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", rng.normal(1, 0.1, WIDTH).astype(np.float32))
    writer.add_tensor("output_norm.weight", rng.normal(1, 0.1, WIDTH).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
