"""A worker does what is due, one piece at a time, and ends when it is told to."""

import threading

from localorg.worker import Worker


def test_a_caller_gets_everything_done_that_is_due():
    due = [1, 2, 3]
    worker = Worker("work", lambda: bool(due) and bool(due.pop()))
    assert worker.run_due() == 3
    assert worker.run_due() == 0


def test_a_woken_thread_looks_for_work_and_stops_when_told():
    asked, done = [], threading.Event()

    def step():
        if not asked:
            return False
        asked.pop()
        done.set()
        return True

    worker = Worker("work", step)
    worker.start()
    worker.start()  # begun already: still one thread
    asked.append(1)
    worker.wake()
    assert done.wait(10)
    worker.stop()
    assert not worker.started
    assert "work" not in {thread.name for thread in threading.enumerate()}
