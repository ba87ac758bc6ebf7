"""What machines teach us by what they do not do."""

from hypothesis import given
from hypothesis import strategies as st

from netboot import learning
from netboot.decision import Learned
from netboot.learning import PATIENCE, Learning
from netboot.model import Mac

MAC = Mac("52:54:00:00:00:01")
OTHER = Mac("52:54:00:00:00:02")


def shapes(lessons: Learning, count: int) -> list[int]:
    return [lessons.discovered(MAC).shape for _ in range(count)]


def test_a_machine_that_goes_no_further_is_offered_the_next_shape() -> None:
    assert shapes(Learning(), 7) == [0] * PATIENCE + [1] * PATIENCE + [2]


def test_the_reason_counts_what_happened() -> None:
    lessons = Learning()
    assert lessons.discovered(MAC).why == ""
    shapes(lessons, PATIENCE)
    assert lessons.now(MAC).why == "it asked 3 times and took no such offer, so another is tried"


def test_progress_starts_the_count_again() -> None:
    lessons = Learning()
    for _ in range(10):
        assert shapes(lessons, PATIENCE) == [0] * PATIENCE
        lessons.progressed(MAC)


def test_one_machines_trouble_is_not_anothers() -> None:
    lessons = Learning()
    shapes(lessons, 10)
    assert lessons.discovered(OTHER) == Learned()


def test_a_loader_that_led_to_no_script_is_followed_by_the_other() -> None:
    lessons = Learning()
    for loader in (0, 1, 2):
        assert lessons.discovered(MAC).loader == loader
        lessons.loaded(MAC)
    assert "never a script" in lessons.now(MAC).why


def test_a_loader_whose_end_is_known_after_the_script_has_led_to_it() -> None:
    lessons = Learning()
    lessons.discovered(MAC)
    lessons.scripted(MAC)
    lessons.loaded(MAC)  # its last acknowledgement was lost
    assert lessons.discovered(MAC) == Learned()
    lessons.loaded(MAC)  # the next boot's, without a script
    assert lessons.discovered(MAC).loader == 1


def test_what_led_to_a_script_is_kept_for_the_next_boot() -> None:
    lessons = Learning()
    shapes(lessons, PATIENCE + 1)
    lessons.progressed(MAC)
    lessons.loaded(MAC)
    assert lessons.scripted(MAC)
    learned = lessons.discovered(MAC)
    assert (learned.shape, learned.loader) == (1, 0)
    assert learned.why == "that is what worked at its last boot"
    assert lessons.lessons() == {MAC: learned}
    assert not lessons.scripted(MAC)  # no news


def test_a_machine_that_takes_the_first_of_everything_is_not_worth_keeping() -> None:
    lessons = Learning()
    lessons.discovered(MAC)
    lessons.loaded(MAC)
    assert not lessons.scripted(MAC)
    assert lessons.lessons() == {}


def test_lessons_outlive_a_restart() -> None:
    before = Learned(shape=1, loader=1, why="that is what worked at its last boot")
    lessons = Learning({MAC: before})
    assert lessons.discovered(MAC) == before
    assert lessons.lessons() == {MAC: before}


@given(st.lists(st.sampled_from(["discovered", "progressed", "loaded", "scripted"]), max_size=60))
def test_whatever_a_machine_does_the_position_only_grows_by_one_at_a_time(steps: list[str]) -> None:
    lessons = Learning()
    before = Learned()
    for step in steps:
        getattr(lessons, step)(MAC)
        now = lessons.now(MAC)
        moved = (now.shape - before.shape, now.loader - before.loader)
        assert moved in {(0, 0), (1, 0), (0, 1)}
        assert moved == (0, 0) or step == "discovered"
        before = now


def test_the_table_is_bounded(monkeypatch) -> None:  # noqa: ANN001 -- a fixture
    monkeypatch.setattr(learning, "MAX_MACHINES", 10)
    lessons = Learning()
    for number in range(100):
        lessons.discovered(Mac(f"52:54:00:00:00:{number:02x}"))
    assert len(lessons._lessons) == 10
