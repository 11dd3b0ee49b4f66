"""Ids come back as they were made, with the right key only, and whatever else is refused says why."""

from __future__ import annotations

import base64
import math
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

from bento_observe import semconv
from bento_observe._environment import EnvironmentReader
from bento_observe._label_keys import KEYS, Key, Keys, generate, keys_of
from bento_observe.feedback._identifier import Identifier
from bento_observe.feedback._issuing import TokenIssuer
from bento_observe.feedback._reading import TEXT, TokenReader
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._token import Context, Predictions, TokenMaker, class_body, value_body
from bento_observe.request import RequestSpan, current_request
from bento_observe.telemetry import Health

KEY, OTHER = Key.of(b"k" * 32), Key.of(b"o" * 32)
MAKER, READER = TokenMaker(Keys((KEY,))), TokenReader(Keys((KEY,)))
CONTEXT = Context("classify", "wine", "v1", (("country", "DE"),))
NONCE = b"nonce 01"

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
contexts = st.builds(
    Context, texts, st.text(max_size=9), st.text(max_size=9), st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
)


def one(name: str = "setosa", confidence: float = 0.25) -> str:
    return MAKER.token(CONTEXT, class_body(name, confidence, 3, 1_700_000_000), NONCE)


def test_the_longest_ids_come_back() -> None:
    """All names as long as they may be: of more bytes than an eighth of a token's length can count."""
    context = Context("a" * 64, "m" * 64, "v" * 64, tuple((f"{n}" * 64, "w" * 64) for n in range(3)))
    tokens = MAKER.tokens([context], Predictions(["x" * 120], confidence=[0.5], of=3), NONCE, 1)
    assert len(tokens[0]) > 600
    read = READER.read(tokens)
    assert read.reasons == {}
    assert read.names == ["x" * 120]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(contexts, min_size=1, max_size=4),
    st.lists(st.tuples(texts, st.floats(0, 1)), min_size=1, max_size=9),
    st.integers(0, 2**32 - 1),
    st.randoms(use_true_random=False),
)
def test_classes_come_back_in_any_order(
    given_contexts: list[Context], rows: list[tuple[str, float]], when: int, chance: random.Random
) -> None:
    """With their contexts, confidences and time; ids of one batch are equally long."""
    which = [chance.randrange(len(given_contexts)) for _ in rows]
    predictions = Predictions([name for name, _ in rows], confidence=[sure for _, sure in rows], of=300)
    tokens = MAKER.tokens(given_contexts, predictions, NONCE, when, which)
    assert len(set(map(len, tokens))) == 1
    assert len(set(tokens)) == len(rows)
    order = list(range(len(rows)))
    chance.shuffle(order)
    read = READER.read([tokens[number] for number in order])
    assert read.reasons == {}
    assert [read.names[number] for number in read.name] == [rows[number][0] for number in order]
    assert read.confidence.tolist() == [rows[number][1] for number in order]
    assert [read.contexts[number] for number in read.context] == [given_contexts[which[number]] for number in order]
    assert set(read.time.tolist()) == {when}
    assert set(read.classes.tolist()) == {255}
    assert len(set(read.identity.tolist())) == len(rows)


def test_values_come_back_as_they_were() -> None:
    """Each float, alone and in a batch."""
    values = [0.1, -1e300, 5e-324, 17.0]
    read = READER.read(MAKER.tokens([CONTEXT], Predictions(values=values), NONCE, 5))
    assert read.value.tolist() == values
    assert READER.read([MAKER.token(CONTEXT, value_body(0.1, 5), NONCE, 7)]).value.tolist() == [0.1]
    assert math.isnan(read.confidence[0])


def test_texts_come_back_as_what_they_are() -> None:
    """Among classes, alone and in a batch."""
    tokens = MAKER.tokens([CONTEXT], Predictions(["", "a", ""], of=3), NONCE, 5)
    assert tokens[2] == MAKER.token(CONTEXT, class_body("", math.nan, 3, 5) + b"\0", NONCE, 2)
    read = READER.read([*tokens, MAKER.token(CONTEXT, class_body("", math.nan, 0, 5), NONCE, 9)])
    assert (read.reasons, read.name.tolist(), read.names) == ({}, [TEXT, 0, TEXT, TEXT], ["a"])
    assert np.isnan(read.value).all()


def test_a_row_is_the_same_alone_and_in_a_batch() -> None:
    """So that its label counts once, whichever way the id was made."""
    predictions = Predictions(["a", "b"], confidence=[0.5, 0.75], of=2)
    batch = MAKER.tokens([CONTEXT], predictions, NONCE, 9)
    assert batch == [
        MAKER.token(CONTEXT, class_body("a", 0.5, 2, 9), NONCE, 0),
        MAKER.token(CONTEXT, class_body("b", 0.75, 2, 9), NONCE, 1),
    ]


