"""The cache of built servers: builds what is missing, each once, and never takes a half build for a whole one."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import psutil

from bento_observe.stack._job import Job, duration
from bento_observe.stack._recipes import Recipe, content_key
from bento_observe.stack._tools import MissingTool

Report = Callable[[str], None]

_REPORT_EVERY_S = 15.0
_LOCK_POLL_S = 0.5
_PARTIAL = ".partial"
_BUILDS_KEPT = 2


def artifact(cache: Path, recipe: Recipe) -> Path:
    """Where the finished build of `recipe` is, once it is there."""
    return cache / recipe.name / f"{recipe.version}-{content_key(recipe)}"


def not_built(cache: Path, recipes: Sequence[Recipe]) -> list[Recipe]:
    """The recipes whose build is not in the cache."""
    return [recipe for recipe in recipes if not artifact(cache, recipe).is_dir()]


def tools_lacking(recipes: Sequence[Recipe]) -> list[MissingTool]:
    """What building these takes and this machine has not."""
    needed = dict.fromkeys(tool for recipe in recipes for tool in recipe.tools)
    return [answer for tool in needed if isinstance(answer := tool(), MissingTool)]


def build(cache: Path, recipes: Sequence[Recipe], report: Report) -> None:
    """Build what is missing, two at a time, and say every 15 s how far it is.

    Two, because the compiler keeps two cores busy by itself but not while one build downloads or links; more would
    only take memory. What a failed or interrupted build has made is removed, if killed by the next build; the downloads
    and the compiled packages stay in Go's and Maven's own caches, so the next call goes on from there. Of each server
    the two newest builds are kept, and what runs.

    Raises:
        StackError: if a build fails; the others are stopped.
    """
    missing = not_built(cache, recipes)
    if not missing:
        return
    cache.mkdir(parents=True, exist_ok=True)
    jobs = {recipe.name: Job(recipe.name, recipe.expected_seconds, cache / f"{recipe.name}.log") for recipe in missing}
    usual = sum(recipe.expected_seconds for recipe in missing) / 2
    usual = max(usual, *(recipe.expected_seconds for recipe in missing), 0)
    names = ", ".join(f"{recipe.name} {recipe.version}" for recipe in missing)
    report(f"building {names} into {cache}, once; took about {duration(usual)} on two idle cores; Ctrl-C loses nothing")

    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        futures = {pool.submit(_build_one, cache, recipe, jobs[recipe.name], report): recipe for recipe in missing}
        try:
            _follow(futures, jobs, report)
        except BaseException:
            for job in jobs.values():
                job.cancel()
            pool.shutdown(cancel_futures=True)
            raise
    report(f"built in {duration(time.monotonic() - started)}")


def _follow(futures: dict[Future[None], Recipe], jobs: dict[str, Job], report: Report) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_REPORT_EVERY_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        if not done:
            for future in pending:
                if future.running():
                    report(jobs[futures[future].name].describe())


def _build_one(cache: Path, recipe: Recipe, job: Job, report: Report) -> None:
    target = artifact(cache, recipe)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(target.parent / "lock", job, report):
        if target.is_dir():  # another process has built it meanwhile
            return
        job.start()
        started = time.monotonic()
        for left in target.parent.glob(f"*{_PARTIAL}"):  # whoever made it was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)
        partial = target.with_name(f"{target.name}{_PARTIAL}")
        partial.mkdir()
        try:
            recipe.build(partial, job)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        _remove_old(target)
        report(f"{recipe.name} {recipe.version}: built in {duration(time.monotonic() - started)}")


def _remove_old(newest: Path) -> None:
    """Remove the builds of the same server but for the newest, the one before it, and those that run."""
    others = [path for path in newest.parent.iterdir() if path.is_dir() and path != newest]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[_BUILDS_KEPT - 1 :]:
        if not _runs_from(old):
            shutil.rmtree(old, ignore_errors=True)


def _runs_from(directory: Path) -> bool:
    """Whether a server's command names a file in there, whoever started it and with whatever data."""
    inside = f"{directory}{os.sep}"
    return any(
        inside in argument for process in psutil.process_iter(["cmdline"]) for argument in process.info["cmdline"] or ()
    )


@contextmanager
def _exclusive(path: Path, job: Job, report: Report) -> Iterator[None]:
    """Hold the lock file `path`, which ends with the process whatever happens to it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    report(f"{job.name}: another process is building it; waiting")
                    told = True
                job.wait(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)
