"""Exporting the model of a trained run: its weights as safetensors, its computation as ONNX."""

import importlib.util
import inspect
import itertools
import json
import warnings
from pathlib import Path

import torch
from torch import Tensor

from experiments.configuration.composition import as_dict
from experiments.errors import BadInput, one_line
from experiments.files import write_files
from experiments.inference.trained_run import TrainedRun
from experiments.training.model_cost import inputs_of


def write_safetensors(run: TrainedRun, file: Path) -> Path:
    """Writes the weights, with the run's id, settings and what its task learned as metadata.

    Raises:
        BadInput: the file cannot be written.
    """
    from safetensors.torch import save

    weights = {name: value.detach().cpu().contiguous().clone() for name, value in run.model.state_dict().items()}
    about = {
        "run_id": run.identity.run_id,
        "config": json.dumps(as_dict(run.config)),
        "task_state": json.dumps(run.task.state_dict()),
    }
    write_files({file: save(weights, metadata=about)})
    return file


def write_onnx(run: TrainedRun, file: Path) -> Path:
    """Writes the computation of the model; batch size and, where the model allows it, other sizes are free.

    Raises:
        BadInput: the packages that PyTorch's exporter needs are missing, or the file cannot be written.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInput(
            f"--onnx needs {' and '.join(missing)}, which PyTorch's exporter uses; install: pip install onnx onnxscript"
        )
    inputs = example_inputs(run)
    sizes = tuple(dict.fromkeys(range(each.ndim), torch.export.Dim.AUTO) for each in inputs)
    names = list(inspect.signature(run.model.forward).parameters)[: len(inputs)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the exporter, about PyTorch's own code
            program = torch.onnx.export(
                run.model,
                inputs,
                dynamo=True,
                dynamic_shapes=sizes,
                input_names=names,
                output_names=["output"],
                verbose=False,
            )
    except Exception as error:  # the exporter raises errors of many kinds
        raise BadInput(f"the model cannot be exported: {one_line(error, 300)}") from error
    write_files({file: program.model_proto.SerializeToString()})
    return file


def example_inputs(run: TrainedRun) -> tuple[Tensor, ...]:
    """What the model gets for the first evaluation batch of the run, at most two examples of it."""
    batches = next(iter(run.task.build_evaluation(run.config, run.device).values()))
    with run.evaluating():
        first = itertools.islice(iter(batches), 1)
        inputs = inputs_of(run.model, lambda: run.task.evaluate(run.model, first))
    # A size of 1 would be taken for a constant.
    return tuple((torch.cat([each, each]) if len(each) == 1 else each[:2]).clone() for each in inputs)
