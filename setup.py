"""Puts collector/ into the wheel, as data of the package; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCollector(build_py):
    """The usual build, and the servers' configuration where `bento_observe.stack` looks for it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "bento_observe", "_collector")
            shutil.copytree(Path(__file__).with_name("collector"), target, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithCollector})
