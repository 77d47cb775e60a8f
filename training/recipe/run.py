"""What every training stage shares: its command line, resumable state on disk, the learning-rate curve, the average of weights,
the log."""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import time
from pathlib import Path
from typing import TypeVar

import torch
from torch import distributed, nn

Module = TypeVar("Module", bound=nn.Module)


class Average:
    """Exponential moving average of a module's weights, kept in float32 beside it."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._averaged = list(self.module.parameters())

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Moves towards `module`; young averages move faster, so that the random start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, [p.detach() for p in module.parameters()], 1 - decay)


class Run:
    """One stage of training in a folder: `state.pt` to go on from, `log.jsonl` to read."""

    def __init__(self, folder: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> None:
        self.folder = folder
        self.modules = modules
        self.optimizer = optimizer
        self.step = 0
        self.restored = False
        """Whether it began from a checkpoint (`begin_with`): it has had the easy lessons."""
        self._started = time.time()
        self._saved = time.time()
        self._ending = False
        self._totals: dict[str, list[float]] = {}
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
            for name, module in modules.items():
                module.load_state_dict(state["modules"][name])
            if "optimizer" in state:
                optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
            self.restored = state.get("restored", False)
            print(f"{folder.name}: going on from step {self.step}", flush=True)

    def objects(self, steps: int, shares: tuple[float, float, float]) -> int:
        """The most objects that a scene of a lesson has, 1…4: one more from each of the shares of all `steps` on."""
        return 1 + sum(self.restored or self.step >= share * steps for share in shares)

    def average_gradients(self) -> None:
        """With several processes (torchrun): the mean of their gradients, and whether any was asked to end."""
        if not distributed.is_initialized():
            return
        gradients = [p.grad for module in self.modules.values() for p in module.parameters() if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor([float(self._ending)])])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        for gradient, mean in zip(gradients, flat[:-1].split([g.numel() for g in gradients])):
            gradient.copy_(mean.view_as(gradient))
        self._ending = flat[-1].item() > 0

    def advance(
        self, loss: torch.Tensor, module: nn.Module, average: Average, every: int = 50, **values: torch.Tensor | float
    ) -> None:
        """One step down a module's loss: gradients averaged and clipped, weights averaged. The means of `values` are logged
        `every` few steps, state is saved when it is due."""
        loss.backward()
        self.average_gradients()
        values["norm"] = nn.utils.clip_grad_norm_([p for p in module.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for name, value in {"loss": loss, **values}.items():
            self._totals.setdefault(name, []).append(float(torch.as_tensor(value).detach()))
        average.update(module, self.step)
        self.step += 1
        if self.step % every == 0:
            self.log(**{name: sum(told) / len(told) for name, told in self._totals.items()})
            self._totals = {}
        self.save_if_due()

    def save(self) -> None:
        if process_number() > 0:
            return
        state = {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "restored": self.restored,
        }
        torch.save(state, self.folder / "state.pt.new")
        os.replace(self.folder / "state.pt.new", self.folder / "state.pt")
        self._saved = time.time()

    def save_if_due(self, seconds: float = 120) -> None:
        """Saves every few minutes, and before leaving when the process was asked to end."""
        if self._ending or time.time() - self._saved > seconds:
            self.save()
        if self._ending:
            meet()
            raise SystemExit(f"{self.folder.name}: saved at step {self.step}")

    def _end(self, *_: object) -> None:
        self._ending = True

    def log(self, **values: float) -> None:
        if process_number() > 0:
            return
        line = {"step": self.step, "seconds": round(time.time() - self._started, 1)}
        line |= {name: round(float(value), 5) for name, value in values.items()}
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(self.folder.name, json.dumps(line), flush=True)


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a run, by their names in its module."""
    return torch.load(folder / "state.pt", map_location="cpu", weights_only=True)["modules"]["average"]


def finished(module: Module, folder: Path) -> Module:
    """A module with the averaged weights of a run, ready to use."""
    module.load_state_dict(averaged(folder))
    return module.eval().requires_grad_(False)


def begin_with(folder: Path, name: str, module: nn.Module, **beside: nn.Module) -> None:
    """Lets a run begin, at step 0 and with a fresh optimizer, from the weights of its module `name`, and of others beside it."""
    if (folder / "state.pt").exists():
        raise SystemExit(f"{folder} has a run already")
    folder.mkdir(parents=True, exist_ok=True)
    weights = module.state_dict()
    modules = {name: weights, "average": weights, **{other: of.state_dict() for other, of in beside.items()}}
    torch.save({"modules": modules, "step": 0, "restored": True}, folder / "state.pt")


def join_processes() -> None:
    """Joins the other processes that torchrun started, if any: on a CPU two processes beat two threads."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        distributed.init_process_group("gloo")


def meet() -> None:
    """Waits until all processes have come this far."""
    if distributed.is_initialized():
        distributed.barrier()


def process_number() -> int:
    """This process's rank, 0 if it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def set_rate(optimizer: torch.optim.Optimizer, step: int, steps: int, peak: float, descent: float = 0.5) -> None:
    """Warm-up, a plateau, and a linear descent over the last share of the steps: on the plateau a run can be lengthened.
    Most of what a run learns shows only in the descent."""
    rate = peak * min(1.0, (step + 1) / 200) * min(1.0, max(0.02, (steps - step) / (descent * steps)))
    for group in optimizer.param_groups:
        group["lr"] = rate


def pick_device(name: str) -> torch.device:
    """`auto` takes a GPU if there is one."""
    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name)


def stage_parser(description: str | None, **numbers: int | float) -> argparse.ArgumentParser:
    """The command line of a stage: what every stage takes, and numbers of its own with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    return parser


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Reads a stage's command line and does what it says of threads; `device` is a device from here on."""
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.device = pick_device(arguments.device)
    return arguments
