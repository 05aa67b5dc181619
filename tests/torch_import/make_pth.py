#!/usr/bin/env python3
"""Writes the checkpoints that test_pytorch.c and test_import.sh read, with real PyTorch.

  make_pth.py FOLDER              the small ones, tests/torch_import/data
  make_pth.py --base FILE         one of BERT-base's size, as WebShop's training code saves it, for a try by hand

The model has the names and shapes of WebShop's choice model (Yao et al. 2022). Every element is made from the tensor's
name and the element's index, see value(), so that the tests know what to expect without a second copy of the weights.
"""
import argparse
import collections
import pathlib
import sys
import zlib

import torch

TINY = dict(vocabulary=64, hidden=24, layers=2, intermediate=40, positions=96, types=2)
BASE = dict(vocabulary=30526, hidden=768, layers=12, intermediate=3072, positions=512, types=2)


def value(name, n):
    """n elements, multiples of 1/64 in [-1, 1): exact in every type of float."""
    start = zlib.crc32(name.encode())
    index = torch.arange(n, dtype=torch.int64)
    return ((index * 37 + start) % 128 - 64).double() / 64


def tensor(name, shape, dtype=torch.float32):
    n = 1
    for size in shape:
        n *= size
    return value(name, n).reshape(shape).to(dtype)


def shapes(vocabulary, hidden, layers, intermediate, positions, types, image):
    h, f = hidden, intermediate
    yield "bert.embeddings.word_embeddings.weight", (vocabulary, h)
    yield "bert.embeddings.position_embeddings.weight", (positions, h)
    yield "bert.embeddings.token_type_embeddings.weight", (types, h)
    yield "bert.embeddings.LayerNorm.weight", (h,)
    yield "bert.embeddings.LayerNorm.bias", (h,)
    for layer in range(layers):
        at = f"bert.encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            yield at + f"attention.self.{part}.weight", (h, h)
            yield at + f"attention.self.{part}.bias", (h,)
        yield at + "attention.output.dense.weight", (h, h)
        yield at + "attention.output.dense.bias", (h,)
        yield at + "attention.output.LayerNorm.weight", (h,)
        yield at + "attention.output.LayerNorm.bias", (h,)
        yield at + "intermediate.dense.weight", (f, h)
        yield at + "intermediate.dense.bias", (f,)
        yield at + "output.dense.weight", (h, f)
        yield at + "output.dense.bias", (h,)
        yield at + "output.LayerNorm.weight", (h,)
        yield at + "output.LayerNorm.bias", (h,)
    yield "bert.pooler.dense.weight", (h, h)
    yield "bert.pooler.dense.bias", (h,)
    yield "attn.dot_scale", (h,)
    yield "attn.input_linear.weight", (1, h)
    yield "attn.memory_linear.weight", (1, h)
    yield "linear_1.weight", (h, 4 * h)
    yield "linear_1.bias", (h,)
    yield "linear_2.weight", (1, h)
    yield "linear_2.bias", (1,)
    if image:
        yield "image_linear.weight", (h, 512)
        yield "image_linear.bias", (h,)
    yield "linear_3.0.weight", (128, h)
    yield "linear_3.0.bias", (128,)
    yield "linear_3.2.weight", (1, 128)
    yield "linear_3.2.bias", (1,)


def state_dictionary(shape, image=True, dtype=torch.float32, prefix=""):
    """What model.state_dict() gives: an OrderedDict with PyTorch's bookkeeping as an attribute."""
    state = collections.OrderedDict()
    state[prefix + "bert.embeddings.position_ids"] = torch.arange(shape["positions"]).expand((1, -1))
    for name, size in shapes(**shape, image=image):
        state[prefix + name] = tensor(name, size, dtype)
    state._metadata = collections.OrderedDict([("", {"version": 1}), ("bert", {"version": 1})])
    return state


class Harm:
    """A pickle that would run a command if anybody let it."""

    def __reduce__(self):
        import os
        return os.system, ("echo harm",)


def odd_tensors():
    """Types, views and shared storages."""
    whole = tensor("whole", (6, 4))
    state = collections.OrderedDict()
    state["whole"] = whole
    state["transposed"] = whole.t()
    state["middle"] = whole[2:4, 1:3]
    state["row"] = whole[5]
    state["every_other"] = whole.reshape(-1)[1::2]
    state["scalar"] = whole[3, 2]
    state["empty"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(tensor("parameter", (3,)))
    for name in ("float64", "float16", "bfloat16"):
        state[name] = tensor(name, (5,), getattr(torch, name))
    state["float64_transposed"] = tensor("float64", (2, 3), torch.float64).t()
    for name in ("int64", "int32", "int16", "int8"):
        state[name] = torch.tensor([-3, 0, 7], dtype=getattr(torch, name))
    state["uint8"] = torch.tensor([3, 0, 200], dtype=torch.uint8)
    state["bool"] = torch.tensor([True, False, True])
    return state


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--base", type=pathlib.Path)
    parser.add_argument("--legacy", action="store_true", help="with --base: the older format")
    arguments = parser.parse_args()
    if arguments.base:
        torch.save(state_dictionary(BASE), arguments.base, _use_new_zipfile_serialization=not arguments.legacy)
        return
    if not arguments.folder:
        sys.exit("make_pth.py: name a folder")
    arguments.folder.mkdir(parents=True, exist_ok=True)

    def save(name, what, **options):
        torch.save(what, arguments.folder / name, **options)

    # Half precision keeps the fixtures small; the values are exact in it.
    save("choice_zip.pth", state_dictionary(TINY, dtype=torch.float16))
    save("choice_legacy.pth", state_dictionary(TINY, image=False, dtype=torch.float16),
         _use_new_zipfile_serialization=False)
    small = state_dictionary(dict(TINY, layers=1), image=False, dtype=torch.bfloat16, prefix="module.")
    save("parallel.pth", {"state_dict": small, "epoch": 9, "best": 0.5})
    save("odd_zip.pth", odd_tensors())
    save("odd_protocol4.pth", odd_tensors(), pickle_protocol=4)
    save("odd_legacy.pth", odd_tensors(), _use_new_zipfile_serialization=False)
    save("harm_zip.pth", {"weight": Harm()})
    save("harm_legacy.pth", {"weight": Harm()}, _use_new_zipfile_serialization=False)
    save("module.pth", torch.nn.Linear(2, 2))
    save("list.pth", [tensor("whole", (2,))])


if __name__ == "__main__":
    main()