def test_what_an_id_carries_cannot_be_seen() -> None:
    """Neither in it nor in its bytes; equal predictions do not look equal."""
    first, second = one(), MAKER.token(CONTEXT, class_body("setosa", 0.25, 3, 1_700_000_000), b"nonce 02")
    raw = base64.urlsafe_b64decode(first)
    assert not any(text in raw for text in (b"setosa", b"classify", b"wine", b"DE"))
    body = slice(26, 26 + raw[16])
    assert raw[body] != base64.urlsafe_b64decode(second)[body]


def test_names_that_are_too_long_are_cut_within_no_character() -> None:
    """So that an id stays a header of a few hundred bytes."""
    long = Context("a" * 500, "ü" * 500, "v", tuple((f"slice {number}", "x" * 100) for number in range(9)))
    token = MAKER.token(long, class_body("ß" * 500, 0.5, 0, 1), NONCE)
    assert len(token) < 1020
    read = READER.read([token])
    assert len(read.names[0].encode()) <= 120
    assert read.names[0].startswith("ß" * 55)
    found = read.contexts[0]
    assert found.model.startswith("ü" * 27 + "~")
    assert all(len(text.encode()) in (63, 64) for text in (found.api, found.model, *(one[1] for one in found.slices)))


@pytest.mark.parametrize("rows", [0, 3])
def test_slices_that_an_id_has_no_place_for_are_counted(rows: int) -> None:
    """By the id, alone or in a batch; shorter ones behind them are still in it, and long ones stay different ones."""
    url = "https://example.org/" + "a" * 60
    many = Context("a", "m", "v", (*((f"column {n}", f"{url}{n}") for n in range(8)), ("country", "DE"), ("none", "")))
    few = Context("a", "m", "v", (("url", f"{url}0"),))
    lost: list[int] = []
    maker = TokenMaker(Keys((KEY,)), lost.append)
    for _ in range(2):
        if rows:
            tokens = maker.tokens([few, many], Predictions(["x"] * rows), NONCE, 1, [1] * (rows - 1) + [0])
        else:
            tokens = [maker.token(one, class_body("x", 0.5, 0, 1), NONCE) for one in (many, few)]
    first, last = READER.read(tokens[:1]).contexts[0], READER.read(tokens[-1:]).contexts[0]
    kept = len(first.slices)
    assert first.slices[-1] == ("country", "DE")
    assert len(set(first.slices)) == kept < 9
    assert last.slices == (("url", first.slices[0][1]),)
    assert lost == [(9 - kept) * max(rows - 1, 1)] * 2


def test_any_change_of_a_character_is_refused() -> None:
    """None of them is taken for another prediction's id."""
    token = one()
    changed = [
        token[:place] + character + token[place + 1 :]
        for place in range(len(token))
        for character in "A9_-+/= ü"
        if token[place] != character
    ]
    reasons = READER.read(changed).reasons
    assert len(reasons) == len(changed)
    allowed = {semconv.LABEL_FORGED, semconv.LABEL_MALFORMED, semconv.LABEL_OTHER_KEY, semconv.LABEL_TRUNCATED}
    assert set(reasons.values()) == allowed


def test_an_id_that_is_cut_off_is_told_as_such() -> None:
    """Wherever it was cut; one with more behind it is no id of ours."""
    token = one()
    found = READER.read([token[:size] for size in range(4, len(token))]).reasons
    assert Counter(found.values()) == {semconv.LABEL_TRUNCATED: len(token) - 4}
    assert READER.read([token + "AAAA"]).reasons == {0: semconv.LABEL_MALFORMED}


@pytest.mark.parametrize("odd", [None, "", 5, b"abc", ["a"], "x" * 5000, "ü" * 120, "!" * 112, float("nan")])
def test_anything_else_is_malformed(odd: Any) -> None:
    """And costs the others nothing."""
    read = READER.read([one(), odd, one()])
    assert read.reasons == {1: semconv.LABEL_MALFORMED}
    assert read.confidence[[0, 2]].tolist() == [0.25, 0.25]


def test_another_key_is_told_from_a_forgery_and_old_keys_are_accepted() -> None:
    """While keys are replaced, ids of both are good; the first key signs."""
    token = one()
    assert TokenReader(Keys((OTHER,))).read([token]).reasons == {0: semconv.LABEL_OTHER_KEY}
    both = Keys((OTHER, KEY))
    new = TokenMaker(both).token(CONTEXT, class_body("b", 0.5, 0, 1), NONCE)
    assert TokenReader(both).read([token, new]).reasons == {}
    assert TokenReader(Keys((OTHER,))).read([new]).reasons == {}
    raw = bytearray(base64.urlsafe_b64decode(token))
    raw[2:4] = OTHER.id
    claimed = base64.urlsafe_b64encode(raw).decode()
    assert TokenReader(both).read([claimed]).reasons == {0: semconv.LABEL_FORGED}


