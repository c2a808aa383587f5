import copy

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.library import opcheck

from carelu import CAReLU
from carelu.functional import SHARES, carelu, reference
from carelu.kernels import library

every_competition = pytest.mark.parametrize("competition", sorted(SHARES))


def inputs(competition: str = "energy", memory_format=torch.contiguous_format):
    z = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)).to(memory_format=memory_format)
    alpha, beta = torch.tensor(0.7, requires_grad=True), torch.tensor(0.3, requires_grad=True)
    return z.requires_grad_(), alpha, beta, competition, (1, 2, 3), 1.5, 1e-6


@every_competition
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_operators_keep_the_rules_of_torch(competition, memory_format):
    arguments = inputs(competition, memory_format)
    opcheck(library.carelu, arguments)

    z, *rest = (value.detach() if isinstance(value, torch.Tensor) else value for value in arguments)
    opcheck(library.carelu_backward, (torch.ones_like(z), z, *rest[:2], library.carelu(z, *rest)[1], *rest[2:]))


def test_operator_equals_the_function_forward_and_backward():
    results = []
    for function in (lambda *a: library.carelu(*a)[0], lambda z, a, b, *_: carelu(z, a, b)):
        z, alpha, beta, *rest = inputs()
        output = function(z, alpha, beta, *rest)
        output.backward(torch.arange(output.numel()).view_as(output) / 100)
        results.append((output, z.grad, alpha.grad, beta.grad))

    for ours, expected in zip(*results, strict=True):
        assert torch.equal(ours, expected)


def test_operator_can_be_differentiated_twice():
    z, alpha, beta, *rest = inputs()
    double = [value.detach().double().requires_grad_() for value in (z[:1, :1, :2, :2], alpha, beta)]

    assert torch.autograd.gradgradcheck(lambda *a: library.carelu(*a, *rest)[0], double)


def test_shapes_are_known_without_computing():
    with FakeTensorMode():
        z = torch.empty(3, 4, 5, 6).to(memory_format=torch.channels_last)
        output = carelu(z, torch.tensor(0.7), torch.tensor(0.3))

    assert (output.shape, output.stride()) == (z.shape, z.stride())


@pytest.mark.slow
def test_compiled_network_has_no_graph_break_and_equals_eager():
    # "aot_eager" traces forward and backward and leaves out the code generation, which takes minutes.
    torch.compiler.reset()
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), CAReLU(alpha=0.3), nn.Conv2d(4, 8, 3, stride=2), CAReLU(alpha=0.3)]
    eager = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).double()
    compiled = copy.deepcopy(eager)
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)

    outputs = [eager(images), torch.compile(compiled, fullgraph=True, backend="aot_eager")(images)]
    for output in outputs:
        output.square().sum().backward()

    torch.testing.assert_close(outputs[1], outputs[0])
    for ours, expected in zip(compiled.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad, rtol=1e-5, atol=1e-7)


def test_compiled_function_accepts_batches_of_any_size():
    torch.compiler.reset()
    module = CAReLU(alpha=0.7)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")

    for size in (2, 3, 7):
        z = torch.randn(size, 5, 4)
        torch.testing.assert_close(compiled(z), module(z))


@pytest.mark.skipif(torch.__version__ < (2, 7), reason="torch 2.6 does not say that it is exporting")
def test_exported_program_needs_only_torch():
    module, z = CAReLU(alpha=0.7), torch.randn(3, 4, 5)

    program = torch.export.export(module, (z,), dynamic_shapes=({0: torch.export.Dim("batch")},))

    assert not [node for node in program.graph.nodes if "carelu" in str(node.target) and node.op == "call_function"]
    batch = torch.randn(6, 4, 5)
    torch.testing.assert_close(program.module()(batch), module(batch))


@pytest.mark.parametrize(("kernel", "operators"), [("", 1), ("torch_ops", 1), ("eager", 0)])
def test_compiled_graph_holds_the_operator_unless_the_reference_is_forced(monkeypatch, kernel, operators):
    torch.compiler.reset()
    monkeypatch.setenv("CARELU_KERNEL", kernel)
    graphs = []
    compiled = torch.compile(CAReLU(), fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph.forward)
    z = torch.randn(2, 3)

    torch.testing.assert_close(compiled(z), reference(z, *CAReLU().parameters()))
    assert graphs[0].code.count("torch.ops.carelu.carelu.default(") == operators
