"""Weights & Biases as a dashboard: online where there is an account, in the run folder where there is none."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from PIL.Image import Image

from avel.run_names import run_name
from avel.training.dashboards import Dashboard, Moment
from avel.training.wandb_account import choose_mode

STEP, EPOCH = "trainer/global_step", "epoch"
"""What the axes are called; Lightning's names."""

AXES = {STEP: ("train/*", "lr"), EPOCH: ("val/*", "test/*", "timelines/*", "attention/*")}
"""Axis -> what is drawn over it."""

LONGEST = 200
"""Characters of what W&B says that are told."""

log = logging.getLogger(__name__)


class WeightsAndBiases(Logger, Dashboard):
    """Logs to W&B with the names of `metrics.csv`, and never ends a training.

    Without an account or with WANDB_MODE=offline (see `choose_mode`), the run is kept in `<save_dir>/wandb`, and its
    end says how to upload it; so is one whose server does not answer. Whatever else W&B fails at is told once, and the
    training goes on without it. Nothing ever asks for input.

    A training that is resumed goes on with its W&B run: the id is in the checkpoint.

    Args:
        save_dir: the run folder.
        project: project at W&B.
        entity: user or team; None for the account's default.
        group: what belongs together, e.g. the runs of one experiment.
        name: name of the run; None for what `run_name` makes of the overrides.
        overrides: what the run was asked for, as on the command line.
        tags: by what runs are found.
        job_type: kind of the run, e.g. its stage.
        offline: True never uploads anything; False and None upload where there is an account.
        log_model: whether the best checkpoint is kept as an artifact too.
        init_timeout: seconds that the server has to answer at the beginning.
        finish_timeout: seconds that are waited at the end for what is not uploaded yet.
    """

    def __init__(
        self,
        save_dir: str | Path,
        *,
        project: str = "avel",
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        overrides: Sequence[str] = (),
        tags: Sequence[str] = (),
        job_type: str | None = None,
        offline: bool | None = None,
        log_model: bool = False,
        init_timeout: float = 30.0,
        finish_timeout: float = 600.0,
    ) -> None:
        super().__init__()
        self.folder, self.project = Path(save_dir).resolve(), project
        self.offline, self.log_model = offline, log_model
        self._init = partial(
            wandb.init,
            project=project,
            entity=entity,
            group=group,
            name=name or run_name(overrides, leave_out={"experiment", "ckpt_path"}),
            tags=[str(tag) for tag in tags],
            job_type=job_type,
            dir=self.folder,
            resume="allow",
            reinit="create_new",  # runs of `-m` are of one process
            settings=wandb.Settings(
                silent=True, init_timeout=init_timeout, finish_timeout=finish_timeout, finish_timeout_raises=True
            ),
        )
        self._run: wandb.Run | None = None
        self._id: str | None = None
        self._given_up = False

    # A logger of Lightning's

    @property
    def name(self) -> str:
        """The project."""
        return self.project

    @property
    def version(self) -> str:
        """The id of the run."""
        return self.run_id

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.folder)

    def log_hyperparams(self, params: Any) -> None:
        """Do nothing: `describe` has all of the configuration."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log numbers."""
        self._do(lambda run: run.log(metrics | ({} if step is None else {STEP: step})))

    # A dashboard

    def describe(self, config: Mapping[str, Any]) -> None:
        """Make the configuration that of the run."""
        self._do(lambda run: run.config.update(dict(config), allow_val_change=True))

    def show_picture(self, name: str, image: Image, moment: Moment) -> None:
        """Log a picture."""
        self._show(name, lambda: wandb.Image(image), moment)

    def show_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], moment: Moment) -> None:
        """Log a table."""
        self._show(name, lambda: wandb.Table(columns=[*columns], data=[[*row] for row in rows]), moment)

    def show_curve(
        self, name: str, columns: tuple[str, str], points: Sequence[tuple[float, float]], moment: Moment
    ) -> None:
        """Log a line chart, and its points as the table `<name>_table`."""
        x, y = columns

        def chart() -> Any:
            return wandb.plot.line(wandb.Table(columns=[x, y], data=[[*point] for point in points]), x, y, title=name)

        self._show(name, chart, moment)

    def keep(self, folder: Path, paths: Iterable[Path], model: Path | None) -> None:
        """Keep the files as the artifact `report-<run>`, and the checkpoint, if so asked, as `model-<run>`.

        The report is also a panel.
        """
        files = {path.relative_to(folder).as_posix(): path for path in paths}
        self._do(lambda run: _keep_artifact(run, "report", files))
        if page := files.get("report.html"):
            self._do(lambda run: run.log({"report": wandb.Html(page, inject=False)}))
        if self.log_model and model is not None:
            self._do(lambda run: _keep_artifact(run, "model", {model.name: model}))

    @property
    def run_id(self) -> str:
        """Id of the run, "" before it has begun."""
        return str(self._run.id) if self._run else self._id or ""

    def resume(self, run_id: str) -> None:
        """Go on with another run; without effect once this one has begun."""
        self._id = run_id

    def close(self, *, failed: bool = False) -> str:
        """End the run; return how to upload what is not."""
        run, self._run, self._given_up = self._run, None, True
        if run is None:
            return ""
        left = "offline-run-*" if run.offline else ""  # of a run that was resumed here, all parts
        try:
            run.finish(exit_code=int(failed))
        except Exception as error:  # a TimeoutError among others
            log.warning("W&B: not all of the run has been uploaded: %s", in_a_line(error))
            left = left or "run-*"
        folder = shlex.quote(os.path.relpath(self.folder / "wandb"))
        return f"To W&B:     wandb sync {folder}/{left}" if left else ""

    def _show(self, name: str, make: Callable[[], Any], moment: Moment) -> None:
        self._do(lambda run: run.log({name: make(), STEP: moment.step, EPOCH: moment.epoch}))

    @rank_zero_only
    def _do(self, action: Callable[[wandb.Run], object]) -> None:
        """Do something with the run; the first failure is told and is the last."""
        if self._given_up:
            return
        try:
            with staged_in(self.folder / "wandb"):
                self._run = self._run or self._begin()
                action(self._run)
        except Exception as error:  # its client fails in more ways than it documents
            self._given_up = True
            log.warning("W&B failed, the run goes on without it: %s", in_a_line(error))

    def _begin(self) -> wandb.Run:
        mode = choose_mode(self.offline)
        (self.folder / "wandb").mkdir(parents=True, exist_ok=True)  # or its client takes another folder
        try:
            run = self._init(id=self._id, mode=mode)
        except Exception as error:
            if mode != "online":
                raise
            log.warning("W&B cannot be reached, the run is kept on disk: %s", in_a_line(error))
            wandb.teardown()  # or the id of a resumed run is taken by the attempt
            run = self._init(id=self._id, mode="offline")
        if not run.offline and not run.disabled:
            log.info("W&B: %s", run.url)
        for axis, names in AXES.items():
            run.define_metric(axis, hidden=True)
            for name in names:
                run.define_metric(name, step_metric=axis)
        return run


@contextmanager
def staged_in(folder: Path) -> Iterator[None]:
    """Let tables wait for their upload beside the run: nobody takes them along from the home directory."""
    chosen = "WANDB_DATA_DIR" in os.environ
    os.environ.setdefault("WANDB_DATA_DIR", str(folder))
    try:
        yield
    finally:
        if not chosen:
            del os.environ["WANDB_DATA_DIR"]


def in_a_line(error: Exception) -> str:
    """Return what an error says, in a line that is not too long."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"


def _keep_artifact(run: wandb.Run, kind: str, files: Mapping[str, Path]) -> None:
    artifact = wandb.Artifact(f"{kind}-{run.id}", type=kind)
    for name, path in files.items():
        artifact.add_file(str(path.resolve()), name=name, policy="immutable")  # no copy: the folder keeps the files
    run.log_artifact(artifact)