def test_random_bytes_under_our_head_never_pass() -> None:
    """Thousands of forgeries with a right version, length and key."""
    chance = np.random.default_rng(1)
    raw = bytearray(base64.urlsafe_b64decode(one()))
    forged = []
    for _ in range(2000):
        raw[4:] = chance.bytes(len(raw) - 4)
        forged.append(base64.urlsafe_b64encode(raw).decode())
    reasons = READER.read(forged).reasons
    assert len(reasons) == 2000


def test_keys_come_from_the_environment() -> None:
    """Several, the first one signs; what is too short is left out, told, and not shown."""
    env = EnvironmentReader({KEYS: "0123456789abcdef, short,fedcba9876543210"})
    keys = keys_of(env)
    assert [key.id for key in keys.all] == [Key.of(b"0123456789abcdef").id, Key.of(b"fedcba9876543210").id]
    assert not keys.generated
    assert len(env.problems) == 1
    assert "short" not in env.problems[0].replace("shorter", "")


def test_without_a_key_all_processes_have_the_one_that_the_supervisor_made_up() -> None:
    """Also where the key that is given is too short; one that is good stays the only one."""
    environment: dict[str, str] = {}
    generate(environment)
    generate(made := dict(environment))
    assert made == environment
    first, second = (keys_of(EnvironmentReader(environment)) for _ in range(2))
    assert first.signing.id == second.signing.id
    assert first.generated
    short = {KEYS: "short"}
    generate(short)
    assert keys_of(EnvironmentReader(short)).signing.id == keys_of(EnvironmentReader(short)).signing.id
    good = {KEYS: "0123456789abcdef"}
    generate(good)
    assert len(keys_of(EnvironmentReader(good)).all) == 1
    assert not keys_of(EnvironmentReader(good)).generated


def test_rows_whose_value_is_no_number_have_no_id() -> None:
    """Those beside them do. The error of such a row would make the sum of all errors NaN."""
    context = CONTEXT._replace(slices=())
    identifier = Identifier(context, Shape(classes=False), TokenIssuer(context, MAKER), b"x-prediction-id", Health())
    first, second, third = identifier.ids(np.array([1.5, math.nan, math.inf]), None, ())
    assert READER.read([first]).value.tolist() == [1.5]
    assert (second, third) == ("", "")


class Reading:
    """An API's ids, what they carry, and what is counted."""

    def __init__(self) -> None:
        self.health = Health()
        context = CONTEXT._replace(slices=())
        issuer = TokenIssuer(context, MAKER)
        self.identifier = Identifier(context, Shape(), issuer, b"x-prediction-id", self.health)
        self.request = RequestSpan()
        self.request.headers, self.request.sampled = {}, False

    def identify(self, output: Any) -> list[str]:
        token = attach(set_span_in_context(self.request))
        current_request.set(self.request)
        self.request.prediction_ids = None
        try:
            self.identifier.identify(output, ())
        finally:
            current_request.set(None)
            detach(token)
        return list(self.request.prediction_ids or ())

    def lost(self) -> dict[tuple[str, ...], int]:
        return self.health.counts()[semconv.DROPPED]


def test_a_row_without_a_prediction_is_told_and_the_others_have_their_ids() -> None:
    """In their order; what is no prediction at all is not counted."""
    reading = Reading()
    first, second, third = reading.identify(["a", None, "b"])
    read = READER.read([first, third])
    assert ([read.names[one] for one in read.name], second) == (["a", "b"], "")
    assert reading.lost() == {("predictions", "unreadable"): 1}
    assert reading.identify(np.array([[0.25, math.nan], [math.nan, 1.0], [0.5, 0.5]]))[:2] == ["", ""]
    assert reading.identify(math.nan) == []
    assert reading.lost() == {("predictions", "unreadable"): 4}
    edges, boxes = [[0, 1], [2, 3], [4, 7]], [{"w": 0.4, "h": 0.6}, {"w": 0.4, "h": 0.9}]
    for nothing in (
        None, {"status": "ok", "rows": 3}, [None], "", np.zeros((2, 384)), object(), edges, np.array(edges), boxes
    ):  # fmt: skip
        assert reading.identify(nothing) == []
    assert [bool(one) for one in reading.identify(["Hello", "", "x"])] == [True, False, True]
    assert [bool(one) for one in reading.identifier.ids(["Hello", "", "x"], None, ())] == [True, False, True]
    assert reading.lost() == {("predictions", "unreadable"): 4}


def test_rows_of_a_batch_that_are_no_probabilities_have_no_id() -> None:
    """They would be of the first class, with a confidence that is none."""
    reading = Reading()
    made = reading.identifier.ids(np.array([[0.25, 0.75], [math.nan, 1.0], [3.2, -1.0]]), None, ())
    assert made[1:] == ["", ""]
    assert READER.read(made[:1]).confidence.tolist() == [0.75]
    assert reading.lost() == {("predictions", "unreadable"): 2}
