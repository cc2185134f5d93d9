"""How verdicts, origins and kinds look: the one table behind chips, cards, graph, legend and style sheet.

A verdict is always an icon and a word; colour only repeats them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A verdict's face; the colours of the ink and the fill are for a light page, then for a dark one."""

    key: str
    icon: str
    label: str
    meaning: str
    ink: str
    fill: str
    ink_dark: str
    fill_dark: str


VERDICTS: dict[str, Verdict] = {
    v.key: v
    for v in (
        Verdict("proved", "✓", "proved", "an exact proof for all sizes",
                "#0a6b46", "#e3f5ec", "#6fdcab", "#10352a"),
        Verdict("proved-at-size", "✓ₙ", "proved at size", "an exact proof for the sizes that are named",
                "#0b6270", "#e0f3f6", "#6fd2e2", "#0f333b"),
        Verdict("enclosed", "◎", "enclosed", "decided rigorously on every instance that was tried",
                "#1d4fbf", "#e6edfd", "#8fb4ff", "#182b52"),
        Verdict("searched", "≈", "searched", "adversaries tried to break it and did not",
                "#3b5b86", "#e9f0f8", "#a3c1e6", "#1d2d42"),
        Verdict("sampled", "∴", "sampled", "drawn instances, none of which violates it",
                "#4d5b75", "#edf0f5", "#b3c0d8", "#262f3e"),
        Verdict("stated", "·", "stated", "written down and shown, nothing tried",
                "#525b67", "#eff1f3", "#aeb8c4", "#272d35"),
        Verdict("open", "?", "open", "undecided",
                "#525b67", "#ffffff", "#c3ccd6", "#171c22"),
        Verdict("gap", "!", "gap", "true only with a hypothesis that the text does not give",
                "#8a5200", "#fdf1dc", "#f3bf6b", "#3d2c10"),
        Verdict("refuted", "✗", "refuted", "false as printed, with a witness to check by hand",
                "#b3202c", "#fdeaea", "#ff9a9a", "#471a1e"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Outline:
    """How a node of the graph is drawn around: by origin the stroke, by kind the corners."""

    key: str
    label: str
    dash: str
    width: float


ORIGINS: dict[str, Outline] = {
    o.key: o
    for o in (
        Outline("published", "published", "", 1.4),
        Outline("repair", "repaired theory", "5 3", 1.8),
        Outline("own", "own", "1.5 3", 2.2),
    )
}
ROUND_KINDS = ("definition", "remark")


def verdict(key: str) -> Verdict:
    """The face of a verdict; an unknown word is shown as it is, as undecided."""
    if key in VERDICTS:
        return VERDICTS[key]
    known = VERDICTS["open"]
    return Verdict("open", known.icon, key, known.meaning, known.ink, known.fill, known.ink_dark, known.fill_dark)


def style() -> str:
    """The style rules that follow from the table: colours for both themes, and the filter by verdict."""
    light = "".join(f".v-{v.key}{{--ink:{v.ink};--fill:{v.fill}}}" for v in VERDICTS.values())
    dark = "".join(f".v-{v.key}{{--ink:{v.ink_dark};--fill:{v.fill_dark}}}" for v in VERDICTS.values())
    only = "".join(
        f"body:has(#only-{key}:target) :is(tr.statement:not(.v-{key}),.statements tbody:not(:has(.v-{key})))"
        f"{{display:none}}body:has(#only-{key}:target) .node:not(.v-{key}){{opacity:.25}}"
        for key in VERDICTS
    )
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}{only}"
