"""The code that runs on the GPU, where there is none: in the interpreter of Triton, and compiled."""

import os
import subprocess
import sys

import pytest
import torch

from carelu.kernels.autograd_function import COMPETITIONS
from tests.conftest import ROOT

pytest.importorskip("triton")

from carelu.kernels import triton_loops


@pytest.mark.slow
def test_kernels_equal_the_reference_in_the_interpreter():
    program = [sys.executable, "-m", "tests.carelu.kernels.triton_program"]

    run = subprocess.run(program, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=600)

    assert run.returncode == 0, run.stderr


@pytest.mark.slow
@pytest.mark.skipif(torch.__version__ < (2, 7), reason="the compiler of torch 2.6 is called in another way")
@pytest.mark.parametrize("splits", [1, 8])
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_kernels_compile_for_a_gpu_that_is_not_there_and_move_16_bytes_at_once(tmp_path, monkeypatch, dtype, splits):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    elements = ("z_ptr", "y_ptr", "grad_ptr", "grad_z_ptr")
    constants = {"COMPETITION": 0, "SPLITS": splits, "BLOCK": 16384, "NEEDS_GRAD_Z": True}
    kernels = [triton_loops.forward_kernel, triton_loops.backward_kernel]
    if splits > 1:
        kernels += [triton_loops.measure_kernel, triton_loops.product_kernel]
    for kernel in kernels:
        names = kernel.arg_names
        kinds = {"length": "i32", "rows": "i32", "gain": "fp32", "eps": "fp32"}
        signature = {
            name: "constexpr" if name in constants else kinds.get(name, f"*{dtype}" if name in elements else "*fp32")
            for name in names
        }
        aligned = [at for at, name in enumerate(names) if name == "length" or signature[name].startswith("*")]
        source = ASTSource(
            kernel,
            signature,
            {(names.index(name),): value for name, value in constants.items() if name in names},
            {(at,): [["tt.divisibility", 16]] for at in aligned},
        )

        compiled = compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 32})

        assert compiled.asm["cubin"]
        assert "ld.global.v4.b32" in compiled.asm["ptx"]


def test_competitions_have_the_codes_of_the_other_kernels():
    codes = {"energy": triton_loops.ENERGY, "l1": triton_loops.L1, "count": triton_loops.COUNT}
    assert codes == COMPETITIONS
