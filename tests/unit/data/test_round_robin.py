"""Who is trained when: the rules in a few lines, and the loader follows them in every epoch and from every slot on."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.batch import Batch
from avel.data.round_robin import RoundRobinLoader
from avel.errors import UserError
from tests.unit.data.numbers import epoch, loader

TASKS = ("actions", "events", "sounds")
BATCH = 2
EPOCHS = 3


def name(task, samples):
    return task, samples


def round_robin(lengths, rounds=None, *, resting=(), every=4, same_epochs=False, **options):
    """Loaders of `lengths` batches of two numbers by turns; a number more than they need is left over."""
    loaders = {
        task: loader(BATCH * length, batch_size=BATCH, collate=partial(name, task), **options)
        for task, length in zip(TASKS, lengths, strict=False)
    }
    made = RoundRobinLoader(loaders, rounds, same_epochs=same_epochs)
    made.resting, made.every = set(resting), every
    return made


def drawn(batches):
    """(task, samples) of each batch; no samples in an empty one."""
    return [(batch.task, batch.videos) if isinstance(batch, Batch) else batch for batch in batches]


def epochs(made, *numbers):
    return [drawn(epoch(made, number)) for number in numbers]


PLANS = {
    "lengths": st.lists(st.integers(1, 6), min_size=1, max_size=3),
    "rounds": st.none() | st.integers(1, 9),
    "resting": st.sets(st.sampled_from(TASKS)),
    "every": st.integers(1, 5),
}


@settings(max_examples=40)
@given(**PLANS)
def test_every_task_has_a_slot_in_every_round(lengths, rounds, resting, every):
    made = round_robin(lengths, rounds, resting=resting, every=every)
    rounds = rounds or max(lengths)
    tasks = TASKS[: len(lengths)]
    assert len(made) == rounds * len(tasks)
    for number, batches in enumerate(epochs(made, *range(EPOCHS))):
        assert [task for task, _ in batches] == [*tasks] * rounds
        for slot, (task, samples) in enumerate(batches):
            rests = task in resting and (number * rounds + slot // len(tasks)) % every != 0
            assert len(samples) == (0 if rests else BATCH)


@settings(max_examples=40)
@given(**PLANS)
def test_every_pass_has_a_number_of_its_own_and_every_batch_once(lengths, rounds, resting, every):
    made = round_robin(lengths, rounds, resting=resting, every=every)
    numbers = {task: [] for task in made.loaders}
    for batches in epochs(made, *range(EPOCHS)):
        for task, length in zip(made.loaders, lengths, strict=True):
            trained = [samples for of, samples in batches if of == task and samples]
            for start in range(0, len(trained), length):
                one_pass = trained[start : start + length]
                numbers[task].append(number := one_pass[0][0][1])
                assert one_pass == epoch(loader(BATCH * length), number)[: len(one_pass)]
    assert all(of_task == sorted(set(of_task)) for of_task in numbers.values())


@given(**PLANS, number=st.integers(1, 2), data=st.data())
def test_a_run_goes_on_from_any_slot_as_if_nothing_had_happened(lengths, rounds, resting, every, number, data):
    make = partial(round_robin, lengths, rounds, resting=resting, every=every)
    interrupted, whole = make(), drawn(epoch(make(), number))
    epoch(interrupted, number - 1)
    slots = data.draw(st.integers(0, len(whole)))
    interrupted.set_epoch(number)
    batches = iter(interrupted)
    assert drawn(next(batches) for _ in range(slots)) == whole[:slots]
    resumed = make()
    resumed.load_state_dict(interrupted.state_dict())
    assert len(resumed) == len(whole)  # Lightning counts from the start of the epoch
    assert epochs(resumed, number, number + 1) == [whole[slots:], *epochs(make(), number + 1)]


@settings(max_examples=20)
@given(**PLANS, data=st.data())
def test_slots_that_are_put_back_are_given_again(lengths, rounds, resting, every, data):
    make = partial(round_robin, lengths, rounds, resting=resting, every=every)
    stopped, whole = make(), drawn(epoch(make(), 1))
    slots = data.draw(st.integers(1, len(whole)))
    back = data.draw(st.integers(1, slots))
    stopped.set_epoch(1)
    batches = iter(stopped)
    drawn(next(batches) for _ in range(slots))
    stopped.put_back(back)
    resumed = make()
    resumed.load_state_dict(stopped.state_dict())
    assert epochs(resumed, 1) == [whole[slots - back :]]


@settings(max_examples=20)
@given(st.lists(st.integers(2, 6), min_size=2, max_size=2), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_a_run_goes_on_where_tasks_rested_for_a_while_only(lengths, begun, ended, stopped):
    def take(made, slots):
        for slot in slots:
            if slot in (begun, ended):
                made.resting = {"actions"} if slot == begun else ()
            yield next(batches)

    whole, made = [], round_robin(lengths, every=3)
    slots = range(len(made))
    batches = iter(made)
    whole += drawn(take(made, slots))
    made = round_robin(lengths, every=3)
    batches = iter(made)
    assert drawn(take(made, slots[:stopped])) == whole[:stopped]
    resumed = round_robin(lengths, every=3)
    resumed.resting = made.resting
    resumed.load_state_dict(made.state_dict())
    batches = iter(resumed)
    assert drawn(take(resumed, slots[stopped:])) == whole[stopped:]


@given(st.integers(4, 12), st.integers(4, 12), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=20)
def test_ranks_are_at_the_same_task_and_nobody_is_drawn_twice(actions, events, world_size, number):
    def rank(rank):
        share = {"batch_size": 1, "rank": rank, "world_size": world_size}
        sizes = {"actions": actions, "events": events}
        loaders = {task: loader(size, collate=partial(name, task), **share) for task, size in sizes.items()}
        made = RoundRobinLoader(loaders)
        made.resting = {"events"}
        return drawn(epoch(made, number))

    ranks = [rank(i) for i in range(world_size)]
    assert len({tuple((task, len(samples)) for task, samples in batches) for batches in ranks}) == 1
    keys = [(task, *key[:2]) for batches in ranks for task, samples in batches for key in samples]
    assert len(keys) == len(set(keys))


def test_an_epoch_is_as_long_as_the_longest_loader_unless_told_otherwise():
    assert len(round_robin([2, 5, 3])) == 15
    assert len(round_robin([2, 5, 3], rounds=2)) == 6


def test_a_task_can_rest_from_the_next_slot_on():
    made = round_robin([4, 4], every=2)
    batches = iter(made)
    before = [next(batches) for _ in range(3)]
    made.resting = {"events"}
    slots = [len(samples) for _, samples in drawn([*before, *batches])]
    assert slots == [2, 2, 2, 0, 2, 2, 2, 0]


@pytest.mark.parametrize("taken", [0, 3, 7, 10])
def test_workers_change_neither_batches_nor_the_place(taken):
    make = partial(round_robin, [2, 5], resting=["actions"], every=2)
    whole = drawn(epoch(make(), 2))
    interrupted = make(workers=1, persistent_workers=True)
    interrupted.set_epoch(2)
    batches = iter(interrupted)
    assert drawn(next(batches) for _ in range(taken)) == whole[:taken]
    resumed = make(workers=1, persistent_workers=True)
    resumed.load_state_dict(interrupted.state_dict())
    assert epochs(resumed, 2, 3) == [whole[taken:], *epochs(make(), 3)]
    assert epochs(interrupted, 3) == epochs(make(), 3)  # whatever its workers had read ahead


def test_an_order_that_is_shuffled_once_is_the_same_in_every_pass_but_for_the_crops():
    ((*batches,),) = epochs(round_robin([2], 4, order="shuffled_once"), 1)
    first, second, *again = [[index for index, *_ in samples] for _, samples in batches]
    assert again == [first, second]
    assert [samples[0][1] for _, samples in batches] == [2, 2, 3, 3]


def test_epochs_can_be_alike():
    made = round_robin([2, 5], same_epochs=True)
    first, third = epochs(made, 0, 2)
    assert third == first
    resumed = round_robin([2, 5], same_epochs=True)
    resumed.load_state_dict(made.state_dict())  # of the third
    assert epochs(resumed, 3) == [first]


def test_a_place_is_kept_until_it_is_taken():
    made = round_robin([2, 5])
    place = made.state_dict() | {"slots": 3, "batches": {"actions": 2, "events": 1}}
    made.load_state_dict(place)
    assert made.state_dict() == place
    next(iter(made))
    assert made.state_dict() == place | {"slots": 4, "batches": {"actions": 2, "events": 2}}


@pytest.mark.parametrize(
    ("lengths", "options", "now"),
    [
        ([2, 5], {"rounds": 4}, "4 rounds of actions (2 batches of 2 videos), events (5 batches of 2 videos)"),
        ([2], {}, "2 rounds of actions (2 batches of 2 videos)"),
        ([3, 5], {}, "5 rounds of actions (3 batches of 2 videos), events (5 batches of 2 videos)"),
    ],
)
def test_the_middle_of_an_epoch_needs_the_same_plan(lengths, options, now):
    before = round_robin([2, 5])
    next(iter(before))
    state = before.state_dict()
    other = round_robin(lengths, **options)
    other.load_state_dict(state)
    with pytest.raises(UserError) as caught:
        next(iter(other))
    assert str(caught.value) == (
        "the checkpoint was written in the middle of an epoch of 5 rounds of actions (2 batches of 2 videos),"
        f" events (5 batches of 2 videos), now it is one of {now}: keep tasks, data.rounds, the batch sizes of"
        " data.sets and trainer.devices to resume it"
    )
    for place in (state | {"slots": 0, "batches": {}}, state | {"epoch": 1}):
        other.load_state_dict(place)
        assert drawn(other) == drawn(round_robin(lengths, **options))
