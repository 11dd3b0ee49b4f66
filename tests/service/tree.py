"""A trace as text: one line a span, children indented below their parents, in the order they began."""

from __future__ import annotations

from collections.abc import Iterable

from received import CLIENT, INTERNAL, SERVER, Span

_KINDS = {CLIENT: "CLIENT", INTERNAL: "INTERNAL", SERVER: "SERVER"}
_STATUS = {0: "", 1: " ok", 2: " ERROR"}


def tree(spans: Iterable[Span]) -> list[str]:
    """`KIND service: name`, ` ERROR` where that is the status, indented by two a level.

    Begins with the spans whose parents are not among them, whatever trace they belong to.
    """
    found = sorted(spans, key=lambda span: span.start_ns)
    ids = {span.span_id for span in found}
    lines: list[str] = []

    def show(span: Span, depth: int) -> None:
        service = span.resource["service.name"]
        lines.append(f"{'  ' * depth}{_KINDS[span.kind]} {service}: {span.name}{_STATUS[span.status]}")
        for child in found:
            if child.parent_id == span.span_id:
                show(child, depth + 1)

    for span in found:
        if span.parent_id not in ids:
            show(span, 0)
    return lines
