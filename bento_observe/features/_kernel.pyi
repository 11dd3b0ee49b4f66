from bento_observe.features._types import FloatArray, IntArray

VERSION: int

def count(
    columns: FloatArray,
    start: int,
    stop: int,
    group: int,
    positions: IntArray,
    rows: IntArray,
    edges: FloatArray,
    center: FloatArray,
    reach: FloatArray,
    sums: FloatArray,
    recent: FloatArray,
    explicit: IntArray,
    count: IntArray,
    missing: IntArray,
    non_finite: IntArray,
    /,
) -> None: ...
