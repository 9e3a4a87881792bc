"""Several data sets, one task each, as the data of one training."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lightning.pytorch import LightningDataModule

from avel.data.module import SPLITS, Facts, LocalizationDataModule
from avel.data.option_names import naming_options_of
from avel.data.round_robin import RoundRobinLoader
from avel.data.sampling import ResumableLoader
from avel.errors import UserError, check_choice, check_count

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MultitaskFacts:
    """What a method and a trainer need to know about several data sets before they are read.

    Attributes:
        sets: task -> what its data set is like.
        visual_dim: channels of the visual features of all.
        audio_dim: channels of the audio features of all.
        videos: split -> number of annotated videos of all.
    """

    sets: dict[str, Facts]
    visual_dim: int
    audio_dim: int
    videos: dict[str, int]


class MultitaskDataModule(LightningDataModule):
    """Any data sets side by side, trained by turns (see `RoundRobinLoader`) and judged one by one.

    The sets share nothing but the widths of their features; ids of videos and of classes may coincide.

    Args:
        sets: task -> its data set, in the order of the turns.
        rounds: of an epoch; in each of them every task is trained on one batch. None for as many as the largest set has
            batches.
        predict_split: split that `predict_dataloader` gives of all sets, None for the one that they agree on.
        selection_split: the same for `val_dataloader`, by which a checkpoint is chosen.
        visual_dim: channels of the visual features, None to take them from the sets; a number is checked.
        audio_dim: the same for the audio features.

    Raises:
        UserError: no sets, or ones that do not agree; an unknown split; an impossible number.
    """

    def __init__(
        self,
        sets: Mapping[str, LocalizationDataModule],
        *,
        rounds: int | None = None,
        predict_split: str | None = None,
        selection_split: str | None = None,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
    ) -> None:
        super().__init__()
        if not sets:
            raise UserError("data.sets is empty: choose tasks, e.g. tasks=[unav100,desed]")
        check_count("data.rounds", rounds, optional=True)
        self.sets = dict(sets)
        self.rounds = rounds
        self.predict_split = self._share("predict_split", predict_split, SPLITS)
        self.selection_split = self._share("selection_split", selection_split, SPLITS[1:])
        self.stated = {"visual_dim": visual_dim, "audio_dim": audio_dim}
        for task, data in self.sets.items():
            data.task = task
        self._resting: tuple[Collection[str], int] = (), 1
        self._training: RoundRobinLoader | None = None
        self._place: dict[str, Any] | None = None

    def by_task(self) -> dict[str, LocalizationDataModule]:
        """Return the data sets by the task that their batches bear."""
        return dict(self.sets)

    def facts(self) -> MultitaskFacts:
        """Return what the data sets are like.

        Raises:
            UserError: their features are not equally wide, or not as wide as was stated.
        """
        facts = self._each(lambda data: data.facts())
        return MultitaskFacts(
            sets=facts,
            visual_dim=self._width("visual_dim", {task: found.visual_dim for task, found in facts.items()}),
            audio_dim=self._width("audio_dim", {task: found.audio_dim for task, found in facts.items()}),
            videos={split: sum(found.videos[split] for found in facts.values()) for split in SPLITS},
        )

    def rest(self, tasks: Collection[str], every: int) -> None:
        """From the next batch on train `tasks`, and no others, only in one of `every` rounds.

        Raises:
            ValueError: there is no such task, or `every` is below 1.
        """
        if unknown := set(tasks) - self.sets.keys():
            raise ValueError(f"no such task: {', '.join(sorted(unknown))}; there are {', '.join(self.sets)}")
        if every < 1:
            raise ValueError(f"every={every}: must be at least 1")
        self._resting = frozenset(tasks), every
        if self._training:
            self._training.resting, self._training.every = self._resting

    # What the trainer calls

    def setup(self, stage: str) -> None:
        """Check the files of the splits that the stage needs."""
        for data in self.sets.values():
            data.trainer = self.trainer  # which knows the rank of this process
        self._each(lambda data: data.setup(stage))

    def teardown(self, stage: str) -> None:
        """End the processes that read training samples ahead; those of other loaders the trainer finds by itself."""
        if self._training:
            self._training.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the training epoch, see `LocalizationDataModule.state_dict`."""
        return self._training.state_dict() if self._training else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue in the place of a checkpoint."""
        self._place = state_dict

    def train_dataloader(self) -> RoundRobinLoader:
        """The training samples of all sets by turns."""
        overfit = self.trainer is not None and self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
        loaders = self._each(lambda data: data.train_dataloader())
        self._training = loader = RoundRobinLoader(loaders, self.rounds, same_epochs=overfit)
        loader.resting, loader.every = self._resting
        if self._place:
            loader.load_state_dict(self._place)
        return loader

    def val_dataloader(self) -> ResumableLoader | list[ResumableLoader]:
        """Whole videos of `selection_split`: a loader for each set, or the only one."""
        return self._loaders(lambda data: data.val_dataloader())

    def test_dataloader(self) -> ResumableLoader | list[ResumableLoader]:
        """Whole test videos: a loader for each set, or the only one."""
        return self._loaders(lambda data: data.test_dataloader())

    def predict_dataloader(self) -> ResumableLoader | list[ResumableLoader]:
        """Whole videos of `predict_split`: a loader for each set, or the only one."""
        return self._loaders(lambda data: data.predict_dataloader())

    def _loaders(self, make: Callable[[LocalizationDataModule], ResumableLoader]) -> Any:
        loaders = list(self._each(make).values())
        return loaders if len(loaders) > 1 else loaders[0]

    def _each(self, get: Callable[[LocalizationDataModule], T]) -> dict[str, T]:
        found = {}
        for task, data in self.sets.items():
            with naming_options_of(task):
                found[task] = get(data)
        return found

    def _share(self, name: str, split: str | None, choices: Collection[str]) -> str:
        """Give a split on to all sets; without one take that of the sets."""
        if split is not None:
            check_choice(f"data.{name}", split, choices)
            for data in self.sets.values():
                setattr(data, name, split)
        return agreed(name, {task: getattr(data, name) for task, data in self.sets.items()}, f"set data.{name}")

    def _width(self, name: str, widths: Mapping[str, int]) -> int:
        advice = "one network needs equal widths, choose the sets' features or the tasks so"
        width = agreed(name, widths, advice)
        if self.stated[name] not in (None, width):
            raise UserError(
                f"data.{name}={self.stated[name]}, but the features of data.sets are {width} wide:"
                f" set data.{name}={width}, or null to take it from the sets"
            )
        return width


def agreed(name: str, values: Mapping[str, T], advice: str) -> T:
    """Return the value of an option that all sets have.

    Args:
        name: name of the option.
        values: task -> value in its set.
        advice: what a user can do where two differ.

    Raises:
        UserError: two differ.
    """
    (first, value), *others = values.items()
    for task, other in others:
        if other != value:
            raise UserError(f"data.sets.{first} has {name}={value}, but data.sets.{task} {name}={other}: {advice}")
    return value
