# mypy: disable-error-code="untyped-decorator"
"""A prompt in, a stream of words out, as a language model that takes no time would answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import bentoml

from _serving.switch import watched


@watched
@bentoml.service(name="streams", workers=1)
class Service:
    """Says as much as it is asked for."""

    @bentoml.api
    async def say(self, prompt: str, words: int) -> AsyncGenerator[str, None]:
        """`words` times the prompt and a number."""
        for number in range(words):
            yield f"{prompt} {number}\n"

    @bentoml.api
    def say_in_threads(self, prompt: str, words: int) -> Generator[str, None, None]:
        """The same from a generator that is not asynchronous: BentoML takes each item in a thread."""
        for number in range(words):
            yield f"{prompt} {number}\n"
