"""What pyproject.toml has no words for: collector/ as data of the package, and the kernel that need not be built."""

import os
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py


class BuildWithCollector(build_py):
    """The usual build, and the servers' configuration where `bento_observe.stack` looks for it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "bento_observe", "_collector")
            # Without what was made there for this machine: passwords, bytecode.
            left_out = shutil.ignore_patterns(".env", "__pycache__")
            shutil.copytree(Path(__file__).with_name("collector"), target, ignore=left_out, dirs_exist_ok=True)


kernel = Extension(
    "bento_observe.features._kernel",
    ["bento_observe/features/_kernel.c"],
    extra_compile_args=[] if os.name == "nt" else ["-O3"],
    optional=True,  # without a C compiler, or Python's headers, numpy counts
)
setup(cmdclass={"build_py": BuildWithCollector}, ext_modules=[kernel])
